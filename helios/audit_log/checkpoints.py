"""Checkpoints: a tree's size and root in a signed note, the form that transparency logs share (C2SP tlog-checkpoint).

helioscs/audit/<tenant id>
<size>
<base64 of the root>

— helioscs/audit/<tenant id> <base64 of 4 bytes of the key's hash, then the Ed25519 signature>

One that was made after a restore has a fourth line, `restored <size>`: so many entries had been anchored before it, and
those beyond its own size are lost.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from helios.audit_log.signed_notes import SIGNATURE, sign_text

NOTE: Final = re.compile(
    r"(?P<text>(?P<origin>helioscs/audit/(?P<tenant>[0-9a-f-]{36}))\n(?P<size>0|[1-9]\d{0,18})\n"
    r"(?P<root>[A-Za-z0-9+/=]{44})\n(?:restored (?P<lost>[1-9]\d{0,18})\n)?)" + SIGNATURE
)


class CheckpointError(Exception):
    """A text that is no checkpoint, or one that its key did not sign."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` events of a tenant have this `root`, 32 bytes."""

    tenant_id: UUID
    size: int
    root: bytes
    lost: int = 0
    """The size that had been anchored before a restore; 0: no restore."""

    @property
    def origin(self) -> str:
        return f"helioscs/audit/{self.tenant_id}"

    @property
    def text(self) -> str:
        """What is signed."""
        restored = f"restored {self.lost}\n" if self.lost else ""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{restored}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The note."""
    return sign_text(checkpoint.text, key)


def read(note: str) -> Checkpoint:
    """What a note says, whoever signed it. Raises `CheckpointError`."""
    found = NOTE.fullmatch(note)
    if found is None or found["signer"] != found["origin"]:
        raise CheckpointError("not a checkpoint")
    try:
        root = base64.b64decode(found["root"], validate=True)
        return Checkpoint(UUID(found["tenant"]), int(found["size"]), root, int(found["lost"] or 0))
    except (ValueError, binascii.Error):
        raise CheckpointError("not a checkpoint") from None
