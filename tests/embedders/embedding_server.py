"""A local server that speaks OpenAI's `/v1/embeddings`, well or badly, and remembers what it was asked.

Its vectors are words, hashed: texts that share words are near. Some German and Arabic words stand where their English
ones do, so that it is as multilingual as a test needs.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MEANS = {
    "kostet": "cost", "ersatzkarte": "replacement card", "überweisung": "transfer", "ausland": "abroad",
    "gebühren": "fees", "kostenlos": "free", "تكلفة": "cost", "بطاقة": "card", "بديلة": "replacement",
    "leuchtturm": "lighthouse", "zauberstab": "wand",
}  # fmt: skip
Answering = Callable[["Asked"], tuple[int, dict[str, str], bytes]]


@dataclass
class Asked:
    """One request. `number` counts from 1 since the behaviour was set."""

    number: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        given: list[str] = self.body["input"]
        return given


@dataclass
class EmbeddingServer:
    port: int = 0
    requests: list[Asked] = field(default_factory=list)
    answering: Answering = field(default=lambda asked: well(asked))
    delay_s: float = 0.0
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def behave(self, answering: Answering | None = None, delay_s: float = 0.0) -> None:
        """So from the next request on; without arguments well and at once. What it was asked is forgotten."""
        with self._lock:
            self.answering, self.delay_s, self._count = answering or well, delay_s, 0
            self.requests.clear()

    def take(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            self._count += 1
            asked = Asked(self._count, headers, body)
            self.requests.append(asked)
            answering, delay_s = self.answering, self.delay_s
        time.sleep(delay_s)
        return answering(asked)

    @property
    def texts(self) -> list[str]:
        """All that it ever saw since it was told how to behave."""
        return [text for asked in list(self.requests) for text in asked.texts]


def well(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    dimension = int(asked.body.get("dimensions") or 256)
    data = [{"object": "embedding", "index": n, "embedding": vector(text, dimension)}
            for n, text in enumerate(asked.texts)]  # fmt: skip
    return 200, {}, answer(data[::-1])  # in any order: `index` counts


def answer(data: list[dict[str, Any]]) -> bytes:
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": data, "model": "words", "usage": usage}).encode()


def failing(status: int, times: int = 1_000_000, **headers: str) -> Answering:
    """The first `times` requests get this status, with an error that repeats what was asked."""

    def reply(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.number > times:
            return well(asked)
        told = {"error": {"message": f"no: {asked.texts}", "type": "server_error", "code": None}}
        return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(told).encode()

    return reply


def vector(text: str, dimension: int) -> list[float]:
    row = [0.0] * dimension
    row[0] = 0.05  # a text without words has a direction, too
    for word in re.findall(r"\w+", text.lower()):
        for meant in MEANS.get(word, word).split():
            digest = blake2b(meant.encode(), digest_size=8).digest()
            row[int.from_bytes(digest[:4], "big") % dimension] += 1.0 if digest[4] & 1 else -1.0
    return row


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/embeddings":
            self.send_error(404)
            return
        status, headers, content = self.server.state.take(
            {name.lower(): value for name, value in self.headers.items()}, body
        )
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who waited has left
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is to be read of it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: EmbeddingServer


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.state = EmbeddingServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.state
        finally:
            server.shutdown()
            thread.join()
