"""Builds the local models into HELIOS_MODEL_DIR; the image is made with it."""

from __future__ import annotations

from helios.models.embedder import Embedder
from helios.models.intent import IntentClassifier
from helios.settings import settings


def main() -> None:
    config = settings()
    IntentClassifier.load(config, Embedder.load(config))


if __name__ == "__main__":
    main()
