"""Identifiers are UUIDv7: they sort by the time they were made."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUIDv7."""
    return uuid_utils.compat.uuid7()


def made_at(id_: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond (RFC 9562 §5.7). Raises `ValueError` for any other."""
    if id_.version != 7:
        raise ValueError("not a UUIDv7")
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
