"""Saying something: the message is durable before anything is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from temporalio.service import RPCError

from api import conversation_examples as examples
from api.acceptance import Accepted, accept
from api.authentication import caller, why_ended
from api.described import described, json_content, text_content
from api.hub import Subscription
from api.idempotency import IdempotentRoute, resource_id
from api.models import NewMessage
from api.presentation import accepted_json, message_json
from api.sse import event_stream
from api.state import Services, State
from api.stream import Event, Position, Reader
from helios.tokens import Identity
from schema.steps import PostMessage

log = structlog.get_logger()

router = APIRouter(prefix="/v1/conversations", tags=["Conversations"], route_class=IdempotentRoute)

# Temporal's answer is a bonus: what it misses, the sweeper signals again.
SIGNAL_WITHIN_S = 1.5
LOOK_EVERY_S = 1.0
WAITED = {
    200: {
        "description": "The turn has ended; or the events of the turn, for whoever accepts them",
        "content": {**json_content(examples.TURN), **text_content("text/event-stream", examples.EVENTS)},
    }
}

RESULT = text(
    """
    SELECT turns.outcome, reply.id AS reply_id, message.id AS message_id FROM turns
    JOIN messages AS message ON message.tenant_id = turns.tenant_id AND message.id = :message_id
    LEFT JOIN messages AS reply ON reply.tenant_id = turns.tenant_id AND reply.conversation_id = turns.conversation_id
        AND reply.origin = 'ai:' || turns.number
    WHERE turns.tenant_id = :tenant_id AND turns.conversation_id = :conversation_id AND turns.number = :turn
      AND turns.outcome IS NOT NULL
    """
)
MESSAGE = text("SELECT * FROM messages WHERE tenant_id = :tenant_id AND id = ANY(:ids)")


@router.post(
    "/{conversation_id}/messages",
    **described(
        examples.ACCEPTED,
        "not_found",
        "conversation_closed",
        "idempotency_conflict",
        "too_many_streams",
        status=202,
        body={"content": "What does it cost to send money abroad?", "client_message_id": "m-1"},
        about="The message is durable",
        also=WAITED,
    ),
)
async def post_message(
    conversation_id: UUID,
    body: NewMessage,
    request: Request,
    services: State,
    customer: Annotated[Identity, Depends(caller("conversations.write"))],
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the turn to end")] = 0,
    form: Annotated[str | None, Header(alias="accept")] = None,
) -> Response:
    """Sends a message. Answers when it is durable (202), when its turn ended (`?wait=`), or as a stream of its turn."""
    as_stream = form is not None and "text/event-stream" in form
    if as_stream:
        services.open_streams.require_room(customer)
    keys = await services.keyring.customer(customer.tenant_id, customer.id)
    client_message_id = body.client_message_id or str(resource_id(request))
    async with services.database.tenant(customer.tenant_id) as connection:
        accepted = await accept(connection, keys, customer, conversation_id, body.content, client_message_id)
    if accepted.seq:
        await services.frames.announce(customer.tenant_id, conversation_id, accepted.seq)
    await wake(services, customer, conversation_id, accepted)
    if as_stream:
        at = Position(max(accepted.seq - 1, 0), accepted.frame)
        reader = Reader(services, keys, customer, conversation_id, at)
        subscribed = services.hub.subscribe(customer.tenant_id, conversation_id)
        return event_stream(request, services, customer, reader, subscribed, only=of_turn(accepted.turn))
    if wait:
        async with services.hub.subscribe(customer.tenant_id, conversation_id) as subscription:
            result = await _await_turn(services, customer, conversation_id, accepted, subscription, wait)
        if (ended := await why_ended(services, customer)) is not None:
            raise ended  # a minute is long enough to sign out, or to be signed out, in
        if result is not None:
            return JSONResponse(result)
    return JSONResponse(accepted_json(accepted.message_id, accepted.turn), 202)


async def wake(services: Services, customer: Identity, conversation_id: UUID, accepted: Accepted) -> None:
    message = PostMessage(accepted.message_id, accepted.turn)
    try:
        await asyncio.wait_for(
            services.conversations.post_message(customer.tenant_id, conversation_id, message), SIGNAL_WITHIN_S
        )
    except (RPCError, TimeoutError, OSError, RuntimeError) as error:
        log.warning("message not signalled", error=type(error).__name__)


async def _await_turn(
    services: Services,
    customer: Identity,
    conversation_id: UUID,
    accepted: Accepted,
    subscription: Subscription,
    wait_s: float,
) -> dict[str, Any] | None:
    """The turn's result, or None when it takes longer."""
    deadline = time.monotonic() + wait_s
    while True:
        if (result := await _result(services, customer, conversation_id, accepted)) is not None:
            return result
        if not await _something_happened(subscription, deadline):
            return None


async def _something_happened(subscription: Subscription, deadline: float) -> bool:
    """Waits for a fact, or a moment. False at the deadline. Words on their way are no fact."""
    look_again = time.monotonic() + LOOK_EVERY_S
    while (left := min(deadline, look_again) - time.monotonic()) > 0:
        try:
            item = await asyncio.wait_for(subscription.queue.get(), left)
        except TimeoutError:
            break
        if item is None or item.startswith(b"f"):
            return True
    return time.monotonic() < deadline


async def _result(
    services: Services, customer: Identity, conversation_id: UUID, accepted: Accepted
) -> dict[str, Any] | None:
    where = {"tenant_id": customer.tenant_id, "conversation_id": conversation_id, "turn": accepted.turn}
    async with services.database.tenant(customer.tenant_id) as connection:
        row = (await connection.execute(RESULT, {**where, "message_id": accepted.message_id})).one_or_none()
        if row is None:
            return None
        ids = [each for each in (row.message_id, row.reply_id) if each is not None]
        found = {each.id: each for each in await connection.execute(MESSAGE, {**where, "ids": ids})}
    keys = await services.keyring.customer(customer.tenant_id, customer.id)
    return {
        "message": message_json(found[row.message_id], keys),
        "reply": message_json(found[row.reply_id], keys) if row.reply_id else None,
        "outcome": row.outcome,
        "turn": accepted.turn,
    }


def of_turn(turn: int) -> Any:
    """A filter: the events of one turn, up to its end."""

    async def only(events: AsyncIterator[Event | None]) -> AsyncIterator[Event | None]:
        async for event in events:
            if event is None or event.data.get("turn") == turn:
                yield event
            if event is not None and event.type == "turn.completed" and event.data["turn"] == turn:
                return

    return only
