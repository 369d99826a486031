"""Checks of the embedders of knowledge that are set up: can each be made, and does it give a vector?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from helios.diagnosis.finding import Finding

if TYPE_CHECKING:
    from helios.embedders.base import ChunkEmbedder
    from helios.settings import Settings

WORD: Final = "hello"
"""What a remote one is asked for: nobody's text."""


def embedders(settings: Settings) -> Iterator[Finding]:
    """The local one needs no word: `weights` is about it."""
    if not settings.embedders:
        yield Finding("embedders", "ok", "Knowledge is embedded by the local model; no other embedder is set up.")
        return
    from helios.embedders.config import EmbedderConfigError
    from helios.embedders.registry import make_embedder

    for config in settings.embedders:
        try:
            embedder = make_embedder(config, settings)
        except EmbedderConfigError as error:
            yield Finding("embedders", "wrong", f"{str(error)[:1].upper()}{str(error)[1:]}.", "See docs/embedders.md.")
            continue
        kind = "asks its server" if embedder.remote else "runs here"
        failure = asyncio.run(_failure(embedder))
        what = f"{config.name} {kind}: {embedder.dimension} dimensions, space {embedder.space}"
        if failure:
            fix = "Turns search with the local model meanwhile. Look at its `base_url`, `model`, `dimension` and key."
            yield Finding("embedders", "wrong", f"{what}. It gives no vector ({failure}).", fix)
        else:
            yield Finding("embedders", "ok", f"{what}. It gives vectors.")


async def _failure(embedder: ChunkEmbedder) -> str:
    from helios.embedders.base import EmbedderError

    try:
        await embedder.embed_chunks([WORD])
    except EmbedderError as error:
        return str(error)
    finally:
        await embedder.close()
    return ""
