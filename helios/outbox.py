"""Mail that must go out: written in the transaction of what it tells of, sent by whoever is alive.

A row is one of two things: a mail, sealed, or somebody's wish for a code. A wish is kept for every address, whether or
not it has an account, so that the answer to it tells nothing and comes at once; it becomes a mail, or nothing, later.
The API sends right after it has answered; each worker looks for what was left. A row is leased, sent, and then deleted:
of a process that dies in between a second mail may come, never none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit, invitations, staff, texts
from helios.crypto import TenantKeys
from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.identity import resets
from helios.ids import new_id
from helios.keyring import Keyring
from helios.mail import Mail, Mailer, MailError

log = structlog.get_logger()

Wish = Literal["reset", "registration"]
PAYLOAD = "outbox.payload_ct"
WISH_LASTS = timedelta(minutes=10)
AT_ONCE_MOST = 50
PARTS = ("subject", "text")

PUT = text(
    "INSERT INTO outbox (tenant_id, id, kind, payload_ct, expires_at) "
    "VALUES (:tenant_id, :id, :kind, :payload_ct, now() + CAST(:lasts AS interval))"
)
# For half a minute the row is whoever's that took it: longer than any server is waited for. Then it is tried again.
TAKE = text(
    """
    UPDATE outbox SET attempts = attempts + 1,
        due_at = now() + least(interval '30 s' * power(2, least(attempts, 10)), interval '30 min')
    WHERE tenant_id = :tenant_id AND id = (
        SELECT id FROM outbox WHERE tenant_id = :tenant_id AND due_at <= now()
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *, expires_at <= now() AS late
    """
)
LOCK = text("SELECT id FROM outbox WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
DONE = text("DELETE FROM outbox WHERE tenant_id = :tenant_id AND id = :id")
TENANT = text(
    "SELECT name, settings, deleted_at IS NULL AND suspended_at IS NULL AS open FROM tenants WHERE id = :tenant_id"
)
DUE = "SELECT FROM outbox WHERE tenant_id = $1 AND due_at <= now() LIMIT 1"
USER = staff.by_index(
    "SELECT id, email_ct, password_hash FROM users WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes) "
    "AND deleted_at IS NULL AND deactivated_at IS NULL"
)
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:of, 0))")
INVITED = staff.by_index(
    """
    SELECT EXISTS (SELECT FROM invitations WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes)
        AND (created_at > now() - interval '5 minutes'
             OR roles <> '{}' AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > now()))
    """
)


async def wish(connection: AsyncConnection, keys: TenantKeys, kind: Wish, email: str) -> None:
    """Somebody asks for a code to this address."""
    await _put(connection, keys, kind, {"email": staff.normal_email(email)}, WISH_LASTS)


async def put_text(
    connection: AsyncConnection, keys: TenantKeys, to: str, key: str, lasts: timedelta, **values: str
) -> None:
    """A mail in the tenant's language. `key`: of the texts, with `_subject` and `_text`; `values` are filled in.
    `lasts`: then it is of no use any more."""
    tenant = (await connection.execute(TENANT, {"tenant_id": keys.tenant_id})).one()
    language = next(iter(tenant.settings.get("languages", ())), None)
    subject, content = (texts.text(f"{key}_{part}", language, bank=tenant.name, **values) for part in PARTS)
    await _put(connection, keys, "mail", {"to": to, "subject": subject, "text": content}, lasts)


async def put_code(
    connection: AsyncConnection, keys: TenantKeys, to: str, key: str, code: str, lasts: timedelta
) -> None:
    """The same with a code."""
    await put_text(connection, keys, to, key, lasts, code=code)


async def _put(connection: AsyncConnection, keys: TenantKeys, kind: str, payload: Any, lasts: timedelta) -> None:
    row_id = new_id()
    await connection.execute(
        PUT,
        {"tenant_id": keys.tenant_id, "id": row_id, "kind": kind, "lasts": lasts,
         "payload_ct": keys.seal_json(payload, PAYLOAD, row_id)},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Post:
    """Takes what waits, and hands it over."""

    database: Database
    keyring: Keyring
    mailer: Mailer

    async def deliver_everywhere(self) -> int:
        """One round over all tenants; how many rows were done."""
        return sum([await self.deliver(found.tenant_id) for found in await ask_every_tenant(self.database, DUE)])

    async def deliver(self, tenant_id: UUID) -> int:
        """What is due of one tenant. A mail that cannot be handed over now waits for its next try."""
        done = 0
        for _ in range(AT_ONCE_MOST):
            async with self.database.tenant(tenant_id) as connection:
                row = (await connection.execute(TAKE, {"tenant_id": tenant_id})).one_or_none()
            if row is None:
                break
            done += await self._do(await self.keyring.tenant(tenant_id), row)
        return done

    async def _do(self, keys: TenantKeys, row: Any) -> bool:
        payload = keys.open_json(row.payload_ct, PAYLOAD, row.id)
        if row.kind != "mail":
            await self._grant(keys, row, payload["email"])
        elif row.late:
            await self._give_up(row)
        else:
            try:
                await self.mailer.send(Mail(**payload))
            except MailError as error:
                log.warning("mail not handed over", error=str(error), attempts=row.attempts)
                return False
            async with self.database.tenant(row.tenant_id) as connection:
                await connection.execute(DONE, {"tenant_id": row.tenant_id, "id": row.id})
        return True

    async def _grant(self, keys: TenantKeys, row: Any, email: str) -> None:
        """From a wish to a mail, or to nothing, in one transaction. A tenant that is closed meanwhile grants none."""
        where = {"tenant_id": row.tenant_id, "id": row.id}
        async with self.database.tenant(row.tenant_id) as connection:
            if (await connection.execute(LOCK, where)).one_or_none() is None:
                return
            if (await connection.execute(TENANT, where)).one().open and not row.late:
                await (_reset if row.kind == "reset" else _invite)(connection, keys, email)
            await connection.execute(DONE, where)

    async def _give_up(self, row: Any) -> None:
        log.warning("mail given up", attempts=row.attempts)
        async with self.database.tenant(row.tenant_id) as connection:
            await connection.execute(DONE, {"tenant_id": row.tenant_id, "id": row.id})
            await audit.record(connection, row.tenant_id, "mail.given_up", actor=("system", None),
                               subject=("mail", row.id), detail={"attempts": row.attempts})  # fmt: skip


async def _reset(connection: AsyncConnection, keys: TenantKeys, email: str) -> None:
    where = {"tenant_id": keys.tenant_id, "indexes": staff.indexes(keys, email)}
    user = (await connection.execute(USER, where)).one_or_none()
    if user is None or user.password_hash is None:  # who has none signs in at the tenant's provider
        return
    code = await resets.create(connection, keys.tenant_id, user.id)
    if code is not None:
        await put_code(connection, keys, staff.email_of(keys, user), "mail_reset", code, resets.LIFETIME)


async def _invite(connection: AsyncConnection, keys: TenantKeys, email: str) -> None:
    """Who has an account gets no mail, and nobody gets two in five minutes, also where two were wished for at once. An
    admin's open invitation stays: a stranger's wish would end it, and its roles with it."""
    where = {"tenant_id": keys.tenant_id, "indexes": staff.indexes(keys, email, staff.INVITED)}
    of = keys.blind_index(email, staff.INVITED).hex()
    await connection.execute(ONE_AT_A_TIME, {"of": f"invitation:{keys.tenant_id}:{of}"})
    if await staff.find(connection, keys, email) or (await connection.execute(INVITED, where)).scalar_one():
        return
    made = await invitations.create(connection, keys, email=email, roles=(), actor=("system", None))
    await put_code(connection, keys, email, "mail_invitation", made.token, invitations.LIFETIME)
