"""The keys that sign a tenant's checkpoints. The private half is wrapped by the root key, which no database holds:
who may rewrite every table still cannot sign what they wrote. How one follows another: `helios.audit_log.key_chain`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit_log.key_chain import KeyChain, KeyChainError, LogKey, put_in
from helios.crypto import CryptoError, RootKey
from helios.database import Database

PURPOSE = "audit"
FIND = text("SELECT version, wrapped_key, note FROM audit_keys WHERE tenant_id = :tenant_id ORDER BY version")
ADD = text(
    "INSERT INTO audit_keys (tenant_id, version, wrapped_key, note) VALUES (:tenant_id, :version, :wrapped_key, :note)"
)
SIZE = text("SELECT coalesce(max(size), 0) FROM audit_checkpoints WHERE tenant_id = :tenant_id")
# The sealer's lock: no checkpoint is signed while the key changes.
TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Oldest first: the newest signs, all of them verify what they signed in their time."""

    private: tuple[Ed25519PrivateKey, ...]
    notes: tuple[str, ...]
    """By which each key but the first was put in."""
    chain: KeyChain

    @property
    def newest(self) -> Ed25519PrivateKey:
        return self.private[-1]

    @property
    def public(self) -> list[Ed25519PublicKey]:
        return self.chain.public


async def signing_keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> SigningKeys:
    """The tenant's keys. Raises `CryptoError` for one that this root key did not wrap, or no key before it put in."""
    rows = (await connection.execute(FIND, {"tenant_id": tenant_id})).all()
    seeds = [root.unwrap(row.wrapped_key, tenant_id, row.version, PURPOSE) for row in rows]
    try:
        private = tuple(Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds)
        chain = KeyChain.begin(tenant_id, private[0].public_key() if private else None)
        notes = tuple(row.note or "" for row in rows[1:])
        chain = chain.followed(notes)
    except ValueError:
        raise CryptoError(f"a key of the audit log of tenant {tenant_id} is not a key") from None
    except KeyChainError as error:
        raise CryptoError(str(error)) from None
    _require_same(rows, private, chain)
    return SigningKeys(private, notes, chain)


def _require_same(rows: Sequence[object], private: Sequence[Ed25519PrivateKey], chain: KeyChain) -> None:
    stored = [(row.version, key.public_key().public_bytes_raw()) for row, key in zip(rows, private, strict=True)]  # type: ignore[attr-defined]
    chained = [(key.version, key.public.public_bytes_raw()) for key in chain.keys]
    for wrong, _ in sorted(set(stored) ^ set(chained)):
        raise CryptoError(f"key {wrong} of the log is not the one that was put in")


async def add_signing_key(connection: AsyncConnection, root: RootKey, tenant_id: UUID, version: int) -> None:
    """A log's first key."""
    await _add(connection, root, tenant_id, version, Ed25519PrivateKey.generate(), None)


async def rotate(database: Database, root: RootKey, tenant_id: UUID, *, revoke_old: bool = False) -> LogKey:
    """The key that signs from now on. `revoke_old`: the one before has leaked. Raises `CryptoError`."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(TAKE_TURNS, {"name": f"audit:{tenant_id}"})
        keys = await signing_keys(connection, root, tenant_id)
        if not keys.private:
            await add_signing_key(connection, root, tenant_id, 1)
            keys = await signing_keys(connection, root, tenant_id)
        return await put_in_next(connection, root, keys, keys.chain.newest + 1, revoke_old=revoke_old)


async def put_in_next(
    connection: AsyncConnection, root: RootKey, keys: SigningKeys, version: int, *, revoke_old: bool = False
) -> LogKey:
    """A new key, put in by the newest one, with its audit event; whoever calls keeps the sealer away."""
    tenant_id = keys.chain.tenant_id
    above: int = (await connection.execute(SIZE, {"tenant_id": tenant_id})).scalar_one()
    private = Ed25519PrivateKey.generate()
    key = LogKey(version, private.public_key(), above, keys.chain.newest, revoke_old)
    await _add(connection, root, tenant_id, version, private, put_in(tenant_id, key, keys.newest))
    await audit.record(
        connection, tenant_id, "audit_key.rotated", actor=("ops", None), subject=("tenant", tenant_id),
        detail={"version": version, "public_key": base64.b64encode(key.public.public_bytes_raw()).decode(),
                "above": above, "by": key.by, "older_revoked": revoke_old},
    )  # fmt: skip
    return key


async def _add(
    connection: AsyncConnection, root: RootKey, tenant_id: UUID, version: int, key: Ed25519PrivateKey, note: str | None
) -> None:
    wrapped = root.wrap(key.private_bytes_raw(), tenant_id, version, PURPOSE)
    new = {"tenant_id": tenant_id, "version": version, "wrapped_key": wrapped, "note": note}
    await connection.execute(ADD, new)
