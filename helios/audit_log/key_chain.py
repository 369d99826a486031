"""Which key signs a tenant's log, and since when: each but the first was put in by one before it, in a signed note.

helioscs/audit-key/<tenant id>
<version of the new key>
<base64 of its public half>
<size: it signs checkpoints of more entries than that>
<version of the key that puts it in>

— helioscs/audit-key/<tenant id> <base64 of 4 bytes of that key's hash, then its signature>

The fifth line may end with ` revoked`: the key that signs this is not trusted any more, and whatever else it puts in,
or says of a restore, is void. A version that is left out was lost with a restore of an older backup.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from helios.audit_log.checkpoints import Checkpoint, CheckpointError, read
from helios.audit_log.signed_notes import SIGNATURE, is_signed, sign_text

NOTE: Final = re.compile(
    r"(?P<text>(?P<origin>helioscs/audit-key/(?P<tenant>[0-9a-f-]{36}))\n(?P<version>[1-9]\d{0,8})\n"
    r"(?P<public>[A-Za-z0-9+/=]{44})\n(?P<above>0|[1-9]\d{0,18})\n(?P<by>[1-9]\d{0,8})(?P<revoked> revoked)?\n)"
    + SIGNATURE
)


class KeyChainError(Exception):
    """A key that no key before it put in. The text names it."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """`above`: it signs checkpoints of more entries. `by`: the version that put it in, 0 for the first. `revokes`: and
    revoked itself thereby."""

    version: int
    public: Ed25519PublicKey
    above: int = 0
    by: int = 0
    revokes: bool = False

    def text(self, tenant_id: UUID) -> str:
        """What the key that puts this one in signs."""
        public = base64.b64encode(self.public.public_bytes_raw()).decode()
        lines = (f"helioscs/audit-key/{tenant_id}", str(self.version), public, str(self.above),
                 f"{self.by}{' revoked' if self.revokes else ''}")  # fmt: skip
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class KeyChain:
    """A tenant's keys, oldest first, each under the signature of one before it."""

    tenant_id: UUID
    keys: tuple[LogKey, ...]

    @classmethod
    def begin(cls, tenant_id: UUID, first: Ed25519PublicKey | None) -> Self:
        """A log that was never sealed has none."""
        return cls(tenant_id, () if first is None else (LogKey(1, first),))

    @property
    def public(self) -> list[Ed25519PublicKey]:
        return [key.public for key in self.keys]

    @property
    def newest(self) -> int:
        return max((key.version for key in self.keys), default=0)

    def followed(self, notes: Sequence[str]) -> KeyChain:
        """With the keys that these notes put in. Raises `KeyChainError`, which names the first that nobody put in."""
        chain = self
        for note in notes:
            chain = chain._with(note)
        return chain

    def revoked(self, version: int) -> bool:
        return any(key.by == version and key.revokes for key in self.keys)

    def verify(self, note: str) -> Checkpoint:
        """What a checkpoint says that the key in office signed. Raises `CheckpointError`."""
        checkpoint = read(note)
        signature = note.rstrip("\n").rsplit(" ", 1)[1]
        signer = next((key for key in self.keys if is_signed(checkpoint.text, signature, [key.public])), None)
        if signer is None:
            raise CheckpointError(f"the checkpoint of {checkpoint.size} entries is not signed by this log's key")
        first = signer.above + (0 if checkpoint.lost else 1)  # a restore may lose all that a key has signed
        last = self._last_of(signer)
        if checkpoint.size < first or (last is not None and checkpoint.size > last):
            raise CheckpointError(
                f"key {signer.version} signs the checkpoint of {checkpoint.size} entries, which is not its time"
            )
        if checkpoint.lost and self.revoked(signer.version):
            raise CheckpointError(f"key {signer.version}, which was revoked, signs a restore")
        return checkpoint

    def _last_of(self, key: LogKey) -> int | None:
        """The largest size that a key signs. After a restore it has put in two."""
        return max((later.above for later in self.keys if later.by == key.version), default=None)

    def _with(self, note: str) -> KeyChain:
        found = NOTE.fullmatch(note)
        if found is None or found["signer"] != found["origin"] or found["tenant"] != str(self.tenant_id):
            raise KeyChainError("a note about the log's keys is none of this log")
        key = _read(found)
        known = next((each for each in self.keys if each.version == key.version), None)
        if known is not None and known.text(self.tenant_id) == found["text"]:
            return self
        by = next((each for each in self.keys if each.version == key.by and key.by < key.version), None)
        if known is not None or by is None or not is_signed(found["text"], found["signature"], [by.public]):
            raise KeyChainError(f"key {key.version} of the log was not put in by a key before it")
        if self.revoked(by.version):
            raise KeyChainError(f"key {key.version} of the log was put in by key {by.version}, which was revoked")
        return KeyChain(self.tenant_id, (*self.keys, key))


def put_in(tenant_id: UUID, key: LogKey, by: Ed25519PrivateKey) -> str:
    """The note that makes `key` the one that signs."""
    return sign_text(key.text(tenant_id), by)


def _read(found: re.Match[str]) -> LogKey:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(found["public"], validate=True))
    except (ValueError, binascii.Error):
        raise KeyChainError(f"key {found['version']} of the log is no key") from None
    return LogKey(int(found["version"]), public, int(found["above"]), int(found["by"]), found["revoked"] is not None)
