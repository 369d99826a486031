"""The semantic cache in a turn: an answer is looked for before a model is asked, and kept after it was checked.

Nothing here may fail a turn: what does not answer in time, does not open or does not pass the checks is a miss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from activities.checking import check_piece, check_rest, check_whole
from activities.reading import DRAFT
from activities.resources import Resources
from activities.review import CITATION, Gate, Standard
from helios.crypto import CryptoError, Keys
from helios.knowledge.retrieval import audiences_in
from helios.llm.base import Finished, Passage, Prompt, TextDelta
from helios.llm.chain import address_of
from helios.semantic_cache import entries
from helios.semantic_cache.agreement import Asked, nearness, same_question
from helios.semantic_cache.worth import is_for_anybody, is_supported
from helios.shared_counts import SEMANTIC_CACHE
from helios.tenant_settings import SemanticCache
from schema.steps import TurnRef, Understanding

log = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_S: Final = 0.5
"""How long an answer waits for the cache."""
KEEP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Hit:
    """An earlier turn's answer, with the markers of the passages at hand. `cost` is what it cost then."""

    conversation_id: UUID
    turn: int
    text: str
    nearness: float
    model: str
    cost: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shared:
    """A question that anybody may ask: what names its entries, and the answer that was found, if any."""

    key: bytes
    asked: Asked
    hit: Hit | None = None

    def record(self) -> dict[str, Any]:
        """For the provenance."""
        if self.hit is None:
            return {"hit": False}
        return {
            "hit": True,
            "conversation_id": str(self.hit.conversation_id),
            "turn": self.hit.turn,
            "nearness": round(self.hit.nearness, 4),
            "saved": self.hit.cost,
        }


def allowed(settings: SemanticCache, found: Understanding, prompt: Prompt, asked: str, masked: bool) -> bool:
    """Whether the turn may use the cache at all: its first, with nothing personal and nothing pressing in it.

    `asked` is the question as the customer wrote it, `masked` whether something was masked before it was stored.
    """
    plain = prompt.question == asked and not masked and not prompt.history
    return settings.enabled and plain and not found.situations and bool(prompt.passages)


async def look_up(
    resources: Resources, keys: Keys, ref: TurnRef, settings: SemanticCache, generator: str, prompt: Prompt,
    standard: Standard, redaction_version: int,
) -> Shared | None:  # fmt: skip
    """The question and the answer that was found to it. None where it is no question for anybody."""
    vector = prompt.question_vector
    if vector is None:
        (vector,) = await asyncio.to_thread(resources.encoder.embed, [prompt.question])
    asked = Asked(prompt.question, prompt.language, vector)
    if not await asyncio.to_thread(is_for_anybody, asked.text, asked.language, vector, prompt.passages):
        return None

    async def looking() -> Shared:
        async with resources.database.tenant(ref.tenant_id) as connection:
            setting = entries.Setting(
                audiences=await audiences_in(connection, ref.tenant_id, ref.conversation_id),
                policy=standard.policy,
                redaction_version=redaction_version,
                bank_name=prompt.bank_name,
                generator=address_of(generator, resources.settings),
                max_output_tokens=prompt.max_output_tokens,
                encoder=resources.encoder.name,
            )
            key = await entries.key_of(connection, keys, setting, asked, ref.conversation_id)
            rows = await entries.find(connection, ref.tenant_id, key, settings.kept_days)
        for row in rows:
            hit = await _hit(resources, ref.tenant_id, row, asked, settings, prompt.passages, standard)
            if hit is not None:
                return Shared(key, asked, hit)
        return Shared(key, asked)

    shared = await _or_nothing(looking(), LOOK_S)
    if shared is None:
        await SEMANTIC_CACHE.count(resources.frames.valkey, "failed")
    return shared


async def count(resources: Resources, shared: Shared) -> None:
    """After the answer: nobody waits for it."""
    await SEMANTIC_CACHE.count(resources.frames.valkey, "miss" if shared.hit is None else "hit")


async def again(hit: Hit) -> AsyncIterator[TextDelta | Finished]:
    """The answer as a generator would write it, at no cost."""
    yield TextDelta(hit.text)
    yield Finished(hit.model, 0, 0, 0)


async def keep(
    resources: Resources, keys: Keys, ref: TurnRef, shared: Shared, text: str, passages: Sequence[Passage]
) -> None:
    """Keeps an answer that passed all checks unchanged. It serves once its turn has ended as answered."""

    async def keeping() -> bool:
        if not await asyncio.to_thread(is_supported, text, passages, resources.encoder.embed):
            return False
        async with resources.database.tenant(ref.tenant_id) as connection:
            return await entries.keep(connection, keys, shared.key, shared.asked, ref.conversation_id, ref.turn)

    if await _or_nothing(keeping(), KEEP_S):
        await SEMANTIC_CACHE.count(resources.frames.valkey, "kept")


async def _hit(
    resources: Resources, tenant_id: UUID, row: Any, asked: Asked, settings: SemanticCache,
    passages: Sequence[Passage], standard: Standard,
) -> Hit | None:  # fmt: skip
    """The entry's answer, if it answers this question and passes every check that it would pass as a new one."""
    try:
        keys = await resources.keyring.conversation(tenant_id, row.conversation_id)
        before = entries.opened(keys, row, asked.language)
        if not same_question(asked, before, settings.nearness_least):
            return None
        written = keys.open_text(row.draft_ct, DRAFT, (row.conversation_id, row.turn))
    except (CryptoError, ValueError) as error:
        log.warning("an entry of the semantic cache does not open: %s", type(error).__name__)
        return None
    text = _remarked(written, row.draft["citations"], passages)
    if text is None or not await _passes(text, standard):
        return None
    cost = {name: row.draft[name] for name in ("input_tokens", "output_tokens", "cost_micro_usd", "generation_ms")}
    return Hit(row.conversation_id, row.turn, text, nearness(asked, before), row.draft["model"], cost)


def _remarked(text: str, citations: Sequence[dict[str, Any]], passages: Sequence[Passage]) -> str | None:
    """The text with markers that point into `passages`. None where what it cites is not among them."""
    places = {str(passage.chunk_id): number for number, passage in enumerate(passages, 1)}
    now = {each["marker"]: places.get(each["chunk_id"]) for each in citations}
    if not now or None in now.values() or any(int(found[1]) not in now for found in CITATION.finditer(text)):
        return None
    return CITATION.sub(lambda found: found[0].replace(found[1], str(now[int(found[1])])), text)


async def _passes(text: str, standard: Standard) -> bool:
    """Whether every window of it, and the whole, is released as it stands."""
    gate = Gate(standard)
    windows = [*await check_piece(gate, text), *await check_rest(gate)]
    unchanged = all(each.action == "release" for each in windows) and "".join(each.text for each in windows) == text
    return unchanged and (await check_whole(text, standard)).action == "release"


async def _or_nothing(looking: Awaitable[T], within_s: float) -> T | None:
    try:
        return await asyncio.wait_for(looking, within_s)
    except Exception as error:
        # The error's kind only: its words may hold a customer's.
        log.warning("the semantic cache did not answer: %s", type(error).__name__)
        return None
