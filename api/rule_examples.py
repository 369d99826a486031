"""Policies and redaction rules as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.described import ID, TIME
from api.examples import page

__all__ = ["DIFF", "POLICY", "VERSION", "page"]

VERSION: dict[str, Any] = {
    "id": ID, "version": 2, "status": "draft", "note": "The ombudsman's desk takes complaints", "created_by": ID,
    "created_at": TIME, "published_by": None, "published_at": None, "rejected_by": None, "rejected_at": None,
    "review_note": None,
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
