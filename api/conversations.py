"""Conversations: open, read, stop, ask for a person, rate, close."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError

from api import conversation_examples as examples
from api.authentication import caller
from api.cleaning import clean, clean_map
from api.described import ID, TIME, described
from api.idempotency import IdempotentRoute, resource_id
from api.models import EscalationRequest, NewConversation, NewFeedback, Nothing
from api.pagination import Cursor, Limit, page, read_cursor
from api.presentation import conversation_json, message_json
from api.problems import Problem, not_found
from api.provenance import provenance_of
from api.state import State
from helios import audit, facts
from helios.closing import tell_closed
from helios.crypto import Keys
from helios.facts import Fact
from helios.ids import new_id
from helios.tenant_settings import TenantSettings
from helios.texts import text as say
from helios.tokens import Identity
from schema.steps import RequestHuman, Stop
from schema.tables import Feedback, Message, Thread

log = structlog.get_logger()

router = APIRouter(prefix="/v1/conversations", tags=["Conversations"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("conversations.read"))]
METADATA = "threads.metadata_ct"
COMMENT = "feedback.comment_ct"

FIND = text(
    "SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :id "
    "AND (CAST(:customer_id AS uuid) IS NULL OR (customer_id = :customer_id AND erased_at IS NULL))"
)
# Erasure locks the row before it looks for conversations: one is either seen by it, or refused here.
FROZEN = text("SELECT frozen_at IS NOT NULL FROM customers WHERE tenant_id = :tenant_id AND id = :id FOR KEY SHARE")
LIST = text(
    """
    SELECT * FROM threads WHERE tenant_id = :tenant_id
      AND (CAST(:customer_id AS uuid) IS NULL OR (customer_id = :customer_id AND erased_at IS NULL))
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
MESSAGES = text(
    """
    SELECT * FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :id
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) > (:at, CAST(:after AS uuid)))
    ORDER BY created_at, id LIMIT :most
    """
)
CLOSE = text(
    "UPDATE threads SET status = 'closed', closed_at = now(), close_untold = true, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND status <> 'closed'"
)
TENANT = text("SELECT name, settings FROM tenants WHERE id = :id")
RATE = text("UPDATE threads SET rating = :rating WHERE tenant_id = :tenant_id AND id = :id")


@router.post(
    "",
    **described(
        examples.CONVERSATION,
        "forbidden",
        "customer_erased",
        "idempotency_conflict",
        status=201,
        body={"channel": "web", "locale": "en", "metadata": {"page": "fees"}},
        about="The conversation",
    ),
)
async def create_conversation(
    body: NewConversation,
    request: Request,
    services: State,
    customer: Annotated[Identity, Depends(caller("conversations.create"))],
) -> Response:
    """Opens a conversation. Its first message is the notice that an AI answers."""
    conversation_id = resource_id(request)
    keys = await services.keyring.customer(customer.tenant_id, customer.id)
    async with services.database.tenant(customer.tenant_id) as connection:
        if (row := await _find(connection, customer, conversation_id)) is None:
            await _open(connection, keys, customer, conversation_id, body)
            row = await _find(connection, customer, conversation_id)
    return JSONResponse(conversation_json(row), 201, {"Location": f"/v1/conversations/{conversation_id}"})


@router.get("", **described(examples.page(examples.CONVERSATION), "invalid_cursor", about="The conversations"))
async def list_conversations(services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The caller's conversations, newest first; for staff, the tenant's."""
    after = read_cursor(cursor)
    where = {"at": after[0] if after else None, "after": after[1] if after else None, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**_mine(reader), **where})).all()
    return JSONResponse(page(rows, limit, conversation_json))


@router.get("/{conversation_id}", **described(examples.CONVERSATION, "not_found", about="The conversation"))
async def read_conversation(conversation_id: UUID, services: State, reader: Reader) -> Response:
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await visible(connection, reader, conversation_id)
    return JSONResponse(conversation_json(row))


@router.get(
    "/{conversation_id}/messages",
    **described(examples.page(examples.MESSAGE), "not_found", "invalid_cursor", about="The messages"),
)
async def list_messages(
    conversation_id: UUID, services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The messages of a conversation, oldest first."""
    after = read_cursor(cursor)
    where = {"at": after[0] if after else None, "after": after[1] if after else None, "most": limit + 1}
    keys = await services.keyring.conversation(reader.tenant_id, conversation_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        await visible(connection, reader, conversation_id)
        rows = (await connection.execute(MESSAGES, {**_mine(reader), "id": conversation_id, **where})).all()
    return JSONResponse(page(rows, limit, lambda row: message_json(row, keys)))


@router.post(
    "/{conversation_id}/stop",
    **described(
        {"turn": 1},
        "not_found",
        "workflow_unavailable",
        status=202,
        body={},
        about="The turn that is stopped, if one is being answered",
    ),
)
async def stop_answer(
    conversation_id: UUID,
    services: State,
    customer: Annotated[Identity, Depends(caller("conversations.write"))],
    body: Nothing | None = None,
) -> Response:
    """Stops the answer that is being written. What was released stays. Without one, nothing happens."""
    async with services.database.tenant(customer.tenant_id) as connection:
        row = await visible(connection, customer, conversation_id)
    turn = row.completed_turn + 1
    if row.sealed_turn >= turn:
        # The flag stops the words at once; the signal makes it last.
        await services.frames.stop(customer.tenant_id, conversation_id, turn)
        await services.conversations.signal(customer.tenant_id, conversation_id, "stop", Stop(turn))
    return JSONResponse({"turn": turn if row.sealed_turn >= turn else None}, 202)


@router.post(
    "/{conversation_id}/escalate",
    **described(
        {"status": "requested"},
        "not_found",
        "conversation_closed",
        "workflow_unavailable",
        status=202,
        body={"reason": "I would like to talk to somebody"},
        about="A person is asked",
    ),
)
async def request_human(
    conversation_id: UUID,
    request: Request,
    services: State,
    asker: Annotated[Identity, Depends(caller("conversations.escalate"))],
    body: EscalationRequest | None = None,
) -> Response:
    """Asks for a person. The conversation's stream tells when the escalation is open."""
    async with services.database.tenant(asker.tenant_id) as connection:
        row = await visible(connection, asker, conversation_id)
    if row.status == "closed":
        raise Problem("conversation_closed")
    await services.conversations.request_human(
        asker.tenant_id, conversation_id, RequestHuman(resource_id(request), asker.id)
    )
    return JSONResponse({"status": "requested" if row.status == "active" else row.status}, 202)


@router.post(
    "/{conversation_id}/feedback",
    **described(
        {"id": ID, "rating": 5},
        "not_found",
        status=201,
        body={"rating": 5, "comment": "Quick and clear", "helpful": True},
        about="The feedback",
    ),
)
async def give_feedback(
    conversation_id: UUID,
    body: NewFeedback,
    request: Request,
    services: State,
    customer: Annotated[Identity, Depends(caller("conversations.write"))],
) -> Response:
    """A rating of the conversation, or of one of its messages."""
    keys = await services.keyring.customer(customer.tenant_id, customer.id)
    feedback_id = resource_id(request)
    comment = clean(body.comment) if body.comment else None
    async with services.database.tenant(customer.tenant_id) as connection:
        await visible(connection, customer, conversation_id)
        where = {"tenant_id": customer.tenant_id, "id": conversation_id}
        if body.message_id is not None:
            await _require_message(connection, conversation_id, customer.tenant_id, body.message_id)
        made = await connection.execute(
            insert(Feedback)
            .values(
                tenant_id=customer.tenant_id,
                id=feedback_id,
                conversation_id=conversation_id,
                message_id=body.message_id,
                rating=body.rating,
                helpful=body.helpful,
                comment_ct=keys.seal_text(comment, COMMENT, feedback_id) if comment else None,
            )
            # A try that died before it answered has made it already.
            .on_conflict_do_nothing()
        )
        if made.rowcount:
            await connection.execute(RATE, {**where, "rating": body.rating})
            await audit.record(
                connection,
                customer.tenant_id,
                "feedback.given",
                actor=("customer", customer.id),
                subject=("conversation", conversation_id),
                detail={"rating": body.rating, "message_id": str(body.message_id) if body.message_id else None},
            )
    return JSONResponse({"id": str(feedback_id), "rating": body.rating}, 201)


@router.post(
    "/{conversation_id}/close",
    **described(
        {**examples.CONVERSATION, "status": "closed", "closed_at": TIME},
        "not_found",
        body={},
        about="The closed conversation",
    ),
)
async def close_conversation(
    conversation_id: UUID,
    services: State,
    closer: Annotated[Identity, Depends(caller("conversations.close"))],
    body: Nothing | None = None,
) -> Response:
    """Closes the conversation: it takes no more messages. An answer that is being written is still delivered."""
    where = {"tenant_id": closer.tenant_id, "id": conversation_id}
    async with services.database.tenant(closer.tenant_id) as connection:
        await visible(connection, closer, conversation_id)
        if (await connection.execute(CLOSE, where)).rowcount:
            closed = Fact("conversation.closed", "closed", {"status": "closed"})
            seq = await facts.append(connection, closer.tenant_id, conversation_id, [closed])
            await audit.record(
                connection,
                closer.tenant_id,
                "conversation.closed",
                actor=(closer.kind, closer.id),
                subject=("conversation", conversation_id),
            )
        else:
            seq = None
        row = await visible(connection, closer, conversation_id)
    if seq is not None:
        await services.frames.announce(closer.tenant_id, conversation_id, seq)
        try:
            await tell_closed(services.database, services.conversations, closer.tenant_id, conversation_id)
        except (RPCError, OSError, RuntimeError) as error:
            # It is closed; only its workflow does not know yet, and the sweeper tells it.
            log.warning("close not signalled", error=type(error).__name__)
    return JSONResponse(conversation_json(row))


@router.get(
    "/{conversation_id}/provenance",
    **described(examples.PROVENANCE, "forbidden", "not_found", about="How each turn came about"),
)
async def read_provenance(
    conversation_id: UUID, services: State, reader: Annotated[Identity, Depends(caller("provenance.read"))]
) -> Response:
    """How each turn came about: model, prompt hash, passages with versions, verdicts, tokens, cost, time per stage; and
    what was done about answers whose ground was withdrawn since.
    """
    async with services.database.tenant(reader.tenant_id) as connection:
        await visible(connection, reader, conversation_id)
        return JSONResponse(await provenance_of(connection, reader.tenant_id, conversation_id))


async def visible(connection: AsyncConnection, reader: Identity, conversation_id: UUID) -> Any:
    """The conversation, if there is one for this caller. Raises `not_found`."""
    row = await _find(connection, reader, conversation_id)
    return row if row is not None else not_found()


async def _find(connection: AsyncConnection, reader: Identity, conversation_id: UUID) -> Any | None:
    return (await connection.execute(FIND, {**_mine(reader), "id": conversation_id})).one_or_none()


def _mine(reader: Identity) -> dict[str, Any]:
    return {"tenant_id": reader.tenant_id, "customer_id": reader.id if reader.kind == "customer" else None}


async def _open(
    connection: AsyncConnection, keys: Keys, customer: Identity, conversation_id: UUID, body: NewConversation
) -> None:
    whose = {"tenant_id": customer.tenant_id, "id": customer.id}
    if (await connection.execute(FROZEN, whose)).scalar_one_or_none() in (True, None):
        raise Problem("customer_erased")
    tenant = (await connection.execute(TENANT, {"id": customer.tenant_id})).one()
    settings = TenantSettings.of(tenant.settings)
    metadata = clean_map(body.metadata or {})
    common = {"tenant_id": customer.tenant_id, "id": conversation_id}
    await connection.execute(
        insert(Thread).values(
            **common,
            customer_id=customer.id,
            channel=clean(body.channel) if body.channel else None,
            locale=clean(body.locale) if body.locale else None,
            metadata_ct=keys.seal_json(metadata, METADATA, conversation_id) if metadata else None,
        )
    )
    language = settings.language_for(body.locale)
    message_id = new_id()
    disclosure = disclose(settings, language, tenant.name)
    await connection.execute(
        insert(Message).values(
            tenant_id=customer.tenant_id,
            id=message_id,
            conversation_id=conversation_id,
            turn=0,
            role="system",
            origin="notice:0:disclosure",
            content_ct=keys.seal_text(disclosure, "messages.content_ct", message_id),
            language=language,
        )
    )
    told = [
        Fact("message.delta", f"delta:{message_id}", {"turn": 0, "attempt": 1, "seq": 1}, message_id),
        Fact("message.completed", f"completed:{message_id}", {}, message_id),
    ]
    await facts.append(connection, customer.tenant_id, conversation_id, told)
    await audit.record(
        connection,
        customer.tenant_id,
        "conversation.created",
        actor=("customer", customer.id),
        subject=("conversation", conversation_id),
    )


def disclose(settings: TenantSettings, language: str, bank: str) -> str:
    """The notice that an AI answers: in the tenant's own words, where it has some."""
    own = settings.disclosure.get(language)
    return own.format(bank=bank) if own is not None else say("disclosure", language, bank=bank)


async def _require_message(
    connection: AsyncConnection, conversation_id: UUID, tenant_id: UUID, message_id: UUID
) -> None:
    found = await connection.execute(
        text("SELECT 1 FROM messages WHERE tenant_id = :tenant_id AND id = :id AND conversation_id = :conversation_id"),
        {"tenant_id": tenant_id, "id": message_id, "conversation_id": conversation_id},
    )
    if found.one_or_none() is None:
        not_found()
