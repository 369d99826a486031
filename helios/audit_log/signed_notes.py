"""A text under one Ed25519 signature, in the form that transparency logs share (C2SP signed-note).

<the text, whose first line is its origin>

— <origin> <base64 of 4 bytes of the key's hash, then the signature>
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE: Final = r"\n— (?P<signer>\S+) (?P<signature>[A-Za-z0-9+/=]{92})\n"
"""What follows the text, as a regular expression."""
ED25519: Final = b"\x01"
"""The signature type that stands in the hash of a key (C2SP signed-note)."""


def sign_text(text: str, key: Ed25519PrivateKey) -> str:
    """The note. `text` ends with a newline."""
    origin = text.partition("\n")[0]
    signed = base64.b64encode(key_hash(origin, key.public_key()) + key.sign(text.encode())).decode()
    return f"{text}\n— {origin} {signed}\n"


def is_signed(text: str, signature: str, keys: Sequence[Ed25519PublicKey]) -> bool:
    """Whether one of these keys made this `signature`, as it stands in the note, of this text."""
    try:
        signed = base64.b64decode(signature, validate=True)
    except binascii.Error:
        return False
    for key in keys:
        if signed[:4] == key_hash(text.partition("\n")[0], key):
            try:
                key.verify(signed[4:], text.encode())
            except InvalidSignature:
                return False
            return True
    return False


def verifier_key(origin: str, key: Ed25519PublicKey) -> str:
    """The public key as others' tools read it: `name+hash+base64`."""
    body = base64.b64encode(ED25519 + key.public_bytes_raw()).decode()
    return f"{origin}+{key_hash(origin, key).hex()}+{body}"


def key_hash(origin: str, key: Ed25519PublicKey) -> bytes:
    """4 bytes that say which key signed."""
    return sha256(origin.encode() + b"\n" + ED25519 + key.public_bytes_raw()).digest()[:4]
