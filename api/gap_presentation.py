"""Knowledge gaps as editors see them: numbers of any gap, words only of what several customers asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from helios.crypto import Keys, Shredded
from helios.knowledge.gaps import CUSTOMERS_MIN, QUESTION, row_of
from helios.knowledge.terms import terms
from helios.times import moment

Interval = Literal["day", "week", "month"]
EXAMPLES_MOST = 3
READ_MOST = 8
"""Questions of a gap that are opened: the most typical ones, one a customer."""
TITLE_WORDS = 5


def gap_json(gap: Any, questions: Sequence[Any], keys: Mapping[UUID, Keys], interval: Interval) -> dict[str, Any]:
    """`questions` are those asked for, the most typical first; `keys` open them, by customer."""
    customers = {each.customer_id for each in questions}
    read = [words for _, words in opened(questions, keys)]
    times = [each.asked_at for each in questions]
    begun = Counter(_beginning(each, interval) for each in times)
    return {
        "id": str(gap.id),
        "status": gap.status,
        "title": title_of(read, questions[0].language),
        "examples": read[:EXAMPLES_MOST],
        "questions": len(questions),
        "customers": len(customers),
        **{f"{name}s": _counted(questions, name) for name in ("language", "channel", "intent", "cause")},
        "trend": [{"from": moment(at), "questions": count} for at, count in sorted(begun.items())],
        "nearest": gap.nearest,
        "draft": {"source_id": str(gap.source_id), "version": gap.version} if gap.source_id else None,
        "first_asked_at": moment(min(times)),
        "last_asked_at": moment(max(times)),
    }


def read_ones(questions: Sequence[Any]) -> list[Any]:
    """Those whose words are read: the most typical question of each customer."""
    first: dict[UUID, Any] = {}
    for each in questions:
        first.setdefault(each.customer_id, each)
    return list(first.values())[:READ_MOST]


def opened(questions: Sequence[Any], keys: Mapping[UUID, Keys]) -> list[tuple[Any, str]]:
    """Those with their words; none at all where too few customers asked. Who was erased in this moment is left out."""
    found = []
    for each in read_ones(questions):
        with suppress(Shredded):
            place = row_of(each.conversation_id, each.turn)
            found.append((each, keys[each.customer_id].open_text(each.question_ct, QUESTION, place)))
    return found if len(found) >= CUSTOMERS_MIN else []


def title_of(read: Sequence[str], language: str) -> str | None:
    """The words that several customers used, in the order of the most typical question."""
    held = Counter(word for words in read for word in terms(words, language))
    shared = [word for word in terms(read[0], language) if held[word] >= CUSTOMERS_MIN] if read else []
    return " ".join(shared[:TITLE_WORDS]) or None


def _counted(questions: Sequence[Any], name: str) -> dict[str, int]:
    counts = Counter(getattr(each, name) for each in questions)
    return {value: count for value, count in counts.most_common() if value is not None}


def _beginning(at: datetime, interval: Interval) -> datetime:
    """Of the day, week (Monday) or month in UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match interval:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
    return day
