"""The same events over a WebSocket; the client may also speak on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError

from api.authentication import identify, require_stream
from api.conversations import visible
from api.problems import Problem
from api.socket_frames import Listener, Refusals
from api.sse import ends_with_session, require_sent
from api.state import Services, services_of_socket
from api.stream import Reader, parse_offset
from api.tickets import redeem
from helios.tokens import Identity

router = APIRouter()

GOING_AWAY, POLICY, TRY_AGAIN = 1001, 1008, 1013
CLOSE_CODES = {
    "unauthenticated": 4401,
    "forbidden": 4403,
    "not_found": 4404,
    "rate_limited": 4429,
    "too_many_streams": 4429,
}
"""What ends a socket, by the code of the problem that it was told before; 1008 for every other."""


@router.websocket("/v1/conversations/{conversation_id}/ws")
async def converse(socket: WebSocket, conversation_id: UUID) -> None:
    await socket.accept()
    refusals = Refusals(socket)
    code = GOING_AWAY
    try:
        code = await _converse(services_of_socket(socket), socket, conversation_id, refusals)
    finally:
        refusals.note()
        with suppress(RuntimeError):
            await socket.close(code)


converse.permission = "conversations.read"  # type: ignore[attr-defined]


async def _converse(services: Services, socket: WebSocket, conversation_id: UUID, refusals: Refusals) -> int:
    """Both directions, until one ends; the code to close with."""
    try:
        identity = await _identify(services, socket)
        at = parse_offset(socket.query_params.get("after"))
        keys = await services.keyring.conversation(identity.tenant_id, conversation_id)
        async with services.database.tenant(identity.tenant_id) as connection:
            require_sent(at, await visible(connection, identity, conversation_id))
        place = services.open_streams.one(identity)
        services.access.note(socket.scope, 101)
    except Problem as problem:
        services.access.note(socket.scope, problem.status)
        await refusals.tell(problem)
        return CLOSE_CODES.get(problem.code, POLICY)
    except (SQLAlchemyError, OSError):
        await refusals.tell(Problem("dependency_unavailable"))
        return TRY_AGAIN
    reader = Reader(services, keys, identity, conversation_id, at)
    listener = Listener(services, socket, identity, conversation_id, refusals)
    with place:
        return await _both(_tell(services, socket, identity, reader, conversation_id, refusals), listener.listen())


async def _both(*directions: Coroutine[Any, Any, None]) -> int:
    both = [asyncio.create_task(each) for each in directions]
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with suppress(WebSocketDisconnect, SQLAlchemyError, OSError, RuntimeError):
                task.result()
    except Problem as problem:
        return CLOSE_CODES.get(problem.code, POLICY)
    finally:
        for task in both:
            task.cancel()
    return GOING_AWAY


async def _identify(services: Services, socket: WebSocket) -> Identity:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        identity = identify(services, socket, token.strip())
    elif (ticket := socket.query_params.get("ticket")) is not None:
        identity = await redeem(services, ticket)
    else:
        raise Problem("unauthenticated")
    socket.state.identity, socket.state.permission = identity, "conversations.read"
    return await require_stream(services, identity, "conversations.read")


async def _tell(
    services: Services,
    socket: WebSocket,
    identity: Identity,
    reader: Reader,
    conversation_id: UUID,
    refusals: Refusals,
) -> None:
    """Raises the problem, which the client was told, that ended the stream."""
    subscribed = services.hub.subscribe(identity.tenant_id, conversation_id)
    async with subscribed as subscription, ends_with_session(services, identity, subscription):
        async for event in reader.events(subscription):
            if event is not None:
                await socket.send_json({"id": event.id, "type": event.type, "data": event.data})
        if subscription.problem is not None:
            await refusals.tell(subscription.problem)
            raise subscription.problem
