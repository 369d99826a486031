"""Makes tenants where there are none yet: the operator's own with `--platform`, whose admin makes others by the API.

It prints a one-time token with which that person registers (`POST /v1/auth/register`); it is shown this once, and good
for a week. Run again for a tenant that is there, it invites one more admin. It needs HELIOS_POSTGRES_DSN and
HELIOS_ROOT_KEY, as the API does; without them it speaks to the stack that runs in HELIOS_HOME (`make up`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from uuid import UUID

from sqlalchemy import text

from helios import invitations, tenants
from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.ids import new_id
from helios.invitations import Invited
from helios.kms import root_of
from helios.settings import Settings
from helios.staff import normal_email
from helios.tenant_keys import read_keys
from helios.tenant_settings import TenantSettings

FIND = text("SELECT id, suspended_at, deleted_at FROM tenants WHERE slug = :slug")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a tenant and invite its admin", description=__doc__)
    create.add_argument("name", help="the name that customers read, e.g. 'Harbour Bank'")
    create.add_argument("--admin", required=True, metavar="EMAIL", help="whom to invite as its admin")
    create.add_argument("--slug", help="the short name that staff sign in with (default: made from the name)")
    create.add_argument("--platform", action="store_true", help="the admin may make, suspend and delete tenants, too")
    create.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    slug = args.slug or re.sub(r"[^a-z0-9]+", "-", args.name.lower()).strip("-")[:63].strip("-")
    if not re.fullmatch(tenants.SLUG, slug):
        raise StackError(f"{slug!r} is no short name: a to z, 0 to 9 and hyphens, at most 63. Give one with --slug.")
    if not EMAIL.fullmatch(args.admin):
        raise StackError("--admin takes an e-mail address.")
    roles = ("admin", "platform_admin") if args.platform else ("admin",)
    tenant_id, invited, is_new = asyncio.run(_create(reach(), slug, args.name, args.admin, roles))
    told = {
        "tenant_id": str(tenant_id),
        "slug": slug,
        "created": is_new,
        "admin": normal_email(args.admin),
        "roles": list(roles),
        "invitation_token": invited.token,
        "expires_at": invited.expires_at.isoformat(timespec="seconds"),
    }
    if args.json:
        json.dump(told, sys.stdout, indent=2)
        print()
    else:
        print(f"Tenant {slug} ({tenant_id}) {'made' if is_new else 'was there: one more admin is invited'}.")
        print(f"One-time token for {told['admin']}, until {told['expires_at']}:\n\n  {invited.token}\n")
        print("Register with POST /v1/auth/register.")
    return 0


async def _create(
    config: Settings, slug: str, name: str, admin: str, roles: tuple[str, ...]
) -> tuple[UUID, Invited, bool]:
    """The tenant's id, the invitation, and whether the tenant is new."""
    root = root_of(config)
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        async with database.platform() as connection:
            found = (await connection.execute(FIND, {"slug": slug})).one_or_none()
        if found is not None and (found.suspended_at or found.deleted_at):
            raise StackError(f"The tenant {slug} is suspended or deleted: resume or restore it first.")
        tenant_id: UUID = found.id if found is not None else new_id()
        async with database.tenant(tenant_id) as connection:
            if found is None:
                await tenants.create(
                    connection,
                    root,
                    tenant_id=tenant_id,
                    slug=slug,
                    name=name,
                    settings=TenantSettings(),
                    actor=("ops", None),
                )
            keys = await read_keys(connection, root, tenant_id)
            invited = await invitations.create(connection, keys, email=admin, roles=roles, actor=("ops", None))
    finally:
        await database.close()
    return tenant_id, invited, found is None
