"""Policies, redaction rules and regulated tickets as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.described import ID, TIME
from api.examples import page

__all__ = [
    "DIFF",
    "POLICY",
    "REDACTION_RULES",
    "REPLAY",
    "REPLAY_WHOLE",
    "TICKET",
    "TICKET_WHOLE",
    "TRIAL",
    "VERSION",
    "page",
]

VERSION: dict[str, Any] = {
    "id": ID, "version": 2, "status": "draft", "based_on": 1, "note": "The ombudsman's desk takes complaints",
    "created_by": ID, "created_at": TIME, "published_by": None, "published_at": None, "rejected_by": None,
    "rejected_at": None, "review_note": None,
}  # fmt: skip
POLICY = {
    **VERSION,
    "definition": {"situations": [{"number": 6, "queue": "ombudsman"}]},
    "effective": {
        "situations": {
            "6": {"name": "complaint", "enabled": True, "priority": "P2", "queue": "ombudsman",
                  "action": "ticket_and_escalate", "threshold": 0.341, "clocks": {"final_response": 56},
                  "duties": ["open_complaint"], "must_not": ["arguing"], "forbidden_phrases": [], "texts": {}},
        }
    },
}  # fmt: skip
DIFF = {
    "from": 1,
    "to": 2,
    "changes": [{"pointer": "/situations/6/queue", "before": "complaints", "after": "ombudsman"}],
}
REDACTION_RULES = {
    **VERSION,
    "note": "Our customer numbers",
    "definition": {"patterns": [{"kind": "CUSTOMER_NUMBER", "pattern": "MB-[0-9]{8}"}]},
    "effective": {
        "kinds": {"CARD": "mask", "EMAIL": "token"},
        "patterns": {"CUSTOMER_NUMBER": {"pattern": "MB-[0-9]{8}", "operator": "token"}},
    },
}
TRIAL = {
    "version": 2,
    "text": "I am <CUSTOMER_NUMBER_1>, write to <EMAIL_1>.",
    "found": [{"kind": "CUSTOMER_NUMBER", "operator": "token", "start": 5, "end": 16}],
}
TICKET = {
    "id": ID, "conversation_id": ID, "turn": 1, "kind": "notice_of_error", "status": "open", "priority": "P1",
    "situation": 1, "received_at": TIME, "created_at": TIME, "closed_at": None, "clock_started_at": TIME,
    "clocks": [{"name": "determination", "days": 10, "unit": "business", "due_at": "2026-03-16T03:59:59+00:00",
                "state": "running"}],
}  # fmt: skip
TICKET_WHOLE = {
    **TICKET,
    "history": [
        {"type": "opened", "clock": None, "actor_id": None, "reason": None, "at": TIME},
        {"type": "clock_warned", "clock": "determination", "actor_id": None, "reason": None, "at": TIME},
    ],
}
REPLAY = {
    "id": ID, "version": 2, "against": 1, "status": "running", "total": 812, "done": 50, "created_by": ID,
    "created_at": TIME, "finished_at": None, "changed": 0, "by_situation": {},
}  # fmt: skip
REPLAY_WHOLE = {
    **REPLAY,
    "status": "done",
    "done": 812,
    "changed": 1,
    "by_situation": {"6": 1},
    "items": [
        {
            "conversation_id": ID,
            "turn": 3,
            "situation": 6,
            "reason": "queue",
            "before": {"verdict": "escalate", "situation": 6, "priority": "P2", "queue": "complaints", "held_by": []},
            "after": {"verdict": "escalate", "situation": 6, "priority": "P2", "queue": "ombudsman", "held_by": []},
        }
    ],
}
