"""The language of a text that somebody sent."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from helios.models.language import LanguageIdentifier


async def language_of(text: str) -> str:
    """ISO 639-1; English where it cannot be told."""
    return (await asyncio.to_thread(identifier)).detect(text, default="en").code


@lru_cache(maxsize=1)
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()
