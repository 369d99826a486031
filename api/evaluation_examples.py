"""Suites and their runs as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.described import ID, TIME
from api.examples import page

__all__ = ["RUN", "RUN_WHOLE", "SUITE", "SUITE_WHOLE", "YAML", "page"]

YAML = """name: first-questions
guards: [knowledge]
gate: {share: 0.9}
cases:
  - name: a new card
    message: What does a replacement card cost?
    must: true
    expect: {outcome: answered, cites: card-replacement, must_contain: 10 dollars}
"""
SUITE: dict[str, Any] = {
    "id": ID, "name": "first-questions", "version": 1, "status": "current", "cases": 1, "guards": ["knowledge"],
    "masked": [], "created_by": ID, "created_at": TIME,
}  # fmt: skip
_CASE = {"name": "a new card", "message": "What does a replacement card cost?"}
SUITE_WHOLE: dict[str, Any] = {**SUITE, "document": {"name": "first-questions", "cases": [_CASE]}, "yaml": YAML}
_RULES = {"policy": 1, "redaction_rules": 1, "intents": 1}
_ARTICLE = {"source_id": ID, "version": 2}
RUN: dict[str, Any] = {
    "id": ID, "suite_id": ID, "suite": "first-questions", "suite_version": 1, "status": "done", "total": 2, "done": 2,
    "passed": False, "failed_because": ["share", "must"], "cases": 1,
    "published": {**_RULES, "knowledge": [], "digest": "9f86d081…", "passed": 1},
    "draft": {**_RULES, "knowledge": [_ARTICLE], "digest": "60303ae2…", "passed": 0},
    "worse": 1, "better": 0, "created_by": ID, "created_at": TIME, "finished_at": TIME,
}  # fmt: skip
_RIGHT = {
    "passed": True, "outcome": "answered", "failings": [], "answer": "A replacement card costs 10 dollars.",
    "cites": ["card-replacement"], "situations": [], "intent": "card_replacement", "language": "en",
    "confidence": 0.71, "reasons": [], "generator": "offline", "turn": 1,
}  # fmt: skip
_WRONG = {
    **_RIGHT, "passed": False, "answer": "A replacement card costs 12 dollars.",
    "failings": [{"expected": "must_contain", "wanted": "10 dollars", "got": None}],
}  # fmt: skip
RUN_WHOLE: dict[str, Any] = {
    **RUN,
    "items": [{
        "number": 0, "name": "a new card", "messages": ["What does a replacement card cost?"], "must": True,
        "change": "worse", "published": _RIGHT, "draft": _WRONG,
    }],
}  # fmt: skip
