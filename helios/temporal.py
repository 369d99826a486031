"""The Temporal client, and the few calls by which the outside speaks to a conversation's workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RetryConfig, RPCError

from helios.batch_priorities import batch_priority
from helios.codec import data_converter
from helios.keyring import Keyring
from helios.settings import Settings
from schema.steps import (
    CONVERSATION_WORKFLOW,
    ConversationState,
    Correction,
    PostMessage,
    RequestHuman,
    conversation_workflow_id,
)
from schema.visibility import STATUS, TENANT

CALL_TIMEOUT = timedelta(seconds=2)


async def connect(settings: Settings, keyring: Keyring, *, lazy: bool = False) -> Client:
    """`lazy`: does not wait for a server, so that a process can start before it."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=data_converter(keyring),
        retry_config=RetryConfig(max_elapsed_time_millis=1500),
        lazy=lazy,
    )


class Conversations:
    """Signals to conversations. Each starts the workflow where none runs, so an idle conversation wakes up."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self._settings = settings

    async def post_message(self, tenant_id: UUID, conversation_id: UUID, message: PostMessage) -> None:
        await self._signal_with_start(tenant_id, conversation_id, "post_message", message)

    async def request_human(self, tenant_id: UUID, conversation_id: UUID, request: RequestHuman) -> None:
        await self._signal_with_start(tenant_id, conversation_id, "request_human", request)

    async def correct(self, tenant_id: UUID, conversation_id: UUID, correction: Correction) -> None:
        await self._signal_with_start(tenant_id, conversation_id, "correct", correction)

    async def signal(self, tenant_id: UUID, conversation_id: UUID, name: str, *args: Any) -> bool:
        """A signal to a run that may have ended: False where there is none."""
        handle = self.client.get_workflow_handle(conversation_workflow_id(tenant_id, conversation_id))
        try:
            await handle.signal(name, args=args, rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if error.status.name == "NOT_FOUND":
                return False
            raise
        return True

    async def _signal_with_start(self, tenant_id: UUID, conversation_id: UUID, signal: str, argument: Any) -> None:
        await self.client.start_workflow(
            CONVERSATION_WORKFLOW,
            ConversationState(tenant_id, conversation_id, idle_s=self._settings.conversation_idle_s),
            id=conversation_workflow_id(tenant_id, conversation_id),
            task_queue=self._settings.temporal_task_queue,
            task_timeout=timedelta(seconds=self._settings.workflow_task_timeout_s),
            start_signal=signal,
            start_signal_args=[argument],
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(TENANT, str(tenant_id)), SearchAttributePair(STATUS, "active")]
            ),
            static_summary="A customer's conversation",
            # Where workers are behind, tenants take turns (matching.enableFairness); children inherit it.
            priority=Priority(fairness_key=str(tenant_id)),
            rpc_timeout=CALL_TIMEOUT,
        )


async def start_batch(
    client: Client, settings: Settings, workflow: str, argument: Any, *, id: str, tenant_id: UUID, summary: str
) -> None:
    """Starts work that nobody waits for on the line. Where it runs already, that run is enough."""
    await client.start_workflow(
        workflow,
        args=[] if argument is None else [argument],
        id=id,
        task_queue=settings.temporal_batch_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(tenant_id))]),
        static_summary=summary,
        priority=batch_priority(workflow, tenant_id),
        rpc_timeout=CALL_TIMEOUT,
    )
