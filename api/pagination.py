"""Lists in pages: `{"items", "next_cursor"}`. A cursor is opaque to the caller and checked when it comes back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from api.problems import Problem

Limit = Annotated[int, Query(ge=1, le=200, description="Items a page")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The time and id after which the page begins. Raises `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        # In UTC here, where a time before the year 1 or after 9999 is noticed, and not in the driver.
        return moment.astimezone(UTC), UUID(row_id)
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise Problem("invalid_cursor") from None


def position(after: tuple[datetime, UUID] | None) -> dict[str, datetime | UUID | None]:
    """The same as parameters of a statement."""
    return {"at": after[0], "after": after[1]} if after is not None else {"at": None, "after": None}


def page(
    rows: Sequence[Any], limit: int, show: Callable[[Any], dict[str, Any]], at: str = "created_at"
) -> dict[str, Any]:
    """`rows` holds one more than the limit where there is a next page."""
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        last = shown[-1]
        following = base64.urlsafe_b64encode(
            json.dumps([getattr(last, at).isoformat(), str(last.id)]).encode()
        ).decode()
    return {"items": [show(row) for row in shown], "next_cursor": following}
