"""What a restored database needs before it serves: sessions end, the log says what was lost, erasures are done again.

It needs workers, and no API: nobody may read what is about to be erased.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, insert, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit_log.anchors import Anchor
from helios.audit_log.checkpoints import Checkpoint, sign
from helios.audit_log.keys import TAKE_TURNS, put_in_next, signing_keys
from helios.audit_log.merkle import Frontier
from helios.backup.anchored import Anchored, read_anchors, require_empty
from helios.database import Database
from helios.embedded.errors import StackError
from helios.ids import new_id
from helios.keyring import Keyring
from helios.privacy import journal
from helios.privacy.journal import Erasure
from helios.privacy.requests import one_month_after
from helios.privacy.starting import start, wake
from helios.settings import Settings
from helios.temporal import connect
from schema.privacy import RequestRef
from schema.tables import PrivacyRequest

BY: Final[tuple[audit.ActorType, None]] = ("restore", None)
TENANTS = text("SELECT id FROM tenants ORDER BY id")
REVOKE = text("UPDATE sessions SET revoked_at = now() WHERE tenant_id = :tenant_id AND revoked_at IS NULL")
HEAD = text("SELECT size, root FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size DESC LIMIT 1")
CUSTOMER = text("SELECT erased_at FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id FOR UPDATE")
# The erasure happened, so no hold stood any more.
RELEASE = text(
    "UPDATE legal_holds SET status = 'released', released_at = now() "
    "WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status <> 'released' RETURNING id"
)
# A request that the backup has open was verified since.
OPEN = text(
    "UPDATE privacy_requests SET status = 'running', updated_at = now(), result = :result, "
    "verified_at = coalesce(verified_at, CAST(:verified_at AS timestamptz)), "
    "verified_how = coalesce(verified_how, CAST(:verified_how AS text)) "
    "WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND kind = 'erasure' AND completed_at IS NULL "
    "RETURNING id"
).bindparams(bindparam("result", type_=JSONB))
LEFT = text(
    "SELECT count(*) FROM privacy_requests WHERE tenant_id = :tenant_id AND id = ANY(:ids) AND completed_at IS NULL"
)


async def settle(
    config: Settings,
    database: Database,
    keyring: Keyring,
    anchors: Sequence[Anchor],
    *,
    without_anchor: bool = False,
    old: Anchor | None = None,
    start_workers: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """How many erasures were done again; they are done when this returns, so workers must run or be started here: by
    then the anchors were read, which a worker's sealer writes to.

    `anchors`: the one in use first. `old`: the one of until now, where the log must go on in another, since a key of
    the backup was revoked in it. Raises `StackError`, with nothing done, where they do not vouch for the list of
    erasures; `without_anchor` does what is on it all the same.
    """
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    if old is not None:
        await require_empty(anchors[0], tenants)
    told = anchors if old is None else [old]
    moved = old is not None
    anchored = [await read_anchors(database, keyring, told, tenant_id, moved=moved) for tenant_id in tenants]
    if not without_anchor:
        _require_anchors(anchored)
    if start_workers is not None:
        await start_workers()
    for known in anchored:
        await note_restore(database, keyring, anchors[0], known, moved=moved)
    refs = [ref for known in anchored for ref in await _file_erasures(database, known)]
    client = await connect(config, keyring)
    for ref in refs:
        await start(client, config, ref, "erasure")
        await wake(client, ref)  # one that was held at the moment of the backup waits for an hour
    await _until_done(database, refs)
    return len(refs)


def _require_anchors(anchored: Sequence[Anchored]) -> None:
    problems = [f"tenant {known.tenant_id}: {problem}" for known in anchored for problem in known.problems]
    if problems:
        raise StackError(
            f"Who was erased since the backup is not sure. Problems: {len(problems)}, the first: {problems[0]}. Put "
            "the anchor back (HELIOS_AUDIT_ANCHOR_DIR or HELIOS_AUDIT_ANCHOR_S3_URL) and run this again; if it is lost "
            "for good, say --without-anchor."
        )


async def note_restore(
    database: Database, keyring: Keyring, anchor: Anchor, known: Anchored, *, moved: bool = False
) -> None:
    """Ends all sessions, since some of them had been ended; and signs that newer entries are lost, not taken out. Where
    the log's key was rotated since, a new one takes the place of the one that is lost.

    `moved`: the log begins in this anchor, with the list of erasures, and with the revocation that the other one has.
    """
    tenant_id = known.tenant_id
    async with database.tenant(tenant_id) as connection:
        where = {"tenant_id": tenant_id}
        await connection.execute(TAKE_TURNS, {"name": f"audit:{tenant_id}"})
        keys = await signing_keys(connection, keyring.root, tenant_id)
        head = (await connection.execute(HEAD, where)).one_or_none()
        size, root = (head.size, head.root) if head is not None else (0, Frontier().root())
        revoked = (await connection.execute(REVOKE, where)).rowcount
        await audit.record(
            connection, tenant_id, "stack.restored", actor=("ops", None), subject=("tenant", tenant_id),
            detail={"entries": size, "entries_lost": max(0, known.size - size), "sessions_ended": revoked,
                    "anchor_problems": len(known.problems), "anchor_moved": moved},
        )  # fmt: skip
        trusted = keys.private and not keys.chain.revoked(keys.chain.newest)
        if trusted and known.newest > keys.chain.newest:
            await put_in_next(connection, keyring.root, keys, known.newest + 1, revoke_old=moved and known.revoked)
    if moved:
        async with database.tenant(tenant_id) as connection:
            await journal.copy(anchor, connection, keyring.root, tenant_id, known.erased)
    elif known.size > size and trusted:
        await anchor.add(tenant_id, sign(Checkpoint(tenant_id, size, root, lost=known.size), keys.newest))


async def _file_erasures(database: Database, known: Anchored) -> list[RequestRef]:
    refs = []
    for customer_id, erasure in known.erased.items():
        async with database.tenant(known.tenant_id) as connection:
            ref = await file(connection, known.tenant_id, customer_id, erasure)
        refs += [ref] if ref is not None else []
    return refs


async def file(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID, erasure: Erasure) -> RequestRef | None:
    """The request that erases the customer again. None: they are erased, or came after the backup."""
    where = {"tenant_id": tenant_id, "customer_id": customer_id}
    customer = (await connection.execute(CUSTOMER, where)).one_or_none()
    if customer is None or customer.erased_at is not None:
        return None
    for hold_id in list(await connection.scalars(RELEASE, where)):
        await audit.record(
            connection, tenant_id, "legal_hold.released", actor=BY, subject=("legal_hold", hold_id),
            detail={"customer_id": str(customer_id)},
        )  # fmt: skip
    request_id = await _open_again(connection, tenant_id, customer_id, erasure)
    await audit.record(
        connection, tenant_id, "privacy_request.replayed", actor=BY,
        subject=("privacy_request", request_id), detail={"customer_id": str(customer_id)},
    )  # fmt: skip
    return RequestRef(tenant_id, request_id)


async def _open_again(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID, erasure: Erasure) -> UUID:
    """With what the lost row said, as far as the list of erasures tells. An older entry tells when it was done: the
    request was received by then, and what it says of its own says that nobody knows when."""
    where, asked = {"tenant_id": tenant_id, "customer_id": customer_id}, erasure.asked
    how = {
        "verified_at": asked.verified_at if asked else None,
        "verified_how": asked.verified_how if asked else None,
        "result": {"first_done_at": erasure.at.isoformat()},
    }
    found: UUID | None = (await connection.execute(OPEN, {**where, **how})).scalar_one_or_none()
    if found is not None:
        return found
    received = asked.received_at if asked else erasure.at
    lost = {"id": asked.request_id, "created_at": asked.filed_at} if asked else {"id": new_id()}
    if asked is None:
        how["result"] = {"first_done_at": erasure.at.isoformat(), "received_at": "unknown"}
    await connection.execute(
        insert(PrivacyRequest).values(
            **where, **lost, **how, kind="erasure", status="running", received_at=received,
            due_at=one_month_after(received),
        )
    )  # fmt: skip
    return UUID(str(lost["id"]))


async def _until_done(database: Database, refs: list[RequestRef]) -> None:
    for tenant_id in {ref.tenant_id for ref in refs}:
        ids = [ref.request_id for ref in refs if ref.tenant_id == tenant_id]
        while True:
            async with database.tenant(tenant_id) as connection:
                left = (await connection.execute(LEFT, {"tenant_id": tenant_id, "ids": ids})).scalar_one()
            if not left:
                break
            await asyncio.sleep(0.5)
