"""Opens and starts replays of policies. A replay's row says that it runs, so a start that was lost is made up for."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client

from helios import audit
from helios.audit import ActorType
from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.rules.versions import POLICIES, find, published
from helios.settings import Settings
from helios.temporal import start_batch
from schema.policy_replay import POLICY_REPLAY_WORKFLOW, ReplayRef, policy_replay_workflow_id
from schema.tables import PolicyReplay

COUNT = text(
    "SELECT count(*) FROM "
    "(SELECT FROM turns WHERE tenant_id = :tenant_id AND completed_at IS NOT NULL LIMIT :most) AS newest"
)
RUNNING = "SELECT id FROM policy_replays WHERE tenant_id = $1 AND status = 'running' LIMIT 50"


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
    running = await ask_every_tenant(database, RUNNING)
    for found in running:
        await start_replay(client, settings, ReplayRef(found.tenant_id, UUID(found.row["id"])))
    return len(running)


async def start_replay(client: Client, settings: Settings, ref: ReplayRef) -> None:
    summary = "A draft of a policy against past turns"
    name = policy_replay_workflow_id(ref)
    await start_batch(client, settings, POLICY_REPLAY_WORKFLOW, ref, id=name, tenant_id=ref.tenant_id, summary=summary)
