"""An invitation is good once, for one tenant, and for a week."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios import invitations
from helios.audit import ActorType
from helios.crypto import token_hash
from helios.database import Database
from helios.ids import new_id
from helios.invitations import Invited
from helios.keyring import Keyring
from tests.neighbour import Neighbour

ACTOR: tuple[ActorType, UUID | None] = ("system", None)


async def invite(
    database: Database, keyring: Keyring, tenant_id: UUID, email: str = "New.Agent@Bank.Example", **other: Any
) -> Invited:
    keys = await keyring.tenant(tenant_id)
    async with database.tenant(tenant_id) as connection:
        return await invitations.create(connection, keys, email=email, roles=["agent"], actor=ACTOR, **other)


async def redeem(database: Database, tenant_id: UUID, token: str) -> Any:
    async with database.tenant(tenant_id) as connection:
        return await invitations.redeem(connection, tenant_id, token, new_id())


async def test_an_invitation_is_redeemed_once_also_by_many_at_once(
    database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    made = await invite(database, keyring, tenant_id)
    rows = [row for row in await asyncio.gather(*(redeem(database, tenant_id, made.token) for _ in range(8))) if row]
    assert len(rows) == 1
    assert (invitations.email_of(await keyring.tenant(tenant_id), rows[0]), rows[0].roles) == (
        "new.agent@bank.example",
        ["agent"],
    )
    assert await redeem(database, tenant_id, made.token) is None


async def test_only_the_hash_of_the_token_is_kept(database: Database, keyring: Keyring, tenant_id: UUID) -> None:
    made = await invite(database, keyring, tenant_id)
    async with database.tenant(tenant_id) as connection:
        row = (await connection.execute(text("SELECT * FROM invitations WHERE id = :id"), {"id": made.id})).one()
    assert row.token_hash == token_hash(made.token)
    assert made.token not in str(row)
    assert made.token not in repr(made)


async def test_what_is_no_open_invitation_lets_nobody_in(
    database: Database, keyring: Keyring, tenant_id: UUID, neighbour: Neighbour
) -> None:
    late = await invite(database, keyring, tenant_id, lifetime=timedelta(seconds=-1))
    revoked = await invite(database, keyring, tenant_id)
    async with database.tenant(tenant_id) as connection:
        assert await invitations.revoke(connection, tenant_id, revoked.id, ACTOR)
        assert not await invitations.revoke(connection, tenant_id, revoked.id, ACTOR)
    theirs = await invite(database, keyring, neighbour.tenant_id)
    forged = (await invite(database, keyring, tenant_id)).token
    for token in (late.token, revoked.token, theirs.token, forged[:-1] + ("A" if forged[-1] != "A" else "B")):
        assert await redeem(database, tenant_id, token) is None, token
    for token in ("", "..", "a.b.c", f"{tenant_id.hex}.{new_id().hex}.x", f"{forged}.x"):
        assert await redeem(database, tenant_id, token) is None, token
    assert await redeem(database, tenant_id, forged) is not None


async def test_a_new_invitation_takes_the_place_of_the_old(
    database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    old, other = (
        await invite(database, keyring, tenant_id, "twice@bank.example"),
        await invite(database, keyring, tenant_id),
    )
    new = await invite(database, keyring, tenant_id, "Twice@bank.example ")
    assert await redeem(database, tenant_id, old.token) is None
    assert await redeem(database, tenant_id, new.token) is not None
    assert await redeem(database, tenant_id, other.token) is not None


async def test_each_step_is_an_audit_event_without_the_address(
    database: Database, keyring: Keyring, tenant_id: UUID
) -> None:
    made = await invite(database, keyring, tenant_id, "audited@bank.example")
    await redeem(database, tenant_id, made.token)
    async with database.tenant(tenant_id) as connection:
        rows = (
            await connection.execute(
                text("SELECT action, detail::text FROM audits WHERE subject_id = :id ORDER BY occurred_at"),
                {"id": made.id},
            )
        ).all()
    assert [row.action for row in rows] == ["invitation.created", "invitation.redeemed"]
    assert "audited" not in str(rows)
