"""Who was erased, kept outside of the database: a restore of an older backup erases them again before any traffic.

An entry is a note signed by the key of the tenant's audit log, so nobody else can add one, and numbered, so that one
that was taken out shows:

helioscs/erasures/<tenant id>
<number, from 1>
<customer id>
<time>
request <its id> <received at> <filed at> <verified at, or -> <verified how, or ->

It is written before the key is destroyed, so that no erasure is missing; twice is once. Releases before this one wrote
no line about the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.anchors import Anchor
from helios.audit_log.keys import SigningKeys, add_signing_key, signing_keys
from helios.audit_log.signed_notes import SIGNATURE, is_signed, sign_text
from helios.crypto import RootKey

TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
UUID_, MOMENT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"[0-9TZ:.+-]{20,32}"
ENTRY: Final = re.compile(
    r"(?P<text>(?P<origin>helioscs/erasures/(?P<tenant>[0-9a-f-]{36}))\n(?P<number>[1-9]\d{0,18})\n"
    rf"(?P<customer>{UUID_})\n(?P<at>{MOMENT})\n"
    rf"(?:request (?P<request>{UUID_}) (?P<received>{MOMENT}) (?P<filed>{MOMENT}) "
    rf"(?P<verified>{MOMENT}|-) (?P<how>[a-z_]{{1,32}}|-)\n)?)" + SIGNATURE
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request says that asked for an erasure. Nothing of it is of a person: a restore needs it again."""

    request_id: UUID
    received_at: datetime
    filed_at: datetime
    verified_at: datetime | None
    verified_how: str | None

    @classmethod
    def of(cls, request_id: UUID, row: Any) -> Asked:
        """What a row of `privacy_requests` says."""
        return cls(request_id, row.received_at, row.created_at, row.verified_at, row.verified_how)


@dataclass(frozen=True, slots=True)
class Erasure:
    """`at`: when it was done. `asked`: None in an entry of a release that did not keep it."""

    at: datetime
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """`erased`: customers in the order in which they were erased. `problems`: why the list may not be whole."""

    erased: Mapping[UUID, Erasure]
    problems: Sequence[str]
    last: int
    """The highest number."""


async def add(
    anchor: Anchor,
    connection: AsyncConnection,
    root: RootKey,
    tenant_id: UUID,
    customer_id: UUID,
    asked: Asked | None = None,
) -> None:
    """Raises `OSError`; then nobody is erased. One at a time writes, until the end of `connection`'s transaction."""
    await connection.execute(TAKE_TURNS, {"name": f"erasures:{tenant_id}"})
    keys = await _keys(connection, root, tenant_id)
    known = keys.chain.followed(await anchor.notes(tenant_id, "keys"))
    so_far = read(await anchor.notes(tenant_id, "erasures"), known.public, tenant_id)
    if customer_id not in so_far.erased:
        erasure = Erasure(datetime.now(UTC), asked)
        entry = _entry(tenant_id, so_far.last + 1, customer_id, erasure, keys.newest)
        await anchor.add(tenant_id, entry, "erasures")


async def copy(
    anchor: Anchor, connection: AsyncConnection, root: RootKey, tenant_id: UUID, erased: Mapping[UUID, Erasure]
) -> None:
    """The whole list into an anchor that has none yet, signed by the key of now. Raises `OSError`."""
    await connection.execute(TAKE_TURNS, {"name": f"erasures:{tenant_id}"})
    keys = await _keys(connection, root, tenant_id)
    for number, (customer_id, erasure) in enumerate(erased.items(), start=1):
        await anchor.add(tenant_id, _entry(tenant_id, number, customer_id, erasure, keys.newest), "erasures")


async def _keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> SigningKeys:
    keys = await signing_keys(connection, root, tenant_id)
    if keys.private:
        return keys
    await add_signing_key(connection, root, tenant_id, 1)
    return await signing_keys(connection, root, tenant_id)


def _entry(tenant_id: UUID, number: int, customer_id: UUID, erasure: Erasure, key: Ed25519PrivateKey) -> str:
    asked, request = erasure.asked, ""
    if asked is not None:
        verified = asked.verified_at.isoformat() if asked.verified_at else "-"
        told = (asked.request_id, asked.received_at.isoformat(), asked.filed_at.isoformat(), verified)
        request = f"request {' '.join(map(str, told))} {asked.verified_how or '-'}\n"
    at = erasure.at.isoformat(timespec="seconds")
    return sign_text(f"helioscs/erasures/{tenant_id}\n{number}\n{customer_id}\n{at}\n{request}", key)


def _erasure(entry: Mapping[str, str | None]) -> Erasure:
    at = datetime.fromisoformat(str(entry["at"]))
    if entry["request"] is None:
        return Erasure(at)
    received, filed, verified, how = (str(entry[name]) for name in ("received", "filed", "verified", "how"))
    return Erasure(
        at,
        Asked(
            UUID(entry["request"]),
            datetime.fromisoformat(received),
            datetime.fromisoformat(filed),
            None if verified == "-" else datetime.fromisoformat(verified),
            None if how == "-" else how,
        ),
    )


def read(notes: Sequence[str], keys: Sequence[Ed25519PublicKey], tenant_id: UUID) -> Journal:
    """What these keys signed of what an anchor holds. An entry that nobody signed erases nobody."""
    erased: dict[UUID, Erasure] = {}
    problems, numbers = [], set[int]()
    for place, note in enumerate(notes, start=1):
        found = ENTRY.fullmatch(note)
        whose = found is not None and found["signer"] == found["origin"] and found["tenant"] == str(tenant_id)
        if found is None or not whose or not is_signed(found["text"], found["signature"], keys):
            problems.append(f"entry {place} of the list of erasures is not signed by the key of this tenant's log")
            continue
        numbers.add(int(found["number"]))
        erased.setdefault(UUID(found["customer"]), _erasure(found.groupdict()))
    last = max(numbers, default=0)
    if len(numbers) < last:
        missing = next(number for number in range(1, last) if number not in numbers)
        problems.append(f"erasure {missing} is missing from the list of erasures")
    return Journal(erased, problems, last)
