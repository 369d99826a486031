"""What the steps need, opened once by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from helios.database import Database
from helios.frames import Frames
from helios.keyring import Keyring
from helios.llm.base import Generator
from helios.models.embedder import TextEncoder
from helios.models.intent import IntentClassifier
from helios.models.language import LanguageIdentifier
from helios.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    database: Database
    keyring: Keyring
    frames: Frames
    encoder: TextEncoder
    intents: IntentClassifier
    languages: LanguageIdentifier
    generators: Mapping[str, Generator]
    """By name, in the order in which they are tried."""
