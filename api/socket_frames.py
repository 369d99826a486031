"""What a client says on a WebSocket: every frame is limited, as a request would be, before it is read and done."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any
from uuid import UUID

import structlog
from fastapi import WebSocket
from pydantic import ValidationError
from temporalio.service import RPCError

from api.acceptance import accept
from api.conversations import visible
from api.counting import callers_of, count
from api.limits import FRAMES_AT_ONCE, FRAMES_IGNORED, FRAMES_PER_S
from api.messages import wake
from api.models import NewMessage
from api.permissions import allows
from api.problems import Problem
from api.state import Services
from api.validation import invalid_request, read_json
from helios.ids import new_id
from helios.tokens import Identity
from schema.steps import Stop

log = structlog.get_logger()

FRAME_MAX = 64 * 1024


class Budget:
    """What one socket may send: a bucket that fills by itself."""

    def __init__(self) -> None:
        self._left: float = FRAMES_AT_ONCE
        self._at = time.monotonic()
        self.over = 0
        """How many were too many since it was last full."""

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(FRAMES_AT_ONCE, self._left + (now - self._at) * FRAMES_PER_S)
        self._at = now
        if self._left == FRAMES_AT_ONCE:
            self.over = 0
        if self._left >= 1:
            self._left -= 1
            return True
        self.over += 1
        return False


class Refusals:
    """Tells the client each refusal; the log, one line a socket: whoever sends garbage must not fill it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._request_id = str(new_id())
        self._counted: Counter[str] = Counter()

    async def tell(self, problem: Problem) -> None:
        self._counted[problem.code] += 1
        await self._socket.send_json({"type": "error", "data": problem.body(self._request_id)})

    def note(self) -> None:
        if self._counted:
            log.info("refused on a socket", codes=dict(self._counted), request_id=self._request_id)


class Listener:
    """One socket's frames, until the client goes or has sent far too many."""

    def __init__(
        self, services: Services, socket: WebSocket, identity: Identity, conversation_id: UUID, refusals: Refusals
    ) -> None:
        self._services = services
        self._socket = socket
        self._identity = identity
        self._conversation_id = conversation_id
        self._refusals = refusals

    async def listen(self) -> None:
        """Raises a 429 problem, which the client was told, where it went on over its limit."""
        budget = Budget()
        while (frame := await self._socket.receive())["type"] != "websocket.disconnect":
            if budget.take():
                await self._hear(frame.get("text"))
            elif budget.over == 1:
                await self._refusals.tell(Problem("rate_limited", "Too many frames: wait some seconds."))
            elif budget.over > FRAMES_IGNORED:
                raise Problem("rate_limited")

    async def _hear(self, said: str | None) -> None:
        try:
            if said is None:
                raise Problem("invalid_request", "Frames are text: a JSON object each.")
            await self._answer(_parse(said))
        except Problem as problem:
            await self._refusals.tell(problem)

    async def _answer(self, message: dict[str, Any]) -> None:
        kind = message.pop("type", None)
        if kind == "typing":
            return
        if not allows("conversations.write", self._identity.roles):
            raise Problem("forbidden")
        if kind == "message":
            body = _validated(message)
            await self._count("message")
            with self._services.at_work.one(str(self._identity.tenant_id)):
                await _take(self._services, self._identity, self._conversation_id, body)
        elif kind == "stop":
            await self._count("write")
            with self._services.at_work.one(str(self._identity.tenant_id)):
                await _stop(self._services, self._identity, self._conversation_id)
        else:
            raise Problem("invalid_request", "`type` must be message, stop or typing.")

    async def _count(self, kind: str) -> None:
        await count(self._services, kind, callers_of(self._identity))


def _parse(said: str) -> dict[str, Any]:
    if len(said.encode(errors="surrogatepass")) > FRAME_MAX:
        raise Problem("payload_too_large")
    try:
        message = read_json(said)
    except ValueError:
        raise Problem("malformed_json") from None
    if not isinstance(message, dict):
        raise Problem("invalid_request", "A JSON object is expected.")
    return message


def _validated(message: dict[str, Any]) -> NewMessage:
    try:
        return NewMessage.model_validate(message)
    except ValidationError as error:
        raise invalid_request(error.errors()) from None


async def _take(services: Services, identity: Identity, conversation_id: UUID, body: NewMessage) -> None:
    keys = await services.keyring.customer(identity.tenant_id, identity.id)
    client_message_id = body.client_message_id or str(new_id())
    async with services.database.tenant(identity.tenant_id) as connection:
        accepted = await accept(connection, keys, identity, conversation_id, body.content, client_message_id)
    if accepted.seq:
        await services.frames.announce(identity.tenant_id, conversation_id, accepted.seq)
    await wake(services, identity, conversation_id, accepted)


async def _stop(services: Services, identity: Identity, conversation_id: UUID) -> None:
    async with services.database.tenant(identity.tenant_id) as connection:
        row = await visible(connection, identity, conversation_id)
    turn = row.completed_turn + 1
    if row.sealed_turn >= turn:
        await services.frames.stop(identity.tenant_id, conversation_id, turn)
        try:
            await services.conversations.signal(identity.tenant_id, conversation_id, "stop", Stop(turn))
        except RPCError:
            raise Problem("workflow_unavailable", retry_after_s=2) from None
