"""How text is kept secret at rest.

A root key (32 bytes, outside the database) wraps one data key per tenant and version, and that one wraps two keys per
customer: see `helios.customer_keys`. A value is sealed with AES-256-GCM, a random 96-bit nonce, and the associated data
`tenant|table.column|row|key`: a ciphertext moved to another row, column, customer or tenant does not open. The sealed
form tells its own key:

    1 byte format (1) · 4 bytes version of the tenant's key · 12 bytes nonce · ciphertext and 16-byte tag
    1 byte format (2) · 16 bytes id of the customer's key   · 12 bytes nonce · ciphertext and 16-byte tag
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT, OF_CUSTOMER = 1, 2
OF_ROOT, ROOT_MARK = 2, 9
"""The first byte of what the root key wrapped, and how many bytes name the key."""
HEADER = struct.Struct(">BI12s")
CUSTOMER_HEADER = struct.Struct(">B16s12s")


class CryptoError(Exception):
    """A value did not open: wrong place, wrong tenant, changed bytes, or an unknown key version."""


class UnknownKeyVersion(CryptoError):
    """The value names a key version that these keys do not hold."""


class Shredded(CryptoError):
    """The key that the value was sealed with was destroyed on purpose: nobody can read it any more."""


class Keys(ABC):
    """Seals and opens values of one tenant, or of one of its customers. `where` is `table.column`, `row` its key."""

    __slots__ = ()
    tenant_id: UUID

    @abstractmethod
    def seal(self, value: bytes, where: str, row: object) -> bytes: ...

    @abstractmethod
    def open(self, sealed: bytes, where: str, row: object) -> bytes:
        """Raises `CryptoError`; its text never holds the value."""

    @abstractmethod
    def blind_index(self, value: str, where: str) -> bytes:
        """An HMAC to look a value up by without storing it. The same value in two columns has two indexes."""

    @abstractmethod
    def fingerprint(self, value: str, where: str) -> bytes:
        """An HMAC that tells the same from another while the key lives: after an erasure nobody can try guesses."""

    def seal_text(self, value: str, where: str, row: object) -> bytes:
        return self.seal(value.encode(), where, row)

    def open_text(self, sealed: bytes, where: str, row: object) -> str:
        return self.open(sealed, where, row).decode()

    def seal_json(self, value: Any, where: str, row: object) -> bytes:
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), where, row)

    def open_json(self, sealed: bytes, where: str, row: object) -> Any:
        return json.loads(self.open(sealed, where, row))


class TenantKeys(Keys):
    """One tenant's data keys by version."""

    __slots__ = ("_ciphers", "_index_key", "_index_keys", "tenant_id", "version")

    def __init__(self, tenant_id: UUID, keys: Mapping[int, bytes], seals: int | None = None) -> None:
        """`seals`: the version that seals, where that is not the newest."""
        if not keys:
            raise CryptoError(f"tenant {tenant_id} has no key")
        self.tenant_id = tenant_id
        self.version = max(keys) if seals is None else seals
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        # The index must find what older versions wrote, so it hangs on the first key for ever.
        self._index_key = hmac.digest(keys[min(keys)], b"helios blind index", "sha256")
        self._index_keys = {
            version: hmac.digest(key, b"helios index of a version", "sha256") for version, key in keys.items()
        }

    def knows(self, version: int) -> bool:
        return version in self._ciphers

    def seal(self, value: bytes, where: str, row: object) -> bytes:
        """Source of the scheme: NIST SP 800-38D, random nonces."""
        nonce = os.urandom(12)
        sealed = self._ciphers[self.version].encrypt(nonce, value, self._context(where, row, self.version))
        return HEADER.pack(FORMAT, self.version, nonce) + sealed

    def open(self, sealed: bytes, where: str, row: object) -> bytes:
        if len(sealed) < HEADER.size:
            raise CryptoError(f"{where}: too short to be a sealed value")
        form, version, nonce = HEADER.unpack_from(sealed)
        if form != FORMAT:
            raise CryptoError(f"{where}: unknown format {form}")
        cipher = self._ciphers.get(version)
        if cipher is None:
            raise UnknownKeyVersion(f"{where}: no key of version {version}")
        try:
            return cipher.decrypt(nonce, sealed[HEADER.size :], self._context(where, row, version))
        except InvalidTag:
            raise CryptoError(f"{where}: the value does not belong here or was changed") from None

    def blind_index(self, value: str, where: str) -> bytes:
        return hmac.digest(self._index_key, f"{where}|{value}".encode(), "sha256")

    def index(self, value: str, where: str) -> bytes:
        """A blind index that hangs on the version that seals: for rows that are written anew after a rotation."""
        return hmac.digest(self._index_keys[self.version], f"{where}|{value}".encode(), "sha256")

    def indexes(self, value: str, where: str) -> list[bytes]:
        """The same under each version: a row may not have been written anew yet."""
        return [hmac.digest(key, f"{where}|{value}".encode(), "sha256") for key in self._index_keys.values()]

    def fingerprint(self, value: str, where: str) -> bytes:
        return self.blind_index(value, f"fingerprint|{where}")

    def _context(self, where: str, row: object, version: int) -> bytes:
        return f"{self.tenant_id}|{where}|{row}|{version}".encode()


class RootKey:
    """Wraps tenant keys. While it is being rotated it is two keys: the first wraps, and each opens what it wrapped.

    What is wrapped names its key: 1 byte format (2), 8 bytes of the key's hash, then nonce, ciphertext and tag. Before
    root keys were rotated there was nothing before the nonce.
    """

    __slots__ = ("_again", "_ciphers", "_index_key")

    def __init__(self, *keys: bytes, again: Callable[[], Sequence[bytes]] | None = None) -> None:
        """`again`: asked for the keys as they are now, before each wrapping, and for one that is not known."""
        self._ciphers = _ciphers(keys)
        self._index_key = _index_key(keys)
        self._again = again

    @property
    def mark(self) -> bytes:
        """What begins each value that the newest key wrapped."""
        return next(iter(self._ciphers))

    def blind_index(self, value: str, where: str) -> bytes:
        """Of what is counted before its tenant is known. A rotation begins anew: for what need not last."""
        return hmac.digest(self._index_key, f"{where}|{value}".encode(), "sha256")

    def new_tenant_key(self, tenant_id: UUID, version: int) -> bytes:
        """A fresh data key, wrapped."""
        return self.wrap(os.urandom(32), tenant_id, version)

    def wrap(self, key: bytes, tenant_id: UUID, version: int, purpose: str = "") -> bytes:
        """A key that was wrapped for one purpose does not unwrap for another."""
        self._look_again()
        mark, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(12)
        return mark + nonce + cipher.encrypt(nonce, key, _wrapping(tenant_id, version, purpose))

    def unwrap(self, wrapped: bytes, tenant_id: UUID, version: int, purpose: str = "") -> bytes:
        about = _wrapping(tenant_id, version, purpose)
        opened = self._opened(wrapped, about)
        if opened is None and self._look_again():
            opened = self._opened(wrapped, about)
        if opened is None:
            raise CryptoError(
                f"the key of tenant {tenant_id}, version {version}, does not open: was it made with this root key?"
            )
        return opened

    def _opened(self, wrapped: bytes, about: bytes) -> bytes | None:
        named = self._ciphers.get(wrapped[:ROOT_MARK])
        if named is not None:
            return _decrypted(named, wrapped[ROOT_MARK:], about)
        tried = (_decrypted(cipher, wrapped, about) for cipher in self._ciphers.values())
        return next((key for key in tried if key is not None), None)

    def _look_again(self) -> bool:
        """Whether the keys are others than they were."""
        if self._again is None:
            return False
        keys = self._again()
        now = _ciphers(keys)
        changed = list(now) != list(self._ciphers)
        self._ciphers, self._index_key = now, _index_key(keys)
        return changed


def _ciphers(keys: Sequence[bytes]) -> dict[bytes, AESGCM]:
    if not keys or any(len(key) != 32 for key in keys):
        raise CryptoError("HELIOS_ROOT_KEY must be the base64 of exactly 32 bytes")
    return {_root_mark(key): AESGCM(key) for key in keys}


def _index_key(keys: Sequence[bytes]) -> bytes:
    return hmac.digest(keys[0], b"helios root index", "sha256")


def _root_mark(key: bytes) -> bytes:
    return bytes([OF_ROOT]) + hashlib.sha256(b"helios root key|" + key).digest()[: ROOT_MARK - 1]


def _decrypted(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:12], sealed[12:], about)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        return None


def _wrapping(tenant_id: UUID, version: int, purpose: str) -> bytes:
    return "|".join((str(tenant_id), str(version), *([purpose] if purpose else []))).encode()


def token_hash(token: str) -> bytes:
    """How API keys and refresh tokens are kept. They hold 256 random bits: a plain hash is enough (no dictionary)."""
    return hashlib.sha256(token.encode()).digest()
