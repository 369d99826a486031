"""Erases a customer: files the request as ops and carries it out, or says whose yes it waits for.

The workers do the work, durably; this waits until they are done. Exits with 0 when the customer is erased, with 1 where
the request waits for a second person or a legal hold. Works on the stack that runs in HELIOS_HOME, or on the servers
that HELIOS_POSTGRES_DSN, HELIOS_TEMPORAL_ADDRESS and HELIOS_ROOT_KEY name. See docs/privacy.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.ids import new_id
from helios.keyring import Keyring
from helios.kms import root_of
from helios.privacy import requests
from helios.privacy.requests import Actor
from helios.privacy.starting import start
from helios.refusals import Refused
from helios.settings import Settings
from helios.temporal import connect
from schema.privacy import RequestRef, Verification

TENANT = text("SELECT id FROM tenants WHERE slug = :slug")
BY_EXTERNAL_ID = text("SELECT id FROM customers WHERE tenant_id = :tenant_id AND external_id_index = :index")
REQUEST = text("SELECT status, result, due_at FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id")
OPEN = text(
    "SELECT id, status FROM privacy_requests WHERE tenant_id = :tenant_id AND customer_id = :customer_id "
    "AND kind = 'erasure' AND completed_at IS NULL"
)
WAITS_FOR = {
    "awaiting_verification": "somebody who is sure who asks: POST /v1/privacy/requests/{id}/verify, or …/refuse",
    "awaiting_approval": "a second person's approval: POST /v1/privacy/requests/{id}/approve",
    "held": "a legal hold: it goes on by itself when that is released",
}
WHY_NOT = {
    "not_found": "There is no such customer.",
    "customer_erased": "The customer is being erased, or has been.",
    "request_open": "The customer has an open request for erasure.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", metavar="NAME", required=True, help="the tenant's short name")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--customer", metavar="ID", type=UUID, help="the customer's id")
    who.add_argument("--external-id", metavar="ID", help="the id that the tenant's backend signs them in with")
    parser.add_argument("--verified", required=True, choices=get_args(Verification), metavar="HOW",
                        help=f"how the one who asks was known: {', '.join(get_args(Verification))}")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the request as JSON")


def run(args: argparse.Namespace) -> int:
    try:
        request_id, row = asyncio.run(_erase(reach(), args))
    except Refused as refused:
        raise StackError(WHY_NOT[refused.code]) from None
    if args.json:
        told = {"id": str(request_id), "status": row.status, "result": row.result, "due_at": _text(row.due_at)}
        print(json.dumps(told))
    elif row.status == "done":
        print(f"Erased: {row.result['conversations']} conversations. Request {request_id}.")
    else:
        print(f"Request {request_id} waits for {WAITS_FOR[row.status].format(id=request_id)}.")
    return 0 if row.status == "done" else 1


async def _erase(config: Settings, args: argparse.Namespace) -> tuple[UUID, Any]:
    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=2, pooled=pooled)
    try:
        keyring = Keyring(root_of(config), database)
        async with database.platform() as connection:
            tenant_id = (await connection.execute(TENANT, {"slug": args.tenant})).scalar_one_or_none()
        if tenant_id is None:
            raise StackError(f"There is no tenant with the short name {args.tenant}.")
        ref = RequestRef(tenant_id, new_id())
        customer_id = args.customer or await _by_external_id(database, keyring, tenant_id, args.external_id)
        async with database.tenant(tenant_id) as connection:
            ops: Actor = ("ops", None)
            await _require_none_open(connection, tenant_id, customer_id)
            await requests.ask(connection, tenant_id, ref.request_id, "erasure", customer_id, None, ops)
            runs = await requests.verify(connection, tenant_id, ref.request_id, args.verified, ops)
        if runs:
            await start(await connect(config, keyring), config, ref, "erasure")
        return ref.request_id, await _ended(database, ref)
    finally:
        await database.close()


async def _require_none_open(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID) -> None:
    """Raises `StackError`: who wants the erasure goes on with the request that there is."""
    row = (await connection.execute(OPEN, {"tenant_id": tenant_id, "customer_id": customer_id})).one_or_none()
    if row is None:
        return
    waits = WAITS_FOR.get(row.status)
    told = f", and waits for {waits.format(id=row.id)}" if waits else ""
    raise StackError(f"The customer has an open request for erasure: {row.id} is {row.status}{told}.")


async def _by_external_id(database: Database, keyring: Keyring, tenant_id: UUID, external_id: str) -> UUID:
    index = (await keyring.tenant(tenant_id)).blind_index(external_id, "customers.external_id")
    async with database.tenant(tenant_id) as connection:
        found = await connection.execute(BY_EXTERNAL_ID, {"tenant_id": tenant_id, "index": index})
        customer_id: UUID | None = found.scalar_one_or_none()
    if customer_id is None:
        raise Refused("not_found")
    return customer_id


async def _ended(database: Database, ref: RequestRef) -> Any:
    """The request once nothing of it runs."""
    while True:
        async with database.tenant(ref.tenant_id) as connection:
            where = {"tenant_id": ref.tenant_id, "id": ref.request_id}
            row = (await connection.execute(REQUEST, where)).one()
        if row.status != "running":
            return row
        await asyncio.sleep(0.5)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
