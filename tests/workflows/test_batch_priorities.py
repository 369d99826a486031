"""What waits on the batch queue, on the real server: rights go first, and no tenant waits for another one's pile."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from helios.embedded.supervisor import Stack
from helios.privacy.starting import start
from helios.rules.replaying import start_replay
from helios.settings import Settings
from schema.policy_replay import ReplayBatch, Replayed, ReplayRef
from schema.privacy import RequestRef
from tests.workflows.conftest import sandboxed
from workflows.erasure import ErasureWorkflow
from workflows.policy_replay import PolicyReplayWorkflow

PILE = 8
NOISY, QUIET = (UUID(f"01900000-0000-7000-8000-0000000000{n}") for n in ("f1", "f2"))


async def until_all_wait(client: Client, queue: str, count: int) -> None:
    """Until so many workflows wait for an activity."""
    async with asyncio.timeout(30):
        while True:
            running = [each async for each in client.list_workflows(f"TaskQueue = '{queue}'")]
            told = [await client.get_workflow_handle(each.id).describe() for each in running]
            if sum(len(each.raw_description.pending_activities) for each in told) == count:
                return
            await asyncio.sleep(0.05)


async def test_a_right_goes_first_and_tenants_take_turns(stack: Stack) -> None:
    client = await Client.connect(stack.servers.temporal_address)
    config = Settings(temporal_batch_queue=f"batch-{uuid4()}")
    begun: list[str] = []

    @activity.defn
    async def replay_batch(batch: ReplayBatch) -> Replayed:
        begun.append("noisy" if batch.ref.tenant_id == NOISY else "quiet")
        return Replayed(1, 1, None)

    @activity.defn
    async def freeze_customer(ref: RequestRef) -> str:
        begun.append("erasure")
        raise ApplicationError("That is all that is asked here.", category=ApplicationErrorCategory.BENIGN)

    for tenant_id in (*[NOISY] * PILE, QUIET):
        await start_replay(client, config, ReplayRef(tenant_id, uuid4()))
    erasure = RequestRef(NOISY, uuid4())
    await start(client, config, erasure, "erasure")
    workflows = [PolicyReplayWorkflow, ErasureWorkflow]
    async with sandboxed(client, config.temporal_batch_queue, workflows, []):
        await until_all_wait(client, config.temporal_batch_queue, PILE + 2)
    async with (
        asyncio.timeout(30),
        sandboxed(client, config.temporal_batch_queue, workflows, [replay_batch, freeze_customer],
                  max_concurrent_activities=1),
    ):  # fmt: skip
        while len(begun) < PILE + 2:
            await asyncio.sleep(0.02)
    assert begun[0] == "erasure", begun
    assert begun.index("quiet") <= 3
