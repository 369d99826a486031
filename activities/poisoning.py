"""Instructions hidden in the knowledge base: a passage that holds one is not shown to the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from activities.resources import Resources
from helios.detection.injection import find_planted
from helios.detection.spans import Span
from helios.llm.base import Passage


async def without_instructions(
    resources: Resources, passages: Sequence[Passage]
) -> tuple[tuple[Passage, ...], list[UUID]]:
    """(passages that may be shown, chunks that may not). A text is judged once: what was found in it is remembered."""
    found = await asyncio.to_thread(lambda: [_instructions(resources, passage) for passage in passages])
    shown = tuple(passage for passage, spans in zip(passages, found, strict=True) if not spans)
    return shown, [passage.chunk_id for passage, spans in zip(passages, found, strict=True) if spans]


def _instructions(resources: Resources, passage: Passage) -> Sequence[Span]:
    text = f"{passage.title}\n{passage.text}"

    def find() -> list[Span]:
        attack = find_planted(text)
        return [attack.span] if attack else []

    return resources.known_spans.get((text, "instructions"), find)
