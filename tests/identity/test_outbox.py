"""A mail that was promised goes out: whichever process dies, whatever the server says, and once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from helios import invitations, outbox
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.mail import Mail, MailError
from helios.outbox import Post
from tests.api.test_passwords import code_of, letters, mailed
from tests.caller import Api
from tests.neighbour import Neighbour, make_neighbour

__all__ = ["letters", "mailed"]
LASTS = timedelta(hours=1)
DUE = text("UPDATE outbox SET due_at = now() WHERE tenant_id = :tenant_id")
INVITED = text("SELECT id FROM invitations WHERE tenant_id = :tenant_id")
WAITING = text("SELECT * FROM outbox WHERE tenant_id = :tenant_id")


@dataclass(slots=True)
class Letterbox:
    """A mailer whose server is away for so many times."""

    away: int = 0
    sent: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        await asyncio.sleep(0)
        if self.away > 0:
            self.away -= 1
            raise MailError("ConnectionRefusedError")
        self.sent.append(mail)


@pytest.fixture
async def quiet(database: Database, keyring: Keyring) -> Neighbour:
    """A tenant that is marked as deleted: no worker of the stack takes its mail, the test itself does."""
    made = await make_neighbour(database, keyring.root)
    await run(database, made.tenant_id, text("UPDATE tenants SET deleted_at = now() WHERE id = :tenant_id"))
    return made


async def run(database: Database, tenant_id: UUID, statement: Any) -> Any:
    async with database.tenant(tenant_id) as connection:
        found = await connection.execute(statement, {"tenant_id": tenant_id})
        return found.all() if found.returns_rows else None


async def put(database: Database, keyring: Keyring, tenant_id: UUID, lasts: timedelta = LASTS) -> None:
    keys = await keyring.tenant(tenant_id)
    async with database.tenant(tenant_id) as connection:
        await outbox.put_code(connection, keys, "noor@bank.example", "mail_reset", "the-code", lasts)


async def test_what_a_dead_process_promised_a_worker_sends(
    stack: Stack, database: Database, keyring: Keyring, mailed: Any
) -> None:
    bank = await make_neighbour(database, keyring.root)
    keys = await keyring.tenant(bank.tenant_id)
    email = f"agent@{bank.slug}.example"
    async with database.tenant(bank.tenant_id) as connection:
        await outbox.wish(connection, keys, "reset", email.upper())
        await outbox.wish(connection, keys, "reset", "nobody@bank.example")
    assert await code_of(mailed, email)
    async with asyncio.timeout(30):
        while await run(database, bank.tenant_id, WAITING):
            await asyncio.sleep(0.2)
    assert mailed("nobody@bank.example") == []


async def test_wishes_of_one_address_at_once_make_one_invitation(database: Database, keyring: Keyring) -> None:
    bank = await make_neighbour(database, keyring.root)
    keys = await keyring.tenant(bank.tenant_id)
    async with database.tenant(bank.tenant_id) as connection:
        for _ in range(6):
            await outbox.wish(connection, keys, "registration", "noor@bank.example")
    post = Post(database, keyring, Letterbox())
    await asyncio.gather(*(post.deliver(bank.tenant_id) for _ in range(6)))
    async with asyncio.timeout(30):
        while any(row.kind == "registration" for row in await run(database, bank.tenant_id, WAITING)):
            await asyncio.sleep(0.05)
    assert len(await run(database, bank.tenant_id, INVITED)) == 1


async def test_a_strangers_wish_leaves_an_admins_invitation_open(database: Database, keyring: Keyring) -> None:
    bank = await make_neighbour(database, keyring.root)
    keys, email, user_id = await keyring.tenant(bank.tenant_id), "noor@bank.example", uuid4()
    async with database.tenant(bank.tenant_id) as connection:
        made = await invitations.create(
            connection, keys, email=email, roles=["supervisor"], actor=("user", bank.users["admin"])
        )
    hour_ago = text("UPDATE invitations SET created_at = now() - interval '1 hour' WHERE tenant_id = :tenant_id")
    await run(database, bank.tenant_id, hour_ago)
    async with database.tenant(bank.tenant_id) as connection:
        await outbox.wish(connection, keys, "registration", email)
    while await run(database, bank.tenant_id, WAITING):  # a worker of the stack may have it in hand
        await Post(database, keyring, Letterbox()).deliver(bank.tenant_id)
        await asyncio.sleep(0.05)
    async with database.tenant(bank.tenant_id) as connection:
        redeemed = await invitations.redeem(connection, bank.tenant_id, made.token, user_id)
    assert redeemed is not None
    assert redeemed.roles == ["supervisor"]


async def test_the_code_of_an_invitation_goes_to_its_address_and_never_to_who_invites(api: Api, mailed: Any) -> None:
    """Else an admin could open the account himself, with a role that he may not have. Sent twice, it is one."""
    email, headers = f"{uuid4().hex}@bank.example", {**await api.staff("admin"), "Idempotency-Key": uuid4().hex}
    body = {"email": email, "roles": ["compliance_officer"]}
    made, again = [await api.http.post("/v1/users", json=body, headers=headers) for _ in range(2)]
    assert made.status_code == 201, made.text
    assert made.json() == again.json()
    code = await code_of(mailed, email)
    shown = await api.http.get("/v1/invitations", headers=headers)
    assert email in shown.text
    assert code.split(".")[2] not in made.text + shown.text
    assert mailed(email) == [code]


async def test_a_mail_that_was_refused_is_tried_again_later_and_sent_once(
    database: Database, keyring: Keyring, quiet: Neighbour
) -> None:
    box = Letterbox(away=2)
    post = Post(database, keyring, box)
    await put(database, keyring, quiet.tenant_id)
    for tries in (1, 2):
        assert await post.deliver(quiet.tenant_id) == 0
        (row,) = await run(database, quiet.tenant_id, WAITING)
        assert row.attempts == tries
        assert timedelta(seconds=29) < row.due_at - row.created_at
        assert await post.deliver(quiet.tenant_id) == 0  # it is not due
        await run(database, quiet.tenant_id, DUE)
    assert sum(await asyncio.gather(*(post.deliver(quiet.tenant_id) for _ in range(6)))) == 1
    (mail,) = box.sent
    assert mail.to == "noor@bank.example"
    assert "the-code" in mail.text
    assert await run(database, quiet.tenant_id, WAITING) == []


async def test_what_is_of_no_use_any_more_is_given_up_and_told(
    database: Database, keyring: Keyring, quiet: Neighbour
) -> None:
    box = Letterbox()
    await put(database, keyring, quiet.tenant_id, timedelta(seconds=-1))
    assert await Post(database, keyring, box).deliver(quiet.tenant_id) == 1
    assert box.sent == []
    told = text("SELECT detail FROM audits WHERE tenant_id = :tenant_id AND action = 'mail.given_up'")
    assert [row.detail for row in await run(database, quiet.tenant_id, told)] == [{"attempts": 1}]


async def test_neither_address_nor_code_can_be_read_in_the_table(
    database: Database, keyring: Keyring, quiet: Neighbour
) -> None:
    await put(database, keyring, quiet.tenant_id)
    keys = await keyring.tenant(quiet.tenant_id)
    async with database.tenant(quiet.tenant_id) as connection:
        await outbox.wish(connection, keys, "registration", "noor@bank.example")
    rows = await run(database, quiet.tenant_id, WAITING)
    assert [row.kind for row in rows] == ["mail", "registration"]
    assert b"noor" not in b"".join(bytes(row.payload_ct) for row in rows)
    assert "the-code" not in str(rows)
