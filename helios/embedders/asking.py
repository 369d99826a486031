"""A question's vectors in the space that its tenant searches in, or the word for why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from helios.embedders.base import LOCAL, EmbedderError, SpaceVector
from helios.embedders.registry import Embedders


@dataclass(frozen=True, slots=True)
class Asked:
    """vectors   one for each query; none where the local embedder's are searched with
    embedder  whose vectors are searched with
    failure   why not with the one that the tenant chose: a `FailureKind`, `not_configured` or `in_house`; empty: it is
    """

    vectors: tuple[SpaceVector, ...] = ()
    embedder: str = LOCAL
    failure: str = ""

    def for_each(self, queries: Sequence[str]) -> Sequence[SpaceVector | None]:
        """In the order of the queries: None where the local embedder's vector is searched with."""
        return self.vectors or [None] * len(queries)


NOT_ASKED: Final = Asked()


async def ask(embedders: Embedders, space: str | None, queries: Sequence[str], *, in_house: bool) -> Asked:
    """`space`: the one in force, None for the local one. `in_house`: no text of the tenant's may leave.

    `queries` hold no personal data: they may go to a server of somebody else's. Never raises for an embedder that is
    away or slow: every chunk has a vector of the local one, and the search goes on with those.
    """
    if space is None or space == LOCAL:
        return NOT_ASKED
    embedder = embedders.of_space(space)
    if embedder is None:
        return Asked(failure="not_configured")
    if embedder.remote and in_house:
        return Asked(failure="in_house")
    try:
        vectors = await embedder.embed_queries(queries)
    except EmbedderError as error:
        return Asked(failure=error.kind)
    found = tuple(SpaceVector(embedder.space, vector, embedder.multilingual) for vector in vectors)
    return Asked(found, embedder.name)
