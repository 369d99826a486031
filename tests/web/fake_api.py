"""A stand-in for the API that breaks its promises on command: cut streams, resets, refusals, silence.

The whole of the chat is tested against the real stack; here stands only what a real server can't be told to do.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.pages import router as pages

Json = dict[str, Any]
DISCLOSURE = "You are chatting with the AI assistant of Meridian Bank. It can make mistakes."


@dataclass(slots=True)
class Call:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Fault:
    """How the next calls to a path end. `lose_answer`: the call is carried out, and nobody hears of it."""

    method: str
    ending: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    detail: str = "This is not possible right now."
    code: str = "unavailable"
    times: int = 1
    lose_answer: bool = False


class Cut(Exception):
    """Raised into a stream to break its connection."""


class FakeApi:
    """One conversation, one customer. `emit` says what the server says next."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.forget()

    def forget(self) -> None:
        """As if nothing had ever happened here; the customers' conversations are gone too."""
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.token_lasts_s = 900
        self.chunk_bytes: int | None = None
        self.conversation_id: str | None = None
        self.created_by: dict[str, str] = {}
        self.tokens: list[str] = []
        self.refused_tokens: set[str] = set()
        self.events: list[tuple[str, str, Json]] = []
        self.messages: list[Json] = []
        self.accepted: dict[str, tuple[str, int]] = {}
        self.turn = 1
        self.mask: dict[str, str] = {}
        self._facts = 0
        self._frames = 0
        self._epoch = 0
        self._news = asyncio.Condition()

    # --- what a test says

    def emit(self, type_: str, data: Json) -> None:
        """Adds an event to the conversation; whoever follows it hears it at once."""
        if type_ in ("message.delta", "message.reset"):
            self._frames += 1
        else:
            self._facts += 1
        self.events.append((f"{self._facts}.{self._frames}", type_, data))
        self._wake()

    def cut(self) -> None:
        """Breaks every open stream in the middle, without an end."""
        self._epoch += 1
        self._wake()

    def say(self, text: str, role: str = "system", turn: int | None = None, **fields: Any) -> str:
        """A message that is told whole."""
        message = self.message(text, role, turn, **fields)
        where = {"message_id": message["id"], "turn": message["turn"]}
        self.emit("message.delta", {**where, "attempt": 1, "seq": 1, "text": text})
        self.emit("message.completed", message)
        return str(message["id"])

    def stage(self, name: str) -> None:
        self.emit("turn.stage", {"turn": self.turn, "stage": name})

    def delta(self, message_id: str, seq: int, text: str, attempt: int = 1) -> None:
        where = {"message_id": message_id, "turn": self.turn, "attempt": attempt}
        self.emit("message.delta", {**where, "seq": seq, "text": text})

    def reset(self, message_id: str, attempt: int) -> None:
        self.emit("message.reset", {"message_id": message_id, "turn": self.turn, "attempt": attempt})

    def complete(self, message_id: str, text: str, outcome: str = "answered", **fields: Any) -> None:
        """Ends the turn with this message."""
        message = self.message(text, "assistant", None, id=message_id, outcome=outcome, **fields)
        self.emit("message.completed", message)
        self.end_turn(outcome)

    def end_turn(self, outcome: str) -> None:
        self.emit("turn.completed", {"turn": self.turn, "outcome": outcome})
        self.turn += 1

    def escalation(self, what: str, status: str = "open", **fields: Any) -> None:
        known = {"id": "escalation-1", "status": status, "due_at": None, "agent_display_name": None}
        self.emit(f"escalation.{what}", {**known, **fields})

    def message(self, text: str, role: str, turn: int | None, **fields: Any) -> Json:
        made = {
            "id": str(uuid4()),
            "conversation_id": self.conversation_id,
            "turn": self.turn if turn is None else turn,
            "role": role,
            "content": text,
            "language": "en",
            "created_at": datetime.now(UTC).isoformat(),
            "citations": [],
            "intent": None,
            "confidence": None,
            "outcome": None,
            **fields,
        }
        self.messages.append(made)
        return made

    def fail(self, method: str, ending: str, status: int, **fields: Any) -> None:
        self.faults.append(Fault(method, ending, status, **fields))

    def called(self, method: str, ending: str) -> list[Call]:
        return [call for call in self.calls if call.method == method and call.path.endswith(ending)]

    # --- serving

    async def start(self) -> None:
        # Who connects before the server runs waits in the socket's queue.
        listening = socket.create_server(("127.0.0.1", self._port))
        self._server = uvicorn.Server(uvicorn.Config(self._app(), log_level="critical", lifespan="off"))
        self._serving = asyncio.create_task(self._server.serve([listening]))

    async def stop(self) -> None:
        """Breaks the streams and closes the port."""
        assert self._server is not None
        assert self._serving is not None
        self._server.should_exit = True
        self._server.force_exit = True
        self.cut()
        await self._serving

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.include_router(pages())
        app.middleware("http")(self._noted)
        app.add_api_route("/demo/session", self._session, methods=["POST"])
        app.add_api_route("/v1/conversations", self._create, methods=["POST"])
        base = "/v1/conversations/{conversation_id}"
        app.add_api_route(f"{base}/messages", self._accept, methods=["POST"])
        app.add_api_route(f"{base}/messages", self._list, methods=["GET"])
        app.add_api_route(f"{base}/events", self._follow, methods=["GET"])
        app.add_api_route(f"{base}/{{action}}", self._act, methods=["POST"])
        return app

    async def _noted(self, request: Request, call_next: Any) -> Response:
        body = await request.body() if request.method == "POST" else b""
        self.calls.append(Call(request.method, request.url.path, request.headers, json.loads(body or b"{}")))
        if (fault := self._fault(request)) is not None:
            if fault.lose_answer:
                await call_next(request)
            return problem(fault)
        if request.url.path.startswith("/v1/") and self._bearer(request) in {*self.refused_tokens, ""}:
            return problem(Fault("", "", 401, code="unauthorized", detail="Please sign in again."))
        response: Response = await call_next(request)
        return response

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.method == request.method and request.url.path.endswith(fault.ending) and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    @staticmethod
    def _bearer(request: Request) -> str:
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    async def _session(self) -> Response:
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return JSONResponse(
            {"access_token": self.tokens[-1], "expires_in": self.token_lasts_s, "customer_id": "customer-1"}
        )

    async def _create(self, request: Request) -> Response:
        key = request.headers["idempotency-key"]
        if key not in self.created_by:
            self.conversation_id = self.created_by[key] = str(uuid4())
            self.events, self.messages, self.turn = [], [], 1
            self.say(DISCLOSURE, turn=0)
        return JSONResponse({"id": self.created_by[key], "status": "active"}, 201)

    async def _accept(self, conversation_id: str, request: Request) -> Response:
        if conversation_id != self.conversation_id:
            return problem(Fault("", "", 404, code="not_found", detail="There is no such conversation."))
        body = await request.json()
        client_id = body["client_message_id"]
        if client_id not in self.accepted:
            content = self.mask.get(body["content"], body["content"])
            message_id = str(self.message(content, "customer", None)["id"])
            self.accepted[client_id] = message_id, self.turn
            self.emit("message.accepted", {"message_id": message_id, "turn": self.turn})
        message_id, turn = self.accepted[client_id]
        return JSONResponse({"message_id": message_id, "turn": turn}, 202)

    async def _list(self) -> Response:
        return JSONResponse({"items": self.messages, "next_cursor": None})

    async def _act(self, action: str) -> Response:
        if action == "close":
            self.emit("conversation.closed", {"id": self.conversation_id, "status": "closed"})
        return JSONResponse({"status": "ok"}, 202)

    async def _follow(self, conversation_id: str, request: Request) -> Response:
        if conversation_id != self.conversation_id:
            return problem(Fault("", "", 404, code="not_found", detail="There is no such conversation."))
        body = self._stream(request.headers.get("last-event-id"))
        return StreamingResponse(body, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _stream(self, last_id: str | None) -> AsyncIterator[bytes]:
        epoch, news = self._epoch, self._news
        at = [id_ for id_, _, _ in self.events].index(last_id) + 1 if last_id else 0
        yield b": stream\n\n"
        while True:
            while at < len(self.events):
                for chunk in self._chunks(wire(*self.events[at])):
                    yield chunk
                at += 1
            if epoch != self._epoch:
                raise Cut
            async with news:
                await news.wait_for(partial(self._has_news, at, epoch))

    def _has_news(self, at: int, epoch: int) -> bool:
        return at < len(self.events) or epoch != self._epoch

    def _chunks(self, event: bytes) -> Sequence[bytes]:
        size = self.chunk_bytes or len(event)
        return [event[start : start + size] for start in range(0, len(event), size)]

    def _wake(self) -> None:
        async def tell(news: asyncio.Condition) -> None:
            async with news:
                news.notify_all()

        self._telling = asyncio.ensure_future(tell(self._news))


def wire(id_: str, type_: str, data: Json) -> bytes:
    return f"id: {id_}\nevent: {type_}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def problem(fault: Fault) -> Response:
    content = {"type": "about:blank", "title": fault.code, "status": fault.status, "code": fault.code}
    return JSONResponse(
        {**content, "detail": fault.detail}, fault.status, fault.headers, media_type="application/problem+json"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
