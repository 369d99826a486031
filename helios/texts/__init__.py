"""What the system itself says to customers, by language. Texts are data beside this file."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import yaml

FALLBACK = "en"


@lru_cache(maxsize=16)
def _table(language: str) -> dict[str, str] | None:
    file = files(__package__) / f"{language}.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None


def text(key: str, language: str | None, **values: str) -> str:
    """The text `key` in the language, or in English where there is no translation. Raises `KeyError`: no such text."""
    return template(key, language).format(**values).strip()


def template(key: str, language: str | None) -> str:
    """The same before its values are filled in."""
    table = _table((language or FALLBACK)[:2].lower()) or {}
    return table.get(key) or (_table(FALLBACK) or {})[key]
