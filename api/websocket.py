"""The same events over a WebSocket; the client may also speak on it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from api.acceptance import accept
from api.authentication import identify, require_stream
from api.conversations import visible
from api.counting import callers_of, count
from api.messages import wake
from api.models import NewMessage
from api.permissions import allows
from api.problems import Problem
from api.sse import ends_with_session, require_sent
from api.state import Services, services_of_socket
from api.stream import Reader, parse_offset
from api.tickets import redeem
from api.validation import invalid_request, read_json
from helios.ids import new_id
from helios.tokens import Identity
from schema.steps import Stop

log = structlog.get_logger()

router = APIRouter()

UNAUTHENTICATED, NOT_FOUND, GOING_AWAY, TRY_AGAIN = 4401, 4404, 1001, 1013
FRAME_MAX = 64 * 1024
CLOSE_CODES = {"unauthenticated": UNAUTHENTICATED, "forbidden": 4403, "not_found": NOT_FOUND}


@router.websocket("/v1/conversations/{conversation_id}/ws")
async def converse(socket: WebSocket, conversation_id: UUID) -> None:
    services = services_of_socket(socket)
    await socket.accept()
    try:
        identity = await _identify(services, socket)
        at = parse_offset(socket.query_params.get("after"))
        keys = await services.keyring.conversation(identity.tenant_id, conversation_id)
        async with services.database.tenant(identity.tenant_id) as connection:
            require_sent(at, await visible(connection, identity, conversation_id))
    except Problem as problem:
        await _refuse(socket, problem)
        await socket.close(CLOSE_CODES.get(problem.code, 1008))
        return
    except (SQLAlchemyError, OSError):
        await _refuse(socket, Problem("dependency_unavailable"))
        await socket.close(TRY_AGAIN)
        return
    reader = Reader(services, keys, identity, conversation_id, at)
    both = [
        asyncio.create_task(_tell(services, socket, identity, reader, conversation_id)),
        asyncio.create_task(_listen(services, socket, identity, conversation_id)),
    ]
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(WebSocketDisconnect, SQLAlchemyError, OSError, RuntimeError):
                task.result()
    finally:
        for task in both:
            task.cancel()
        with suppress(RuntimeError):
            await socket.close(GOING_AWAY)


async def _refuse(socket: WebSocket, problem: Problem) -> None:
    request_id = str(new_id())
    log.info("refused", code=problem.code, request_id=request_id)
    await socket.send_json({"type": "error", "data": problem.body(request_id)})


async def _identify(services: Services, socket: WebSocket) -> Identity:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        identity = identify(services, token.strip())
    elif (ticket := socket.query_params.get("ticket")) is not None:
        identity = await redeem(services, ticket)
    else:
        raise Problem("unauthenticated")
    return await require_stream(services, identity, "conversations.read")


async def _tell(
    services: Services, socket: WebSocket, identity: Identity, reader: Reader, conversation_id: UUID
) -> None:
    subscribed = services.hub.subscribe(identity.tenant_id, conversation_id)
    async with subscribed as subscription, ends_with_session(services, identity, subscription):
        async for event in reader.events(subscription):
            if event is not None:
                await socket.send_json({"id": event.id, "type": event.type, "data": event.data})


async def _listen(services: Services, socket: WebSocket, identity: Identity, conversation_id: UUID) -> None:
    while True:
        frame = await socket.receive()
        if frame["type"] == "websocket.disconnect":
            return
        try:
            said = frame.get("text")
            if said is None:
                raise Problem("invalid_request", "Frames are text: a JSON object each.")
            await _answer(services, identity, conversation_id, said)
        except Problem as problem:
            await _refuse(socket, problem)


async def _answer(services: Services, identity: Identity, conversation_id: UUID, said: str) -> None:
    message = _parse(said)
    kind = message.pop("type", None)
    if kind == "typing":
        return
    if not allows("conversations.write", identity.roles):
        raise Problem("forbidden")
    if kind == "message":
        await _take(services, identity, conversation_id, message)
    elif kind == "stop":
        await _stop(services, identity, conversation_id)
    else:
        raise Problem("invalid_request", "`type` must be message, stop or typing.")


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


async def _take(services: Services, identity: Identity, conversation_id: UUID, message: dict[str, Any]) -> None:
    try:
        body = NewMessage.model_validate(message)
    except ValidationError as error:
        raise invalid_request(error.errors()) from None
    await count(services, "message", callers_of(identity))
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
