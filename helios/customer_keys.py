"""A customer's own keys: the ops key seals what is live, the record key seals what regulation makes us keep.

Both are random, wrapped by the tenant's key and kept in `customer_keys`. Whoever is erased loses the ops key, and with
it every copy of whatever it sealed, in whatever store; the record key goes when retention ends and no hold stands. The
row of a destroyed key stays, empty, so that no process makes another in its place.

What was sealed under the tenant's key, before customers had keys of their own, still opens here.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import CUSTOMER_HEADER, OF_CUSTOMER, CryptoError, Keys, Shredded, TenantKeys
from helios.ids import new_id

Kind = Literal["ops", "record"]
WRAPPED: Final = "customer_keys.wrapped_key"

FIND = text(
    "SELECT id, wrapped_key FROM customer_keys "
    "WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND kind = :kind"
)
# Only for a customer who is there and not on the way out; of two processes at once the second finds the first's key.
MAKE = text(
    """
    INSERT INTO customer_keys (tenant_id, id, customer_id, kind, tenant_key_version, wrapped_key)
    SELECT :tenant_id, :id, id, :kind, :version, :wrapped_key FROM customers
    WHERE tenant_id = :tenant_id AND id = :customer_id AND erased_at IS NULL
    ON CONFLICT (tenant_id, customer_id, kind) DO NOTHING
    """
)
# Also where there was none: whoever makes one in this moment finds the place taken.
DESTROY = text(
    """
    INSERT INTO customer_keys (tenant_id, id, customer_id, kind, tenant_key_version, destroyed_at)
    VALUES (:tenant_id, :id, :customer_id, :kind, 0, now())
    ON CONFLICT (tenant_id, customer_id, kind) DO UPDATE SET wrapped_key = NULL,
        destroyed_at = coalesce(customer_keys.destroyed_at, now())
    RETURNING id
    """
)


class CustomerKeys(Keys):
    """One of a customer's keys, with the tenant's beside it for what is older."""

    __slots__ = ("_cipher", "_print_key", "_tenant", "customer_id", "key_id", "tenant_id")

    def __init__(self, tenant: TenantKeys, customer_id: UUID, key_id: UUID | None, key: bytes | None) -> None:
        """`key` None: it was destroyed."""
        self._tenant = tenant
        self._cipher = AESGCM(key) if key is not None else None
        self._print_key = hmac.digest(key, b"helios fingerprint", "sha256") if key is not None else None
        self.tenant_id = tenant.tenant_id
        self.customer_id = customer_id
        self.key_id = key_id

    @property
    def destroyed(self) -> bool:
        return self._cipher is None

    def seal(self, value: bytes, where: str, row: object) -> bytes:
        """Raises `Shredded` where the key was destroyed: a late write has nothing to be written with."""
        if self._cipher is None or self.key_id is None:
            raise Shredded(f"{where}: the customer was erased")
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, value, self._context(where, row))
        return CUSTOMER_HEADER.pack(OF_CUSTOMER, self.key_id.bytes, nonce) + sealed

    def open(self, sealed: bytes, where: str, row: object) -> bytes:
        if sealed[:1] != bytes([OF_CUSTOMER]):
            return self._tenant.open(sealed, where, row)
        if len(sealed) < CUSTOMER_HEADER.size:
            raise CryptoError(f"{where}: too short to be a sealed value")
        _, key_id, nonce = CUSTOMER_HEADER.unpack_from(sealed)
        if self.key_id is not None and key_id != self.key_id.bytes:
            raise CryptoError(f"{where}: sealed with another customer's key")
        if self._cipher is None:
            raise Shredded(f"{where}: the customer was erased")
        try:
            return self._cipher.decrypt(nonce, sealed[CUSTOMER_HEADER.size :], self._context(where, row))
        except InvalidTag:
            raise CryptoError(f"{where}: the value does not belong here or was changed") from None

    def blind_index(self, value: str, where: str) -> bytes:
        return self._tenant.blind_index(value, where)

    def fingerprint(self, value: str, where: str) -> bytes:
        """Raises `Shredded`."""
        if self._print_key is None:
            raise Shredded(f"{where}: the customer was erased")
        return hmac.digest(self._print_key, f"{where}|{value}".encode(), "sha256")

    def _context(self, where: str, row: object) -> bytes:
        return f"{self.tenant_id}|{where}|{row}|{self.key_id}".encode()


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `customer_keys`; `wrapped` None: destroyed."""

    key_id: UUID | None
    wrapped: bytes | None

    def opened(self, tenant: TenantKeys, customer_id: UUID, kind: Kind) -> CustomerKeys:
        key = None if self.wrapped is None else tenant.open(self.wrapped, WRAPPED, f"{customer_id}|{kind}")
        return CustomerKeys(tenant, customer_id, self.key_id, key)


async def customer_keys(
    connection: AsyncConnection, tenant: TenantKeys, customer_id: UUID, kind: Kind = "ops"
) -> CustomerKeys:
    """The customer's key, made where there is none. One of a customer who is erased, or not there, is destroyed."""
    where: dict[str, Any] = {"tenant_id": tenant.tenant_id, "customer_id": customer_id, "kind": kind}
    row = (await connection.execute(FIND, where)).one_or_none()
    if row is None:
        wrapped = tenant.seal(AESGCM.generate_key(256), WRAPPED, f"{customer_id}|{kind}")
        made = {**where, "id": new_id(), "version": tenant.version, "wrapped_key": wrapped}
        if (await connection.execute(MAKE, made)).rowcount:
            await audit.record(
                connection, tenant.tenant_id, "customer_key.created", actor=("system", None),
                subject=("customer", customer_id), detail={"kind": kind},
            )  # fmt: skip
        row = (await connection.execute(FIND, where)).one_or_none()
    found = WrappedKey(None, None) if row is None else WrappedKey(row.id, row.wrapped_key)
    return found.opened(tenant, customer_id, kind)


async def destroy(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID, kind: Kind) -> UUID:
    """Takes the wrapped key out of its row, for good. The key's id."""
    where = {"tenant_id": tenant_id, "id": new_id(), "customer_id": customer_id, "kind": kind}
    key_id: UUID = (await connection.execute(DESTROY, where)).scalar_one()
    return key_id
