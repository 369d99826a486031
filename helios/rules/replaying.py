"""Opens and starts replays of policies. A replay's row says that it runs, so a start that was lost is made up for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy

from helios import audit
from helios.audit import ActorType
from helios.database import Database
from helios.rules.versions import POLICIES, find, published
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.policy_replay import POLICY_REPLAY_WORKFLOW, ReplayRef, policy_replay_workflow_id
from schema.tables import PolicyReplay
from schema.visibility import TENANT

TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
COUNT = text(
    "SELECT count(*) FROM "
    "(SELECT FROM turns WHERE tenant_id = :tenant_id AND completed_at IS NOT NULL LIMIT :most) AS newest"
)
RUNNING = text("SELECT id FROM policy_replays WHERE tenant_id = :tenant_id AND status = 'running' LIMIT 50")


async def open_replay(
    connection: AsyncConnection, ref: ReplayRef, version: int, turns: int, actor: tuple[ActorType, UUID | None]
) -> None:
    """Stores that a replay runs: a version beside the one in force, over the newest turns. The same id again changes
    nothing. Raises `Refused` of code `not_found`.
    """
    await find(connection, POLICIES, ref.tenant_id, version)
    against = (await published(connection, POLICIES, ref.tenant_id)).version
    total = (await connection.execute(COUNT, {"tenant_id": ref.tenant_id, "most": turns})).scalar_one()
    stored = {"version": version, "against": against, "total": total, "created_by": actor[1]}
    made = await connection.execute(
        insert(PolicyReplay).values(tenant_id=ref.tenant_id, id=ref.replay_id, **stored).on_conflict_do_nothing()
    )
    if made.rowcount:
        await audit.record(
            connection,
            ref.tenant_id,
            "policy.replayed",
            actor=actor,
            subject=("policy_replay", ref.replay_id),
            detail={"version": version, "turns": total},
        )


async def start_replays(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many replays a workflow was asked for."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    started = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as connection:
            replays = list(await connection.scalars(RUNNING, {"tenant_id": tenant_id}))
        for replay_id in replays:
            await start_replay(client, settings, ReplayRef(tenant_id, replay_id))
        started += len(replays)
    return started


async def start_replay(client: Client, settings: Settings, ref: ReplayRef) -> None:
    await client.start_workflow(
        POLICY_REPLAY_WORKFLOW,
        ref,
        id=policy_replay_workflow_id(ref),
        task_queue=settings.temporal_batch_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(ref.tenant_id))]),
        static_summary="A draft of a policy against past turns",
        rpc_timeout=CALL_TIMEOUT,
    )
