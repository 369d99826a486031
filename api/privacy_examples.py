"""Requests of customers for their data, legal holds and statutory copies as the API's document shows them."""

from __future__ import annotations

from api.described import ID
from api.described import TIME as WHEN

REQUEST = {
    "id": ID,
    "kind": "erasure",
    "customer_id": ID,
    "status": "running",
    "requested_by": ID,
    "verification": {"method": "document", "by": ID, "at": WHEN},
    "approval": None,
    "refusal": None,
    "received_at": WHEN,
    "due_at": WHEN,
    "result": None,
    "export": None,
    "created_at": WHEN,
    "completed_at": None,
}
WAITING = {**REQUEST, "status": "awaiting_verification", "verification": None}
DONE = {**REQUEST, "status": "done", "result": {"conversations": 3, "statutory_records": 3}, "completed_at": WHEN}
HOLD = {
    "id": ID,
    "customer_id": ID,
    "status": "in_force",
    "matter": "Case 26-1029",
    "placed_by": ID,
    "confirmed_by": None,
    "release_proposed_by": None,
    "released_by": None,
    "created_at": WHEN,
    "placed_at": WHEN,
    "released_at": None,
}
RECORD = {
    "id": ID,
    "customer_id": ID,
    "conversation_id": ID,
    "class": "complaints",
    "retain_until": WHEN,
    "created_at": WHEN,
    "destroyed_at": None,
}
RECORD_IN_FULL = {**RECORD, "content": {"conversation": {"id": ID}, "messages": [], "turns": [], "customer": {}}}
YEARS = {"communications": 3, "complaints": 5, "disputes": 2, "money_laundering": 5, "books": 6}
RETENTION = {"years": YEARS, "at_least": {**YEARS, "complaints": 4}}
