"""What a restored database needs before it serves: sessions end, the log says what was lost, erasures are done again.

It needs workers, and no API: nobody may read what is about to be erased.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit_log.anchors import Anchor
from helios.audit_log.checkpoints import Checkpoint, CheckpointError, sign, verify
from helios.audit_log.keys import signing_keys
from helios.audit_log.merkle import Frontier
from helios.database import Database
from helios.ids import new_id
from helios.keyring import Keyring
from helios.privacy import journal
from helios.privacy.requests import one_month_after
from helios.privacy.starting import start
from helios.settings import Settings
from helios.temporal import connect
from schema.privacy import RequestRef
from schema.tables import PrivacyRequest

TENANTS = text("SELECT id FROM tenants ORDER BY id")
REVOKE = text("UPDATE sessions SET revoked_at = now() WHERE tenant_id = :tenant_id AND revoked_at IS NULL")
HEAD = text("SELECT size, root FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size DESC LIMIT 1")
CUSTOMER = text("SELECT erased_at FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id FOR UPDATE")
# The erasure happened, so no hold stood any more.
RELEASE = text(
    "UPDATE legal_holds SET status = 'released', released_at = now() "
    "WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status <> 'released'"
)
OPEN = text(
    "UPDATE privacy_requests SET status = 'running', updated_at = now() WHERE tenant_id = :tenant_id "
    "AND customer_id = :customer_id AND kind = 'erasure' AND completed_at IS NULL RETURNING id"
)
LEFT = text(
    "SELECT count(*) FROM privacy_requests WHERE tenant_id = :tenant_id AND id = ANY(:ids) AND completed_at IS NULL"
)


async def settle(config: Settings, database: Database, keyring: Keyring, anchor: Anchor) -> int:
    """How many erasures were done again; they are done when this returns, so workers must run."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    for tenant_id in tenants:
        await _note_restore(database, keyring, anchor, tenant_id)
    refs = await _file_erasures(database, config, set(tenants))
    client = await connect(config, keyring)
    for ref in refs:
        await start(client, config, ref, "erasure")
    await _until_done(database, refs)
    return len(refs)


async def _note_restore(database: Database, keyring: Keyring, anchor: Anchor, tenant_id: UUID) -> None:
    """Ends all sessions, since some of them had been ended; and signs that newer entries are lost, not taken out."""
    async with database.tenant(tenant_id) as connection:
        where = {"tenant_id": tenant_id}
        keys = await signing_keys(connection, keyring.root, tenant_id)
        head = (await connection.execute(HEAD, where)).one_or_none()
        size, root = (head.size, head.root) if head is not None else (0, Frontier().root())
        anchored = _anchored(await anchor.notes(tenant_id), keys.public)
        revoked = (await connection.execute(REVOKE, where)).rowcount
        await audit.record(
            connection, tenant_id, "stack.restored", actor=("ops", None), subject=("tenant", tenant_id),
            detail={"entries": size, "entries_lost": max(0, anchored - size), "sessions_ended": revoked},
        )  # fmt: skip
    if anchored > size and keys.private:
        await anchor.add(tenant_id, sign(Checkpoint(tenant_id, size, root, lost=anchored), keys.newest))


def _anchored(notes: Sequence[str], keys: list[Ed25519PublicKey]) -> int:
    """How many entries the anchors know of. What is no checkpoint, `audit verify` names."""
    size = 0
    for note in notes:
        with suppress(CheckpointError):
            checkpoint = verify(note, keys)
            size = checkpoint.size if checkpoint.lost else max(size, checkpoint.size)
    return size


async def _file_erasures(database: Database, config: Settings, tenants: set[UUID]) -> list[RequestRef]:
    refs = []
    for tenant_id, customers in journal.erased(config).items():
        if tenant_id in tenants:
            for customer_id in customers:
                async with database.tenant(tenant_id) as connection:
                    ref = await _file(connection, tenant_id, customer_id)
                refs += [ref] if ref is not None else []
    return refs


async def _file(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID) -> RequestRef | None:
    """The request that erases the customer again. None: they are erased, or came after the backup."""
    where = {"tenant_id": tenant_id, "customer_id": customer_id}
    customer = (await connection.execute(CUSTOMER, where)).one_or_none()
    if customer is None or customer.erased_at is not None:
        return None
    await connection.execute(RELEASE, where)
    request_id: UUID | None = (await connection.execute(OPEN, where)).scalar_one_or_none()
    if request_id is None:
        request_id, now = new_id(), datetime.now(UTC)
        await connection.execute(
            insert(PrivacyRequest).values(
                **where, id=request_id, kind="erasure", status="running", received_at=now, due_at=one_month_after(now)
            )
        )
    await audit.record(
        connection, tenant_id, "privacy_request.replayed", actor=("ops", None),
        subject=("privacy_request", request_id), detail={"customer_id": str(customer_id)},
    )  # fmt: skip
    return RequestRef(tenant_id, request_id)


async def _until_done(database: Database, refs: list[RequestRef]) -> None:
    for tenant_id in {ref.tenant_id for ref in refs}:
        ids = [ref.request_id for ref in refs if ref.tenant_id == tenant_id]
        while True:
            async with database.tenant(tenant_id) as connection:
                left = (await connection.execute(LEFT, {"tenant_id": tenant_id, "ids": ids})).scalar_one()
            if not left:
                break
            await asyncio.sleep(0.5)
