"""Vault's Transit engine on loopback, as its API documentation has it: a key with versions, a token, and a seal."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


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
        sealed = base64.b64decode(text)
        try:
            return AESGCM(self.versions[int(version[1:]) - 1]).decrypt(sealed[:12], sealed[12:], None)
        except (InvalidTag, IndexError):
            raise Refused(400, "cipher: message authentication failed") from None


@contextmanager
def vault(token: str) -> Iterator[Transit]:
    transit = Transit(token)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            transit.asked.append(self.path)
            while transit.silent.is_set():
                transit.silent.wait(0.01)
                if stopping.wait(0.02):
                    return
            status, said = transit.says.pop(0) if transit.says else self._true(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _true(self, body: dict[str, Any]) -> tuple[int, bytes]:
            try:
                data = transit.answer(self.path, self.headers.get("X-Vault-Token", ""), body)
            except Refused as refused:
                return refused.status, json.dumps({"errors": [str(refused)]}).encode()
            return 200, json.dumps({"request_id": "x", "data": data}).encode()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    stopping = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    transit.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield transit
    finally:
        stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
