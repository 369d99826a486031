"""An event's bytes are the canonical JSON of RFC 8785, as its library writes it: whoever checks a log has only that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as any_of

from helios.audit_log.entries import EXACT_MAX, canonical

TENANT = UUID("01900000-0000-7000-8000-000000000001")
WORDS = any_of.text(any_of.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = any_of.integers(-EXACT_MAX, EXACT_MAX) | any_of.floats(allow_nan=False, allow_infinity=False)
VALUES = any_of.recursive(
    any_of.none() | any_of.booleans() | NUMBERS | WORDS,
    lambda inner: any_of.lists(inner, max_size=3) | any_of.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def event(**other: Any) -> SimpleNamespace:
    row: dict[str, Any] = {
        "id": uuid4(), "action": "turn.completed", "actor_type": "system", "actor_id": None, "subject_type": "turn",
        "subject_id": uuid4(), "detail": {}, "occurred_at": datetime.now(UTC),
    }  # fmt: skip
    return SimpleNamespace(**{**row, **other})


def by_the_library(row: Any) -> bytes:
    return rfc8785.dumps(
        {
            "tenant_id": str(TENANT),
            "id": str(row.id),
            "action": row.action,
            "actor": {"type": row.actor_type, "id": None if row.actor_id is None else str(row.actor_id)},
            "subject": {"type": row.subject_type, "id": None if row.subject_id is None else str(row.subject_id)},
            "detail": row.detail,
            "occurred_at": row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )


@settings(max_examples=150, deadline=None)
@given(any_of.dictionaries(WORDS, VALUES, max_size=5), WORDS)
def test_any_event_has_the_bytes_of_the_standard(detail: dict[str, Any], word: str) -> None:
    row = event(detail=detail, action=word, actor_type=word, subject_type=word)
    assert canonical(TENANT, row) == by_the_library(row)


@pytest.mark.parametrize(
    "detail",
    [
        {"score": 1.0, "small": 1e-7, "large": 1e21, "negative": -0.0},
        {"\ufb33": 1, "\U0001f600": 2, "z": 3},  # in UTF-16 the face comes before the letter
        {"b": '\x00\x1f\x7f\u2028"\\/é', "a": True},
        {"most": EXACT_MAX, "least": -EXACT_MAX},
        {"inner": {"b": 1.5, "a": [None, 1.0]}},
    ],
)
def test_what_python_writes_otherwise_is_written_as_the_standard_says(detail: dict[str, Any]) -> None:
    row = event(detail=detail, actor_id=uuid4(), subject_id=None)
    assert canonical(TENANT, row) == by_the_library(row)


def test_a_time_is_told_in_utc_to_the_microsecond() -> None:
    here = datetime(2026, 3, 1, 1, 30, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    assert b'"occurred_at":"2026-02-28T23:30:00.000001+00:00"' in canonical(TENANT, event(occurred_at=here))


def test_a_number_without_a_canonical_form_is_refused() -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(TENANT, event(detail={"n": EXACT_MAX + 1}))
