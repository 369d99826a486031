"""From rows to what the contract shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helios.crypto import Keys
from helios.times import moment
from schema.ingestion import FAILURES

MESSAGE_CONTENT = "messages.content_ct"
ESCALATION_DRAFT = "escalations.draft_ct"
ESCALATION_SUMMARY = "escalations.summary_ct"


def conversation_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "status": row.status,
        "channel": row.channel,
        "language": row.language,
        "customer_id": str(row.customer_id),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
        "closed_at": moment(row.closed_at),
        "turns": row.completed_turn,
        "escalation_id": str(row.escalation_id) if row.escalation_id else None,
        "rating": row.rating,
    }


def message_json(row: Any, keys: Keys) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "conversation_id": str(row.conversation_id),
        "turn": row.turn,
        "role": row.role,
        "content": keys.open_text(row.content_ct, MESSAGE_CONTENT, row.id),
        "language": row.language,
        "created_at": moment(row.created_at),
        "citations": row.citations,
        "intent": row.intent,
        "confidence": row.confidence,
        "outcome": row.outcome,
    }


def escalation_json(row: Any, keys: Keys) -> dict[str, Any]:
    """As staff see it. A customer's stream tells less: see `activities.opening.Opened.for_customer`."""
    return {
        "id": str(row.id),
        "conversation_id": str(row.conversation_id),
        "turn": row.turn,
        "status": row.status,
        "priority": row.priority,
        "queue": row.queue,
        "reason": row.reason,
        "situation": row.situation,
        "summary": keys.open_text(row.summary_ct, ESCALATION_SUMMARY, row.id) if row.summary_ct else None,
        "draft": keys.open_text(row.draft_ct, ESCALATION_DRAFT, row.id) if row.draft_ct else None,
        "opened_at": moment(row.opened_at),
        "due_at": moment(row.due_at),
        "claimed_by": str(row.claimed_by) if row.claimed_by else None,
        "decision": row.decision_action if row.decision_id else None,
        "closed_at": moment(row.closed_at),
    }


def accepted_json(message_id: object, turn: int) -> Mapping[str, Any]:
    return {"message_id": str(message_id), "turn": turn}


def version_json(row: Any) -> dict[str, Any]:
    """A version as its editors and reviewers see it, without its text."""
    return {
        "source_id": str(row.source_id),
        "version": row.version,
        "status": row.status,
        "title": row.title,
        "slug": row.slug,
        "language": row.language,
        "visibility": row.visibility,
        "category": row.category,
        "tags": row.tags,
        "audiences": row.audiences,
        "url": row.url,
        "media_type": row.media_type,
        "progress": {
            "step": row.step,
            "chunks_total": row.chunks_total,
            "chunks_done": row.chunks_done,
            "chunks_reused": row.chunks_reused,
        },
        "failure": {"code": row.failure, "detail": FAILURES[row.failure]} if row.failure else None,
        "submitted_by": str(row.submitted_by) if row.submitted_by else None,
        "review": _review_json(row) if row.decision else None,
        "publish_at": moment(row.publish_at),
        "effective_at": moment(row.effective_at),
        "expires_at": moment(row.expires_at),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def _review_json(row: Any) -> dict[str, Any]:
    by = str(row.approved_by) if row.approved_by else None
    return {"decision": row.decision, "by": by, "at": moment(row.reviewed_at), "note": row.note}
