"""A case of a suite as a turn would have it: the same screening, intents, retrieval, generation and checks, one after
another. No conversation is there, nothing is delivered, and nobody hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from activities.checking import check_held, check_piece, check_rest, check_whole
from activities.confidence import asked_back, is_unsure, looked_into
from activities.poisoning import without_instructions
from activities.prompting import Asked, prepare
from activities.resources import Resources
from activities.review import CITATION, Gate, Reviewed, cited
from activities.screening import Screened, screen
from activities.understanding import Classified, classify
from helios.crypto import Keys
from helios.detection.redaction import tokenise
from helios.embedders.asking import ask
from helios.evaluations.judging import Played
from helios.knowledge.retrieval import PASSAGES, search_drafted
from helios.knowledge.several import interleaved
from helios.llm.base import Finished, Generator, GeneratorError, Passage, PastMessage, Prompt
from helios.models.intent import IntentClassifier
from helios.rules.policy import Policy
from helios.rules.redaction import Applied, Redaction
from helios.tenant_settings import TenantSettings
from helios.texts import text as say

KEYS_OF = text("SELECT id, slug FROM knowledge_sources WHERE tenant_id = :tenant_id AND id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class Stage:
    """What answers: a tenant, its rules in these versions, and versions of articles in the places of published ones."""

    keys: Keys
    bank_name: str
    settings: TenantSettings
    policy: Policy
    redaction: Redaction
    intents: IntentClassifier | None
    space: str | None
    """Of the tenant's embedder; None: the local one's."""
    drafts: tuple[tuple[UUID, int], ...]
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and which secrets were masked in it when the suite was stored."""

    text: str
    masked: tuple[str, ...] = ()


@dataclass(slots=True)
class _Talk:
    """What was said so far."""

    language: str
    past: list[tuple[Literal["customer", "assistant"], str]] = field(default_factory=list)

    @property
    def history(self) -> list[PastMessage]:
        return [PastMessage(role, words) for role, words in self.past]


async def play(resources: Resources, stage: Stage, said: Sequence[Said], language: str) -> Played:
    """What comes of the last message, or of the one at which a person takes over. `language`: what it begins in."""
    talk = _Talk(language)
    for turn, message in enumerate(said, 1):
        played = await _turn(resources, stage, talk, message, turn)
        if played.outcome in ("escalated", "held"):
            break
        talk.past += [("customer", message.text), ("assistant", played.answer or _refusal(stage, played))]
    return replace(played, answer=" ".join(CITATION.sub("", played.answer).split()))


async def _turn(resources: Resources, stage: Stage, talk: _Talk, message: Said, turn: int) -> Played:
    talk.language = resources.languages.detect(message.text, default=talk.language).code
    found = await classify(resources, message.text, talk.history, talk.language, stage.intents)
    screened = screen(message.text, message.masked, found.question_vector, stage.policy)
    outcome = {"escalate": "escalated", "refuse": "blocked"}.get(screened.verdict, "answered")
    seen = Played(outcome, turn, talk.language, found.intent.name, screened.situations,
                  (screened.reason,) if screened.reason else ())  # fmt: skip
    return await _answer(resources, stage, talk, message, found, screened, seen) if outcome == "answered" else seen


async def _answer(
    resources: Resources,
    stage: Stage,
    talk: _Talk,
    message: Said,
    found: Classified,
    screened: Screened,
    seen: Played,
) -> Played:
    retrieved = await _retrieve(resources, stage, found, stage.settings.language_for(talk.language))
    passages, _ = await without_instructions(resources, retrieved)
    generators = stage.settings.chain(tuple(resources.generators))
    asked = Asked(stage.bank_name, talk.language, message.text, talk.past, passages, screened.situations, generators,
                  stage.settings.link_domains)  # fmt: skip
    applied = Applied(redaction=stage.redaction, keys=stage.keys)
    prompt, standard = await prepare(resources, asked, stage.policy, applied)
    prompt, confidence = await looked_into(resources, prompt)
    unsure = is_unsure(confidence, stage.settings.confidence_least)
    for name in generators:
        gate = Gate(standard)
        generator, prompt = asked_back(prompt) if unsure else (resources.generators[name], prompt)
        try:
            finished, refusal = await _write(generator, prompt, gate)
        except GeneratorError:
            continue
        break
    else:
        # An answer that no provider gave says nothing about the draft: it is asked for again.
        raise ApplicationError("no generator answers", type="no_generator")
    if refusal is not None:
        outcome = "blocked" if refusal.action == "block" else "held"
        return replace(seen, outcome=outcome, reasons=refusal.reasons, generator=name)
    supported = finished is None or finished.supported
    cites = [passages[n - 1].source_id for n in cited(gate.passed) if n <= len(passages)]
    return replace(
        seen, outcome="answered" if supported else "declined", cites=await _slugs(resources, stage, cites),
        confidence=confidence if supported else 0.0, answer=gate.passed, generator=name,
    )  # fmt: skip


async def _retrieve(resources: Resources, stage: Stage, found: Classified, language: str) -> list[Passage]:
    tenant_id = stage.keys.tenant_id
    queries = [tokenise(each, stage.redaction.find(each)).text for each in found.queries]
    asked = await ask(resources.embedders, stage.space, queries, in_house=stage.settings.in_house)
    async with resources.database.tenant(tenant_id) as connection:
        rankings = [
            await search_drafted(connection, tenant_id, query, vector, language, stage.audiences, stage.drafts, near)
            for query, vector, near in zip(found.queries, found.vectors, asked.for_each(found.queries), strict=True)
        ]
    return interleaved(rankings, PASSAGES)


async def _write(generator: Generator, prompt: Prompt, gate: Gate) -> tuple[Finished | None, Reviewed | None]:
    """Writes the answer, window by window through the gate. `Reviewed`: why it would not have left."""
    stream, finished, refusal, behind = generator.stream(prompt), None, None, ""
    try:
        async for piece in stream:
            if isinstance(piece, Finished):
                finished = piece
            elif refusal is not None:
                behind += piece.text
            elif (refusal := _refused(await check_piece(gate, piece.text))) and refusal.action == "block":
                break
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    refusal = refusal or _refused(await check_rest(gate))
    if refusal is not None and refusal.action == "hold":
        # A part of it that nobody may send blocks the whole, as it does where a person would be asked to approve.
        held = await check_held(gate.passed + refusal.text + gate.rest() + behind, gate.standard)
        refusal = held if held.action == "block" else refusal
    return finished, refusal or _refused([await check_whole(gate.passed, gate.standard)])


def _refused(windows: Sequence[Reviewed]) -> Reviewed | None:
    return next((window for window in windows if window.action != "release"), None)


async def _slugs(resources: Resources, stage: Stage, sources: Sequence[UUID]) -> tuple[str, ...]:
    """The keys of articles, each once, in the order in which they are cited."""
    if not sources:
        return ()
    where = {"tenant_id": stage.keys.tenant_id, "ids": list(sources)}
    async with resources.database.tenant(stage.keys.tenant_id) as connection:
        slugs = {row.id: str(row.slug) for row in await connection.execute(KEYS_OF, where)}
    return tuple(dict.fromkeys(slugs[source] for source in sources if source in slugs))


def _refusal(stage: Stage, played: Played) -> str:
    """What the customer is told who was refused: a model that goes on with the conversation reads it."""
    return say("blocked", played.language, bank=stage.bank_name, due="", case="")
