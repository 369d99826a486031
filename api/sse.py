"""Server-sent events: the stream on the wire."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError
from starlette.types import Receive, Scope, Send

from api.authentication import stream_caller, why_ended
from api.conversation_examples import EVENTS
from api.conversations import visible
from api.described import described, text_content
from api.errors import AWAY
from api.hub import Subscription
from api.open_streams import OpenStreams
from api.problems import Problem, refuse, request_id_of
from api.state import Services, State
from api.stream import Event, Position, Reader, parse_offset
from api.validation import StrictRoute
from helios.frames import FRAMES_PER_EPOCH
from helios.tokens import Identity

router = APIRouter(prefix="/v1/conversations", tags=["Conversations"], route_class=StrictRoute)

LOOK_EVERY_S = 3.0
BROKEN = (DBAPIError, *AWAY)
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
Filter = Callable[[AsyncIterator[Event | None]], AsyncIterator[Event | None]]


@router.get(
    "/{conversation_id}/events",
    **described(
        None,
        "not_found",
        "invalid_offset",
        "too_many_streams",
        also={
            200: {
                "description": "The events, until the token ends",
                "content": text_content("text/event-stream", EVENTS),
            }
        },
    ),
)
async def stream_events(
    conversation_id: UUID,
    request: Request,
    services: State,
    reader: Annotated[Identity, Depends(stream_caller("conversations.read"))],
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    after: Annotated[str | None, Query(max_length=64, description="Resume after this event's id")] = None,
) -> StreamingResponse:
    """The conversation's events, from the beginning or after `Last-Event-ID` (or `?after=`), and on until the token
    that opened it ends. An `error` says so: take a new token and resume."""
    at = parse_offset(last_event_id if last_event_id is not None else after)
    keys = await services.keyring.conversation(reader.tenant_id, conversation_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        require_sent(at, await visible(connection, reader, conversation_id))
    events = Reader(services, keys, reader, conversation_id, at)
    return event_stream(request, services, reader, events, services.hub.subscribe(reader.tenant_id, conversation_id))


def require_sent(at: Position, conversation: Any) -> None:
    """Refuses an offset that this conversation cannot have sent: its reader would hear nothing, for ever."""
    if at.fact > conversation.last_seq or at.frame >= (conversation.epoch + 1) * FRAMES_PER_EPOCH:
        raise Problem("invalid_offset")


def event_stream(
    request: Request,
    services: Services,
    identity: Identity,
    reader: Reader,
    subscribed: AbstractAsyncContextManager[Subscription],
    only: Filter | None = None,
) -> StreamingResponse:
    """An answer that lasts as long as the client stays, its session stands and it keeps up."""

    async def body() -> AsyncIterator[bytes]:
        checked = time.monotonic()
        yield b": stream\n\n"
        try:
            async with subscribed as subscription, ends_with_session(services, identity, subscription):
                events = reader.events(subscription)
                async for event in only(events) if only else events:
                    yield wire(event)
                    if time.monotonic() - checked > LOOK_EVERY_S:
                        checked = time.monotonic()
                        if await request.is_disconnected():
                            return
                if subscription.problem is not None:
                    yield _ended(subscription.problem, request)
        except BROKEN:
            # The status line is long gone: the client reconnects with its last id, and loses nothing.
            yield b": interrupted\n\n"

    return EventStream(body(), services.open_streams, identity)


class EventStream(StreamingResponse):
    """Keeps a place among the open streams for as long as it is sent; where there is none, the answer is that."""

    def __init__(self, body: AsyncIterator[bytes], open_streams: OpenStreams, identity: Identity) -> None:
        super().__init__(body, media_type="text/event-stream", headers=HEADERS)
        self._open_streams = open_streams
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            place = self._open_streams.one(self._identity)
        except Problem as problem:
            await refuse(problem, scope, receive, send)
            return
        with place:
            await super().__call__(scope, receive, send)


@asynccontextmanager
async def ends_with_session(services: Services, identity: Identity, subscription: Subscription) -> AsyncIterator[None]:
    """Ends the stream within 5 s of its token, session or tenant, also where nothing is being said."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(*BROKEN):
                if (problem := await why_ended(services, identity)) is not None:
                    subscription.end(problem)
                    return

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def _ended(problem: Problem, request: Request) -> bytes:
    """Why the stream ends. It has no id: a client resumes after the event before."""
    data = json.dumps(problem.body(request_id_of(request)), ensure_ascii=False, separators=(",", ":"))
    return f"event: error\ndata: {data}\n\n".encode()


def wire(event: Event | None) -> bytes:
    """One event, or a comment that keeps proxies awake. JSON holds no raw line break."""
    if event is None:
        return b": keep-alive\n\n"
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n".encode()
