"""Vault's Transit engine on loopback, as its API documentation has it: a key with versions, a token, and a seal."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.outside import Asked, outside


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


@dataclass
class Transit:
    token: str
    url: str = ""
    name: str = "helioscs"
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    says: list[tuple[int, bytes]] = field(default_factory=list)
    """Answers that come before the true ones."""
    silent: threading.Event = field(default_factory=threading.Event)
    """While it is set no request is answered."""
    sealed: bool = False
    asked: list[str] = field(default_factory=list)

    def rotate(self) -> None:
        self.versions.append(os.urandom(32))

    def answer(self, path: str, token: str, body: dict[str, Any]) -> dict[str, str]:
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        if token != self.token:
            raise Refused(403, "permission denied")
        parts = path.split("/")
        if parts == ["", "v1", "transit", "keys", self.name, "rotate"]:
            self.rotate()
            return {}
        if parts[:3] != ["", "v1", "transit"] or len(parts) != 5:
            raise Refused(404, f"no handler for route {path!r}")
        if parts[4] != self.name:
            raise Refused(400, "encryption key not found")
        if parts[3] == "encrypt":
            return {"ciphertext": self._seal(base64.b64decode(body["plaintext"]))}
        plain = self._open(body["ciphertext"])
        if parts[3] == "rewrap":
            return {"ciphertext": self._seal(plain)}
        return {"plaintext": base64.b64encode(plain).decode()}

    def _seal(self, plain: bytes) -> str:
        nonce = os.urandom(12)
        sealed = base64.b64encode(nonce + AESGCM(self.versions[-1]).encrypt(nonce, plain, None)).decode()
        return f"vault:v{len(self.versions)}:{sealed}"

    def _open(self, wrapped: str) -> bytes:
        _, version, text = wrapped.split(":")
        try:
            sealed = base64.b64decode(text)
            return AESGCM(self.versions[int(version[1:]) - 1]).decrypt(sealed[:12], sealed[12:], None)
        except (InvalidTag, IndexError, ValueError):
            raise Refused(400, "cipher: message authentication failed") from None


@contextmanager
def vault(token: str) -> Iterator[Transit]:
    transit, stopping = Transit(token), threading.Event()

    def answer(asked: Asked) -> tuple[int, bytes]:
        transit.asked.append(asked.target)
        while transit.silent.is_set() and not stopping.wait(0.02):
            transit.silent.wait(0.01)
        return transit.says.pop(0) if transit.says else true_answer(asked)

    def true_answer(asked: Asked) -> tuple[int, bytes]:
        try:
            data = transit.answer(asked.target, asked.headers.get("x-vault-token", ""), json.loads(asked.body))
        except Refused as refused:
            return refused.status, json.dumps({"errors": [str(refused)]}).encode()
        return 200, json.dumps({"request_id": "x", "data": data}).encode()

    with outside(answer) as transit.url:
        try:
            yield transit
        finally:
            stopping.set()
