"""The embedders that this installation offers: the local one, and those of `HELIOS_EMBEDDERS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from helios.embedders.base import ChunkEmbedder
from helios.embedders.config import EmbedderConfig, EmbedderConfigError
from helios.embedders.local import LocalEmbedder
from helios.models.embedder import TextEncoder
from helios.settings import Settings


class Embedders:
    """By name, and by the space that their vectors lie in."""

    def __init__(self, made: Iterable[ChunkEmbedder]) -> None:
        self.by_name: Mapping[str, ChunkEmbedder] = {each.name: each for each in made}
        self._by_space = {each.space: each for each in self.by_name.values()}

    def of_space(self, space: str) -> ChunkEmbedder | None:
        """None where nobody here makes vectors of that space: the operator has taken it away, or changed it."""
        return self._by_space.get(space)

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self.by_name.values()))


def build_embedders(settings: Settings, load: Callable[[], TextEncoder]) -> Embedders:
    """All of them; models in folders are loaded and tried. Raises `EmbedderConfigError`."""
    names = [each.name for each in settings.embedders]
    if len(set(names)) != len(names):
        raise EmbedderConfigError("HELIOS_EMBEDDERS names an embedder twice")
    return Embedders([LocalEmbedder(load), *(make_embedder(each, settings) for each in settings.embedders)])


def make_embedder(config: EmbedderConfig, settings: Settings) -> ChunkEmbedder:
    """Raises `EmbedderConfigError`."""
    if config.folder is not None:
        from helios.embedders.onnx import OnnxEmbedder

        return OnnxEmbedder(config, settings.embedder_threads)
    from helios.embedders.openai import OpenAIEmbedder

    return OpenAIEmbedder(config, settings)
