"""Rotates keys. `rotate` makes a new key for access tokens: every API process signs with it within seconds, no restart,
and tokens of the key before stay good until they end. `rotate --tenant NAME` makes a new version of that tenant's data
key, which seals once every process knows it; it wraps the keys of its customers anew, and seals and indexes anew who
its staff are: it takes a minute, no restart.

`rotate --root` makes a new root key, wraps all keys with it and retires the old one, without a restart where
HELIOS_ROOT_KEY_FILE keeps it (the embedded stack); elsewhere in two steps, and it says which. Killed in the middle, it
goes on when it is started again. `rotate --vault` gives Vault's own key a new version and wraps the root key with it.

`rotate --audit` lets a new key sign each tenant's audit log, or that of --tenant: the key before it puts it in.

`wrap-root` prints HELIOS_ROOT_KEY as Vault keeps it (HELIOS_VAULT_URL): wrapped, or wrapped anew once Vault's own key
was rotated. Put that into the settings and start the processes again, one by one; both open.

Works on the stack that runs in HELIOS_HOME, or on the servers that HELIOS_POSTGRES_DSN and HELIOS_ROOT_KEY name.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict, dataclass

from sqlalchemy import text

from helios import staff_sealing, tenant_keys
from helios.audit_log import keys as log_keys
from helios.commands.audit import tenants_named
from helios.commands.reach import reach
from helios.commands.root_key import rotate_root, rotate_vault
from helios.crypto import CryptoError
from helios.database import Database
from helios.embedded.errors import StackError
from helios.kms import root_of, wrapped_root
from helios.settings import Settings
from helios.token_keys import Rotated, rotate

REVOKES_NOTHING = (
    "Nothing was rotated: --revoke-old ends tokens (`keys rotate`) or a log's trust in its key (`… rotate --audit`). "
    "A root key that is replaced opens nothing more; older versions of Vault's key end with its "
    "min_decryption_version; a tenant's older data keys stay, for what they sealed. See docs/operations.md."
)
TENANT = text("SELECT id FROM tenants WHERE slug = :slug")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["rotate", "wrap-root"])
    parser.add_argument("--tenant", metavar="NAME", help="this tenant: its data key, with --audit its log's")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--audit", action="store_true", help="rotate the key that signs the audit log")
    which.add_argument("--root", action="store_true", help="rotate the root key instead")
    which.add_argument("--vault", action="store_true", help="rotate Vault's key, and wrap the root key with it")
    parser.add_argument(
        "--revoke-old",
        action="store_true",
        help="a key has leaked: its tokens end, or with --audit its log trusts it no more",
    )
    parser.add_argument("--json", action="store_true", help="print the new key's id and times as JSON")


def run(args: argparse.Namespace) -> int:
    _require_meaning(args)
    if args.action == "wrap-root":
        print(wrapped_root(reach()))
        return 0
    if args.audit:
        put_in = asyncio.run(rotate_logs(reach(), args.tenant, revoke_old=args.revoke_old))
        lines = [f"  {each['tenant']}: key {each['version']} signs beyond {each['above']} entries." for each in put_in]
        print(json.dumps(put_in) if args.json else "\n".join(lines))
        return 0
    if args.root or args.vault:
        step = asyncio.run((rotate_root if args.root else rotate_vault)(reach()))
        print(json.dumps(step.as_json()) if args.json else step.text)
        return 0
    if args.tenant:
        done = asyncio.run(_rotate_tenant(reach(), args.tenant))
        if args.json:
            print(json.dumps(asdict(done)))
        else:
            print(f"  Version {done.version} seals. {done.customer_keys} keys of customers are wrapped with it, and "
                  f"{done.staff} accounts and invitations of staff are sealed and looked up by it.")  # fmt: skip
        return 0
    new = asyncio.run(_rotate(reach(), revoke_old=args.revoke_old))
    told = {"kid": new.kid, "signs_from": new.signs_from.isoformat(), "older_until": new.older_until.isoformat()}
    if args.json:
        print(json.dumps(told))
    else:
        print(f"  Key {new.kid} signs from {told['signs_from']}; older ones are accepted until {told['older_until']}.")
    return 0


def _require_meaning(args: argparse.Namespace) -> None:
    """What an option cannot do is refused: whoever said it would believe that it was done. Raises `StackError`."""
    if args.action == "wrap-root" and (args.tenant or args.audit or args.root or args.vault or args.revoke_old):
        raise StackError("wrap-root only prints the wrapped root key: leave the other options out.")
    if args.tenant and (args.root or args.vault):
        raise StackError("The root key is of all tenants: leave --tenant out.")
    if args.revoke_old and (args.root or args.vault or (args.tenant and not args.audit)):
        raise StackError(REVOKES_NOTHING)


async def _rotate(config: Settings, *, revoke_old: bool) -> Rotated:
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        return await rotate(database, root_of(config), revoke_old=revoke_old)
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class RotatedTenant:
    """The new version, and how many rows it took over from older ones."""

    version: int
    customer_keys: int
    staff: int


async def _rotate_tenant(config: Settings, slug: str) -> RotatedTenant:
    root = root_of(config)
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        async with database.platform() as connection:
            tenant_id = (await connection.execute(TENANT, {"slug": slug})).scalar_one_or_none()
        if tenant_id is None:
            raise StackError(f"There is no tenant with the short name {slug}.")
        version = await tenant_keys.rotate(database, root, tenant_id)
        await asyncio.sleep(tenant_keys.SEALS_AFTER_S + 1)
        count = await tenant_keys.rewrap(database, root, tenant_id)
        return RotatedTenant(version, count, await staff_sealing.reseal(database, root, tenant_id))
    finally:
        await database.close()


async def rotate_logs(config: Settings, slug: str | None, *, revoke_old: bool) -> list[dict[str, object]]:
    """Of each tenant, or of the one: the key that signs its audit log now."""
    root = root_of(config)
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        put_in: list[dict[str, object]] = []
        for tenant_id, name in await tenants_named(database, slug):
            key = await log_keys.rotate(database, root, tenant_id, revoke_old=revoke_old)
            put_in.append({"tenant": name, "version": key.version, "above": key.above})
        return put_in
    except CryptoError as error:
        raise StackError(f"The log's keys are not as they should be: {error}. See `helios audit verify`.") from None
    finally:
        await database.close()
