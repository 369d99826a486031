"""The keys that sign a tenant's checkpoints. The private half is wrapped by the root key, which no database holds:
who may rewrite every table still cannot sign what they wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import CryptoError, RootKey

PURPOSE = "audit"
FIND = text("SELECT version, wrapped_key FROM audit_keys WHERE tenant_id = :tenant_id ORDER BY version")
ADD = text("INSERT INTO audit_keys (tenant_id, version, wrapped_key) VALUES (:tenant_id, :version, :wrapped_key)")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Oldest first: the newest signs, all of them verify."""

    private: tuple[Ed25519PrivateKey, ...]

    @property
    def newest(self) -> Ed25519PrivateKey:
        return self.private[-1]

    @property
    def public(self) -> list[Ed25519PublicKey]:
        return [key.public_key() for key in self.private]


async def signing_keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> SigningKeys:
    """The tenant's keys. Raises `CryptoError` for one that this root key did not wrap."""
    rows = (await connection.execute(FIND, {"tenant_id": tenant_id})).all()
    seeds = [root.unwrap(row.wrapped_key, tenant_id, row.version, PURPOSE) for row in rows]
    try:
        return SigningKeys(tuple(Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds))
    except ValueError:
        raise CryptoError(f"a key of the audit log of tenant {tenant_id} is not a key") from None


async def add_signing_key(connection: AsyncConnection, root: RootKey, tenant_id: UUID, version: int) -> None:
    wrapped = root.wrap(Ed25519PrivateKey.generate().private_bytes_raw(), tenant_id, version, PURPOSE)
    await connection.execute(ADD, {"tenant_id": tenant_id, "version": version, "wrapped_key": wrapped})
