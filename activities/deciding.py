"""What a decision sends to the customer: the AI's draft, or a person's own words after the same checks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.exceptions import ApplicationError

from activities.opening import DRAFT
from activities.reading import settings_of
from activities.review import Reviewed, Standard, review_approved, review_written
from activities.telling import Told, tell
from helios.crypto import Keys
from helios.detection.output import Context
from helios.facts import Fact
from helios.knowledge.retrieval import load_passages, still_in_force
from helios.llm.prompting import MARKERS
from helios.rules.policy import policy_of
from helios.rules.redaction import redaction_of
from schema.steps import ScoredPassage

CONTENT = "decisions.content_ct"
RECORD = text(
    "SELECT record FROM turns WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn"
)


async def deliver_decision(
    connection: AsyncConnection, keys: Keys, thread: Any, escalation: Any, decision: Any
) -> tuple[UUID | None, list[Fact]]:
    """Stores what the decision sends, if anything: (message id or None, the facts that tell it).

    Raises `ApplicationError` of type `blocked_by_policy` where a person's words or an approved draft don't pass, and
    `knowledge_withdrawn` where such a draft rests on what no answer may rest on any more.
    """
    cited = await still_in_force(connection, thread.tenant_id, thread.id, escalation.draft_citations)
    if decision.action == "approve":
        if len(cited) < len(escalation.draft_citations):
            raise ApplicationError(
                "The draft cites knowledge that is not in force any more: edit it, or respond in your own words.",
                type="knowledge_withdrawn",
                non_retryable=True,
            )
        draft = keys.open_text(escalation.draft_ct, DRAFT, escalation.id)
        approved = _passed(review_approved(draft, await _standard(connection, thread, escalation)))
        told = Told(
            escalation.turn,
            "assistant",
            f"decision:{decision.id}",
            approved.text,
            escalation.language,
            author_id=decision.actor_id,
            citations=escalation.draft_citations,
        )
        return await tell(connection, keys, escalation.conversation_id, told)
    if decision.action not in ("edit", "respond"):
        return None, []
    written = keys.open_text(decision.content_ct, CONTENT, decision.id)
    reviewed = _passed(review_written(written, await _standard(connection, thread, escalation, written)))
    told = Told(
        escalation.turn,
        "agent",
        f"decision:{decision.id}",
        reviewed.text,
        escalation.language,
        author_id=decision.actor_id,
        citations=cited if decision.action == "edit" else (),
    )
    return await tell(connection, keys, escalation.conversation_id, told)


def _passed(reviewed: Reviewed) -> Reviewed:
    if reviewed.action != "release":
        rules = ", ".join(reviewed.reasons)
        raise ApplicationError(f"the text does not pass: {rules}", type="blocked_by_policy", non_retryable=True)
    return reviewed


async def _standard(connection: AsyncConnection, thread: Any, escalation: Any, *written: str) -> Standard:
    """The figures in a person's own words are theirs to know: forbidden phrases, secrets and links are checked."""
    where = {"tenant_id": thread.tenant_id, "conversation_id": thread.id, "turn": escalation.turn}
    record = (await connection.execute(RECORD, where)).scalar_one_or_none() or {}
    scored = [ScoredPassage(UUID(each["chunk_id"]), each["score"]) for each in record.get("passages", ())]
    passages = await load_passages(connection, thread.tenant_id, thread.id, scored)
    context = Context(
        passages=(*(passage.text for passage in passages), *written),
        prompt_markers=MARKERS,
        situations=tuple(record.get("situations", ())),
        allowed_link_domains=settings_of(thread).link_domains,
        language=escalation.language,
    )
    # A request for a person belongs to no turn with a record: then the rules of now are held against it.
    version = record.get("policy_version", thread.policy_version)
    policy = await policy_of(connection, thread.tenant_id, version)
    number = record.get("redaction_version", thread.redaction_version)
    redaction = await redaction_of(connection, thread.tenant_id, number)
    return Standard(context, escalation.language, len(passages), policy, redaction)
