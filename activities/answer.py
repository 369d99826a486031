"""An answer while it is written, and what is kept of how it came about."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from activities.cached_answers import Shared
from activities.review import Gate, Reviewed, cited
from helios.crypto import Keys
from helios.frames import frame_number
from helios.llm.base import Finished, Prompt
from helios.llm.prices import cost_micro_usd
from helios.llm.prompting import prompt_hash
from helios.tenant_settings import SemanticCache
from schema.steps import Generate, TurnRef

T = TypeVar("T")


@dataclass(slots=True)
class Answer:
    """An answer while it is written. `released` is exactly what the customer has."""

    ref: TurnRef
    reply_id: UUID
    attempt: int
    epoch: int
    prompt: Prompt
    gate: Gate
    after_fact: int
    streams: bool
    confidence_least: float = 0.0
    """The tenant's: below it the customer is asked back instead."""
    confidence: float | None = None
    """Probability that an answer from these passages is right. None: nothing was asked."""
    cache: SemanticCache | None = None
    """Set where the turn may use the semantic cache."""
    shared: Shared | None = None
    refused_passages: list[UUID] = field(default_factory=list)
    """Chunks that were retrieved and not shown to the model: they hold instructions."""
    frames: int = 0
    written: str = ""
    """What the model has said, as it said it."""
    released: str = ""
    withheld: str = ""
    refusal: Reviewed | None = None
    stopped: bool = False
    listening: bool = False
    """For the model's next words, and not in the middle of releasing some: it may be interrupted."""
    lost: bool = False
    """A frame is missing: readers take no later one, and get the stored text instead."""
    finished: Finished | None = None
    first_token_ms: int | None = None
    checking_s: float = 0.0
    """Of the time since `started`, what went into checks of the answer."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def last_frame(self) -> int:
        return frame_number(self.epoch, self.frames) if self.frames else 0

    async def timed(self, check: Awaitable[T]) -> T:
        began = time.perf_counter()
        try:
            return await check
        finally:
            self.checking_s += time.perf_counter() - began


def from_cache(answer: Answer) -> bool:
    """Whether no model was asked."""
    return answer.shared is not None and answer.shared.hit is not None


def is_worth_keeping(answer: Answer) -> bool:
    """A model's own answer, whole, with its sources, and released as it was written."""
    whole = status_of(answer) == "complete" and answer.finished is not None and answer.finished.supported
    return whole and not from_cache(answer) and answer.written == answer.released


def draft_record(keys: Keys, work: Generate, answer: Answer) -> dict[str, Any]:
    finished = answer.finished
    model = finished.model if finished else ""
    passages = answer.prompt.passages
    hit = from_cache(answer)
    return {
        "status": status_of(answer),
        "supported": finished.supported if finished else True,
        "confidence": answer.confidence,
        "confidence_least": answer.confidence_least,
        "situation": answer.refusal.situation if answer.refusal else None,
        "reasons": list(answer.refusal.reasons) if answer.refusal else [],
        "redacted": sorted(answer.gate.redacted),
        "refused_passages": [str(chunk_id) for chunk_id in answer.refused_passages],
        "attempt": answer.attempt,
        "last_frame": answer.last_frame,
        "generator": work.generator,
        "model": model,
        # Of the customer's words, too, and the audit log keeps it: so it is of no use to anybody once they are erased.
        "prompt_hash": None
        if hit
        else keys.fingerprint(prompt_hash(answer.prompt, model or work.generator), "prompt").hex(),
        "input_tokens": finished.input_tokens if finished else 0,
        "cached_input_tokens": finished.cached_input_tokens if finished else 0,
        "output_tokens": finished.output_tokens if finished else 0,
        "cost_micro_usd": 0 if hit else cost_micro_usd(model, finished) if finished else None,
        "first_token_ms": answer.first_token_ms,
        "generation_ms": round(1000 * (time.perf_counter() - answer.started)),
        "checking_ms": round(1000 * answer.checking_s),
        "citations": [
            {
                "marker": n,
                "source_id": str(passages[n - 1].source_id),
                "version": passages[n - 1].version,
                "title": passages[n - 1].title,
                "chunk_id": str(passages[n - 1].chunk_id),
                "quote": passages[n - 1].text,
                **({"url": passages[n - 1].url} if passages[n - 1].url else {}),
            }
            for n in cited(answer.withheld or answer.released)
            if n <= len(passages)
        ],
        **({"cache": answer.shared.record()} if answer.shared is not None else {}),
    }


def status_of(answer: Answer) -> str:
    if answer.stopped:
        return "stopped"
    if answer.refusal is None:
        return "complete"
    return "blocked" if answer.refusal.action == "block" else "held"
