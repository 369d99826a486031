"""Whose answers rest on a withdrawn version, in which way each conversation is followed up, and starting that.

A conversation is followed up once for a version. Which way is chosen when its turn comes: what counts is what holds
then, and the plan is what held when it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client

from helios import audit
from helios.audit import ActorType
from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.knowledge.lifecycle import VERSION
from helios.refusals import Refused
from helios.rules.policy import Policy, policy_of
from helios.rules.versions import POLICIES, published
from helios.settings import Settings
from helios.temporal import start_batch
from helios.tenant_settings import TenantSettings
from schema.follow_ups import FOLLOW_UP_WORKFLOW, FollowUpRef, follow_up_workflow_id
from schema.ingestion import VersionRef
from schema.tables import FollowUp

BY_PERSON: dict[str, str] = {
    "legal_hold": "a legal hold stands on the customer",
    "no_contact": "the customer is not to be contacted",
    "closed": "the conversation is closed",
    "policy": "the bank wants a person to do it",
    "not_passed": "the message did not pass the checks",
}
"""Why it is a person who takes a conversation up, the first that holds."""
NO_CONTACT_DUTY = "suppress_outbound"
"""Of a situation: from then on nothing is sent to that customer by itself (12 CFR 1006.6)."""

# Of an erased customer nothing can be told any more, and one whose erasure runs is not written to.
MEANT = """
    FROM threads AS thread JOIN customers AS customer
      ON customer.tenant_id = thread.tenant_id AND customer.id = thread.customer_id
    WHERE thread.tenant_id = :tenant_id AND thread.erased_at IS NULL AND customer.frozen_at IS NULL
"""
CITED = """
    AND thread.id IN (
        SELECT messages.conversation_id FROM citations
        JOIN messages ON messages.tenant_id = citations.tenant_id AND messages.id = citations.message_id
        WHERE citations.tenant_id = :tenant_id AND citations.source_id = :source_id AND citations.version = :version)
    AND NOT EXISTS (
        SELECT FROM follow_up_conversations AS known WHERE known.tenant_id = :tenant_id
          AND known.source_id = :source_id AND known.version = :version AND known.conversation_id = thread.id)
"""
BECAUSE = """
    CASE WHEN EXISTS (
        SELECT FROM legal_holds AS hold WHERE hold.tenant_id = thread.tenant_id
          AND hold.customer_id = thread.customer_id AND hold.status <> 'released') THEN 'legal_hold'
    WHEN EXISTS (
        SELECT FROM threads AS other
        JOIN turns ON turns.tenant_id = other.tenant_id AND turns.conversation_id = other.id
        CROSS JOIN jsonb_array_elements_text(turns.record -> 'situations') AS situation(number)
        WHERE other.tenant_id = thread.tenant_id AND other.customer_id = thread.customer_id
          AND CAST(situation.number AS int) = ANY(CAST(:no_contact AS int[]))) THEN 'no_contact'
    WHEN thread.status = 'closed' THEN 'closed'
    WHEN :by_person THEN 'policy' END
"""
COUNT = text(
    f"""
    WITH meant AS (SELECT thread.customer_id, coalesce({BECAUSE}, 'message') AS way {MEANT} {CITED})
    SELECT way, count(*) AS conversations, (SELECT count(DISTINCT customer_id) FROM meant) AS customers
    FROM meant GROUP BY way
    """  # noqa: S608 - constants of ours
)
LIST = text(
    f"""
    INSERT INTO follow_up_conversations (tenant_id, source_id, version, conversation_id, follow_up_id)
    SELECT :tenant_id, CAST(:source_id AS uuid), CAST(:version AS int), thread.id, CAST(:id AS uuid) {MEANT} {CITED}
    ON CONFLICT DO NOTHING
    """
)
WAY = text(f"SELECT {BECAUSE} AS because {MEANT} AND thread.id = :conversation_id")
SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")
RUNNING = "SELECT id FROM follow_ups WHERE tenant_id = $1 AND status = 'running' LIMIT 50"


@dataclass(frozen=True, slots=True)
class Plan:
    """`ways`: how many conversations get a message, and how many a person for each reason of `BY_PERSON`."""

    customers: int
    ways: dict[str, int]

    @property
    def conversations(self) -> int:
        return sum(self.ways.values())


async def plan(connection: AsyncConnection, ref: VersionRef) -> Plan:
    """Who would be followed up now. Raises `Refused`: there is no such version, or it was not withdrawn."""
    where = {"tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version}
    # Also of a source that was deleted meanwhile: its answers were given all the same.
    version = (await connection.execute(VERSION, where)).one_or_none()
    if version is None:
        raise Refused("not_found")
    if version.status != "withdrawn":
        raise Refused("version_conflict", f"The version is {version.status.replace('_', ' ')}: withdraw it first.")
    rows = (await connection.execute(COUNT, {**where, **await _rules(connection, ref.tenant_id)})).all()
    return Plan(rows[0].customers if rows else 0, {row.way: row.conversations for row in rows})


async def open_follow_up(
    connection: AsyncConnection, ref: FollowUpRef, version: VersionRef, actor: tuple[ActorType, UUID]
) -> None:
    """Stores whom it is for. The same id again changes nothing. Raises `Refused` as `plan` does."""
    planned = await plan(connection, version)
    where = {"tenant_id": ref.tenant_id, "source_id": version.source_id, "version": version.version}
    stored = {"customers": planned.customers, "planned": planned.ways, "requested_by": actor[1]}
    made = await connection.execute(
        insert(FollowUp).values(**where, id=ref.follow_up_id, **stored).on_conflict_do_nothing()
    )
    if not made.rowcount:
        return
    listed = await connection.execute(LIST, {**where, "id": ref.follow_up_id})
    await audit.record(
        connection, ref.tenant_id, "knowledge.follow_up_asked", actor=actor,
        subject=("knowledge_source", version.source_id),
        detail={"version": version.version, "follow_up_id": str(ref.follow_up_id), "conversations": listed.rowcount},
    )  # fmt: skip


async def because_of(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, policy: Policy, settings: TenantSettings
) -> tuple[bool, str | None]:
    """Whether the conversation may be followed up at all, and why a person takes it up: None where a message does."""
    where = {"tenant_id": tenant_id, "conversation_id": conversation_id, **_parameters(policy, settings)}
    row = (await connection.execute(WAY, where)).one_or_none()
    return row is not None, row.because if row is not None else None


async def start_follow_up(client: Client, settings: Settings, ref: FollowUpRef) -> None:
    summary = "Customers are told of a withdrawn version"
    name = follow_up_workflow_id(ref)
    await start_batch(client, settings, FOLLOW_UP_WORKFLOW, ref, id=name, tenant_id=ref.tenant_id, summary=summary)


async def start_follow_ups(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many follow-ups a workflow was asked for."""
    running = await ask_every_tenant(database, RUNNING)
    for found in running:
        await start_follow_up(client, settings, FollowUpRef(found.tenant_id, UUID(found.row["id"])))
    return len(running)


async def _rules(connection: AsyncConnection, tenant_id: UUID) -> dict[str, Any]:
    number = (await published(connection, POLICIES, tenant_id)).version
    settings = (await connection.execute(SETTINGS, {"tenant_id": tenant_id})).scalar_one()
    return _parameters(await policy_of(connection, tenant_id, number), TenantSettings.of(settings))


def _parameters(policy: Policy, settings: TenantSettings) -> dict[str, Any]:
    silent = [number for number, each in policy.situations.items() if NO_CONTACT_DUTY in each.person_duties]
    return {"no_contact": silent, "by_person": settings.corrections == "person"}
