"""What a model may read of a conversation: typed tokens stand in the places of personal data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from activities.resources import Resources
from helios.detection.personal import find
from helios.detection.redaction import tokenise
from helios.detection.spans import Span
from helios.rules.redaction import Applied
from helios.tenant_settings import IN_HOUSE


async def without_personal_data(
    resources: Resources, texts: Sequence[str], language: str, generators: Sequence[str], applied: Applied
) -> list[str]:
    """The texts, redacted by the tenant's rules: equal values alike.

    For a model outside also names that no cue announces are taken.
    """
    outside = bool(set(generators) - IN_HOUSE)
    found = await asyncio.to_thread(lambda: [spans_of(resources, text, language, outside) for text in texts])
    own = applied.redaction.find
    return [tokenise(text, [*spans, *own(text)], applied).text for text, spans in zip(texts, found, strict=True)]


def spans_of(resources: Resources, text: str, language: str, names: bool) -> Sequence[Span]:
    """Personal data in a text, with `names` also those that no cue announces, which costs a pass of the encoder.

    A conversation's history is read again at each turn; what was found in it once is known.
    """
    return resources.known_spans.get(
        (text, language, str(names)), lambda: find(text, language, resources.find_names(text) if names else [])
    )
