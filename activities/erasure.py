"""Erasing a customer, step by step. The steps are transactions of their own, each with its audit event.

What stays: rows with numbers and ids, the figures, the audit log, and the statutory copies under the record key.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.erasing import erase_text
from activities.resources import Resources
from activities.statutory import PROFILE, conversation_document, keep_copy
from helios import audit, facts
from helios.audit_log.anchors import anchor_of
from helios.customer_keys import customer_keys, destroy
from helios.facts import Fact
from helios.privacy import holds, journal
from helios.privacy.journal import Asked
from helios.tenant_settings import TenantSettings
from schema.privacy import RequestRef
from schema.steps import conversation_workflow_id, escalation_workflow_id

CONVERSATIONS_A_STEP = 20
WORKFLOWS_A_QUERY = 50

REQUEST = text("SELECT * FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
CUSTOMER = text("SELECT * FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id FOR UPDATE")
SET_STATUS = text(
    "UPDATE privacy_requests SET status = :status, updated_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)
FREEZE = text("UPDATE customers SET frozen_at = now() WHERE tenant_id = :tenant_id AND id = :customer_id")
# Every writer of a conversation holds its row: whoever comes after this finds it closed and its turns ended.
OPEN_THREADS = text(
    "SELECT * FROM threads WHERE tenant_id = :tenant_id AND customer_id = :customer_id ORDER BY id FOR UPDATE"
)
END_TURNS = text(
    "UPDATE turns SET outcome = 'stopped', sealed_at = coalesce(sealed_at, now()), completed_at = now() "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND outcome IS NULL RETURNING number"
)
CLOSE = text(
    "UPDATE threads SET status = 'closed', closed_at = coalesce(closed_at, now()), sealed_turn = open_turn, "
    "completed_turn = open_turn, close_untold = false WHERE tenant_id = :tenant_id AND id = :conversation_id"
)
CLOSE_ESCALATIONS = text(
    "UPDATE escalations SET status = 'closed', closed_at = now() "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND closed_at IS NULL"
)
THREADS = text("SELECT id, open_turn FROM threads WHERE tenant_id = :tenant_id AND customer_id = :customer_id")
ESCALATIONS = text(
    "SELECT escalations.id FROM escalations JOIN threads ON threads.tenant_id = escalations.tenant_id "
    "AND threads.id = escalations.conversation_id "
    "WHERE escalations.tenant_id = :tenant_id AND threads.customer_id = :customer_id"
)
LEFT = text(
    "SELECT id FROM threads WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND erased_at IS NULL "
    "ORDER BY id"
)
THREAD = text("SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :conversation_id FOR UPDATE")
SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")
FORGET_CUSTOMER = text(
    "UPDATE customers SET external_id_index = :nobody, profile_ct = '', locale = NULL, audiences = '{}', "
    "deleted_at = now(), erased_at = now() WHERE tenant_id = :tenant_id AND id = :customer_id"
)
FORGET_EXPORTS = text(
    "UPDATE privacy_requests SET export_ct = NULL WHERE tenant_id = :tenant_id AND customer_id = :customer_id"
)
FORGET_ANSWERS = text("DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND actor_id = :customer_id")
FINISH = text(
    "UPDATE privacy_requests SET status = 'done', result = result || :result, completed_at = now(), updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND completed_at IS NULL"
).bindparams(bindparam("result", type_=JSONB))
COUNTS = text(
    """
    SELECT (SELECT count(*) FROM threads WHERE tenant_id = :tenant_id AND customer_id = :customer_id) AS conversations,
           (SELECT count(*) FROM statutory_records WHERE tenant_id = :tenant_id AND customer_id = :customer_id
            AND destroyed_at IS NULL) AS statutory_records
    """
)


async def freeze_customer(resources: Resources, ref: RequestRef) -> str:
    """From its commit on nothing new is taken: conversations are closed, what was being answered is stopped."""
    async with _request(resources, ref) as (connection, request, where):
        customer = (await connection.execute(CUSTOMER, where)).one()
        if customer.frozen_at is not None:
            return "frozen"
        if await holds.stands(connection, ref.tenant_id, request.customer_id):
            if request.status != "held":
                await connection.execute(SET_STATUS, {**where, "status": "held"})
                await _record(connection, ref, "privacy_request.held", ("privacy_request", ref.request_id))
            return "held"
        await connection.execute(FREEZE, where)
        await connection.execute(SET_STATUS, {**where, "status": "running"})
        threads = (await connection.execute(OPEN_THREADS, where)).all()
        told = [(thread.id, await _close(connection, ref, thread)) for thread in threads]
        await _record(connection, ref, "customer.frozen", ("customer", request.customer_id), conversations=len(threads))
    for conversation_id, seq in told:
        await resources.frames.announce(ref.tenant_id, conversation_id, seq)
    return "frozen"


async def end_conversations(resources: Resources, ref: RequestRef) -> None:
    conversations, workflows = await _what_there_is(resources, ref)
    for thread in conversations:
        await resources.frames.stop(ref.tenant_id, thread.id, thread.open_turn)
    client = activity.client()
    for workflow_id in workflows:
        with _unless_gone():
            await client.get_workflow_handle(workflow_id).terminate("erasure")


async def erase_conversations(resources: Resources, ref: RequestRef) -> int:
    async with _request(resources, ref) as (connection, request, where):
        left = list(await connection.scalars(LEFT, where))
    for conversation_id in left[:CONVERSATIONS_A_STEP]:
        await _erase_conversation(resources, ref, request.customer_id, conversation_id)
    return max(0, len(left) - CONVERSATIONS_A_STEP)


async def destroy_key(resources: Resources, ref: RequestRef) -> None:
    async with _request(resources, ref) as (connection, request, where):
        customer = (await connection.execute(CUSTOMER, where)).one()
        if customer.erased_at is not None:
            return
        if list(await connection.scalars(LEFT, where)):
            raise RuntimeError("there are conversations that were not copied")
        anchor = anchor_of(resources.settings)
        asked = Asked.of(ref.request_id, request)
        await journal.add(anchor, connection, resources.keyring.root, ref.tenant_id, request.customer_id, asked)
        key_id = await destroy(connection, ref.tenant_id, request.customer_id, "ops")
        await _record(connection, ref, "customer_key.destroyed", ("customer_key", key_id), kind="ops")
        # Nobody's index, as every customer must have one: the same external id is a new customer from here on.
        await connection.execute(FORGET_CUSTOMER, {**where, "nobody": os.urandom(32)})
        await connection.execute(FORGET_ANSWERS, where)
        await connection.execute(FORGET_EXPORTS, where)
        await _record(connection, ref, "customer.erased", ("customer", request.customer_id))
    resources.keyring.forget(ref.tenant_id, request.customer_id)


async def forget_histories(resources: Resources, ref: RequestRef) -> int:
    """Nobody can read them any more; they go all the same, with their search attributes."""
    conversations, workflows = await _what_there_is(resources, ref)
    await resources.frames.forget(ref.tenant_id, [thread.id for thread in conversations])
    client, listed = activity.client(), 0
    for first in range(0, len(workflows), WORKFLOWS_A_QUERY):
        listed += await _delete_histories(client, workflows[first : first + WORKFLOWS_A_QUERY])
    return listed


async def finish_erasure(resources: Resources, ref: RequestRef) -> None:
    async with _request(resources, ref) as (connection, _, where):
        result = dict((await connection.execute(COUNTS, where)).one()._mapping)
        if (await connection.execute(FINISH, {**where, "result": result})).rowcount:
            await _record(connection, ref, "privacy_request.done", ("privacy_request", ref.request_id), **result)


async def _close(connection: AsyncConnection, ref: RequestRef, thread: Any) -> int:
    """Closes one conversation; what it still had to say is said as stopped."""
    where = {"tenant_id": ref.tenant_id, "conversation_id": thread.id}
    stopped = sorted(await connection.scalars(END_TURNS, where))
    await connection.execute(CLOSE_ESCALATIONS, where)
    await connection.execute(CLOSE, where)
    told = [Fact("turn.completed", f"turn:{turn}", {"turn": turn, "outcome": "stopped"}) for turn in stopped]
    if thread.status != "closed":
        told.append(Fact("conversation.closed", "closed", {"status": "closed"}))
    return await facts.append(connection, ref.tenant_id, thread.id, told) if told else thread.last_seq


async def _erase_conversation(resources: Resources, ref: RequestRef, customer_id: UUID, conversation_id: UUID) -> None:
    tenant = await resources.keyring.reload(ref.tenant_id)
    where = {"tenant_id": ref.tenant_id, "customer_id": customer_id, "conversation_id": conversation_id}
    async with resources.database.tenant(ref.tenant_id) as connection:
        thread = (await connection.execute(THREAD, where)).one()
        if thread.erased_at is not None:
            return
        ops = await customer_keys(connection, tenant, customer_id)
        record = await customer_keys(connection, tenant, customer_id, "record")
        customer = (await connection.execute(CUSTOMER, where)).one()
        settings = TenantSettings.of((await connection.execute(SETTINGS, where)).scalar_one())
        if not ops.destroyed:  # a restore may bring text back whose key is gone
            document = await conversation_document(connection, ops, thread)
            document["customer"] = ops.open_json(customer.profile_ct, PROFILE, customer_id)
            await keep_copy(connection, record, thread, document, settings.retention)
        await erase_text(connection, where)
        await _record(connection, ref, "conversation.erased", ("conversation", conversation_id))


async def _delete_histories(client: Client, workflows: Sequence[str]) -> int:
    """Our ids have no quote in them: they are made of UUIDs."""
    listed = 0
    wanted = ", ".join(f"'{each}'" for each in workflows)
    async for run in client.list_workflows(f"WorkflowId IN ({wanted})"):
        listed += 1
        execution = WorkflowExecution(workflow_id=run.id, run_id=run.run_id)
        with _unless_gone():
            await client.workflow_service.delete_workflow_execution(
                DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
            )
    return listed


async def _what_there_is(resources: Resources, ref: RequestRef) -> tuple[Sequence[Any], list[str]]:
    """The customer's conversations, and the ids of their workflows and of their escalations'."""
    async with _request(resources, ref) as (connection, _, where):
        threads = (await connection.execute(THREADS, where)).all()
        escalations = list(await connection.scalars(ESCALATIONS, where))
    workflows = [conversation_workflow_id(ref.tenant_id, thread.id) for thread in threads]
    return threads, workflows + [escalation_workflow_id(ref.tenant_id, each) for each in escalations]


@asynccontextmanager
async def _request(resources: Resources, ref: RequestRef) -> AsyncIterator[tuple[AsyncConnection, Any, dict[str, Any]]]:
    """A transaction that holds the request's row: (connection, request, parameters that name it and its customer)."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        where = {"tenant_id": ref.tenant_id, "id": ref.request_id}
        request = (await connection.execute(REQUEST, where)).one()
        yield connection, request, {**where, "customer_id": request.customer_id}


@contextmanager
def _unless_gone() -> Iterator[None]:
    """What has gone already need not be ended or deleted."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _record(
    connection: AsyncConnection, ref: RequestRef, action: str, subject: tuple[str, UUID | None], **detail: Any
) -> None:
    told = {**detail, "request_id": str(ref.request_id)}
    await audit.record(connection, ref.tenant_id, action, actor=("system", None), subject=subject, detail=told)
