"""Conversations, messages and escalations as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.described import ID, TIME

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

CONVERSATION = {
    "id": ID, "status": "active", "channel": "web", "language": "en", "customer_id": ID, "created_at": TIME,
    "updated_at": TIME, "closed_at": None, "turns": 1, "escalation_id": None, "rating": None,
}  # fmt: skip
CITATION = {
    "source_id": ID, "version": 1, "title": "Sending money abroad", "chunk_id": ID,
    "quote": "It costs 5 dollars plus 0.5 percent of the amount.", "url": None,
}  # fmt: skip
MESSAGE = {
    "id": ID, "conversation_id": ID, "turn": 1, "role": "assistant",
    "content": "Sending money abroad costs 5 dollars plus 0.5 percent of the amount. [1]", "language": "en",
    "created_at": TIME, "citations": [CITATION], "intent": {"name": "transfer_fees", "confidence": 0.94},
    "confidence": 0.91, "outcome": "answered",
}  # fmt: skip
SAID = {**MESSAGE, "role": "customer", "content": "What does it cost to send money abroad?", "citations": []}
ESCALATION = {
    "id": ID, "conversation_id": ID, "turn": 1, "status": "open", "priority": "P1", "queue": "disputes",
    "reason": "situation", "situation": 1, "summary": "The customer does not know a debit of 40 dollars.",
    "draft": "I have opened a claim for you.", "opened_at": TIME, "due_at": TIME, "claimed_by": None,
    "decision": None, "closed_at": None,
}  # fmt: skip
ACCEPTED = {"message_id": ID, "turn": 1}
TURN = {"message": SAID, "reply": MESSAGE, "outcome": "answered", "turn": 1}
PROVENANCE: dict[str, Any] = {
    "conversation_id": ID,
    "turns": [{
        "turn": 1, "attempts": 1, "reply_id": ID, "outcome": "answered", "reason": "", "language": "en",
        "intent": {"name": "international_transfer", "confidence": 0.93}, "situations": [], "situation": None,
        "retrieval": {"embedder": "local", "failure": None},
        "passages": [{"chunk_id": ID, "score": 0.7134, "source_id": ID, "version": 1}],
        "policy_version": 1, "policy_digest": DIGEST, "redaction_version": 1, "intents_version": None,
        "step_ms": {"intent": 4, "screening": 3, "retrieval": 12, "delivery": 9}, "escalation_id": None,
        "people": [{"action": "approve", "actor_id": ID, "applied_at": TIME}],
        "generation": {
            "status": "complete", "supported": True, "confidence": 0.9412, "confidence_least": 0.0, "situation": None,
            "reasons": [], "redacted": [], "refused_passages": [], "attempt": 1, "last_frame": 100012,
            "generator": "openai", "model": "gpt-4.1-mini", "prompt_hash": DIGEST, "input_tokens": 1204,
            "cached_input_tokens": 1024, "output_tokens": 41, "cost_micro_usd": 281, "first_token_ms": 312,
            "generation_ms": 874, "checking_ms": 21,
            "citations": [{"marker": 1, "source_id": ID, "version": 1, "title": "Sending money abroad", "chunk_id": ID,
                           "quote": "Sending money abroad costs 5 dollars plus 0.5 percent of the amount."}],
        },
    }],
    "corrections": [{"source_id": ID, "version": 2, "status": "told", "because": None, "at": TIME, "follow_up_id": ID,
                     "message_id": ID, "escalation_id": None}],
}  # fmt: skip
REPLAY = {
    "agrees": True, "repeated": True, "tenant_id": ID, "conversation_id": ID, "erased_at": None,
    "expired": False,
    "runs": [{"workflow_id": f"{ID}/conversation/{ID}", "run_id": ID, "events": 31,
              "builds": ["0.1.0+4f0c2a9e1b7d3c58"], "failure": None, "advice": None}],
    "turns": [{"turn": 1, "record": {"outcome": "answered", "language": "en", "situations": [], "policy_version": 1},
               "history": "agrees", "differences": [], "people": []}],
}  # fmt: skip
EVENTS = (
    'id: 4.0\nevent: turn.stage\ndata: {"turn":1,"stage":"generation"}\n\n'
    "id: 4.100001\nevent: message.delta\n"
    f'data: {{"message_id":"{ID}","turn":1,"attempt":1,"seq":1,"text":"Sending "}}\n\n'
)
CUSTOMER_TOKEN = {
    "access_token": "eyJhbGciOiJFZERTQSJ9…",
    "token_type": "Bearer",
    "expires_in": 3600,
    "customer_id": ID,
}


def page(of: Any) -> dict[str, Any]:
    """A list with one of them."""
    return {"items": [of], "next_cursor": None}
