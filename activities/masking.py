"""What a model may read of a conversation: typed tokens stand in the places of personal data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from activities.resources import Resources
from helios.detection.personal import find
from helios.detection.redaction import Tokens, tokenise
from helios.detection.spans import Span

IN_HOUSE = frozenset({"offline"})
"""Generators that read in this process: what they read goes nowhere, and the encoder's passes can be saved."""


async def without_personal_data(
    resources: Resources, texts: Sequence[str], language: str, generators: Sequence[str]
) -> list[str]:
    """The texts, equal values with equal tokens. For a model outside also names that no cue announces are taken."""
    tagged: list[list[Span]] = [[] for _ in texts]
    if set(generators) - IN_HOUSE:
        tagged = await asyncio.to_thread(lambda: [resources.find_names(text) for text in texts])
    tokens = Tokens()
    return [tokenise(text, find(text, language, names), tokens).text for text, names in zip(texts, tagged, strict=True)]
