"""Nothing that a workflow changes goes without an event: each step that a worker knows is run, and its event is read.

A step that nobody has decided about here fails the first test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from activities import (
    access,
    clocks,
    escalation,
    evaluation,
    ingestion,
    intent_training,
    policy_replay,
    reporting,
    retention,
    signatures,
    steps,
)
from activities.resources import Resources
from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.evaluations.runs import open_run
from helios.evaluations.tested import Draft
from helios.ids import new_id
from helios.intents.document import INTENTS, IntentDocument
from helios.keyring import Keyring
from helios.knowledge import pages
from helios.models.language import LanguageIdentifier
from helios.outbound import Outbound
from helios.rules.replaying import open_replay
from helios.rules.versions import DraftRef, add_draft
from helios.settings import PROJECT, Settings
from schema.clocks import Ring, TicketRef
from schema.evaluations import EvaluationRef
from schema.ingestion import Publish, VersionRef
from schema.intents import FailTraining, IntentsRef
from schema.policy_replay import ReplayRef
from schema.privacy import RequestRef, TenantRef
from schema.steps import ApplyDeadline, EscalationRef
from tests.api.test_events import BY_STEPS
from tests.caller import Api
from tests.guards.test_outbound import PUBLIC, Internet, Names, Site, ok
from tests.knowledge_editing import SOURCES, decide, ingested, submit
from tests.making import added_suite
from tests.neighbour import Neighbour, make_neighbour
from tests.privacy.test_erasure import REQUESTS, erase, until
from tests.reports.keeping import kept_report

LEAVES = {
    "look_at_ticket": "ticket.clock_started",
    "ring": "ticket.clock_warned",
    "apply_deadline": "escalation.warning",
    "replay_batch": "policy.replay_done",
    "fail_replay": "policy.replay_failed",
    "fail_evaluation": "evaluation.failed",
    "fail_training": "intents.failed",
    "fail_version": "knowledge.failed",
    "publish_version": "knowledge.published",
    "sync_next_page": "knowledge.pages_listed",
    "freeze_customer": "customer.frozen",
    "erase_conversations": "conversation.erased",
    "destroy_key": "customer.erased",
    "finish_erasure": "privacy_request.done",
    "expire_export": "privacy_export.expired",
    "make_next_report": "report.made",
    "delete_what_is_due": "report.destroyed",
}
"""The event of a step that is run here; those of `BY_STEPS` are run by the walk over the API."""
PART_OF = {
    "collect_questions": "knowledge_gap.found",
    "understand": "turn.completed",
    "generate": "turn.completed",
    "encode_examples": "intents.trained",
    "parse_version": "knowledge.ingested",
    "embed_chunks": "knowledge.ingested",
    "embed_more": "embedder.switched",
    "remove_old_vectors": "embedder.switched",
    "end_conversations": "customer.erased",
    "forget_histories": "privacy_request.done",
}
"""What begins something whose end is the event: nobody acts on the half of it."""
NOTHING = {"load_escalation"}
"""What only reads."""

MARK = "__temporal_activity_definition"
"""What `activity.defn` leaves on a function."""
ROLES = ("admin", "supervisor", "agent", "knowledge_editor", "knowledge_approver", "compliance_officer")
CHARGE = "There is a charge of 240 dollars on my card that I did not make."
COUNT = "SELECT count(*) FROM audits WHERE tenant_id = $1 AND action = $2"
OLDER = "UPDATE tenants SET created_at = now() - interval '70 days' WHERE id = $1"


def test_every_step_is_decided_about() -> None:
    groups = [each for each in vars(signatures).values() if isinstance(each, type)]
    known = {step for group in groups for step in getattr(group, "__abstractmethods__", ())}
    assert known == LEAVES.keys() | set(BY_STEPS.values()) | PART_OF.keys() | NOTHING
    assert set(PART_OF.values()) <= {*LEAVES.values(), *BY_STEPS}


def test_what_workers_run_is_what_the_walk_knows() -> None:
    """A step that a worker got in another way would change things unseen."""
    groups = [each for each in vars(steps).values() if isinstance(each, type)]
    run = {name for group in groups for name, step in vars(group).items() if hasattr(step, MARK)}
    assert run == LEAVES.keys() | set(BY_STEPS.values()) | PART_OF.keys() | NOTHING
    declared = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("activities", "helios", "schema", "workflows", ".")
        for path in (PROJECT / folder).glob("*.py" if folder == "." else "**/*.py")
        if "activity.defn" in path.read_text(encoding="utf-8")
    }
    assert declared == {"activities/signatures.py", "activities/steps.py"}


@dataclass(frozen=True, slots=True)
class Bank:
    tenant: Neighbour
    api: Api
    resources: Resources
    log: asyncpg.Connection

    @property
    def id(self) -> UUID:
        return self.tenant.tenant_id

    async def count(self, event: str) -> int:
        return int(await self.log.fetchval(COUNT, self.id, event))

    async def leaves(self, step: str, run: Awaitable[Any]) -> None:
        """Runs the step itself, whose event must come of it."""
        before = await self.count(LEAVES[step])
        await run
        assert await self.count(LEAVES[step]) == before + 1, step


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Bank]:
    """With a website on the internet of the test. Nothing here encodes or generates."""
    listed = ok(b"<urlset><url><loc>http://www.example/a</loc></url></urlset>", "Content-Type: text/xml")
    server = await asyncio.start_server(Site({"/s.xml": listed}).serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    valkey, log = frames.connect(stack.servers.redis_url), await asyncpg.connect(stack.servers.admin_dsn)
    opened = SimpleNamespace(
        settings=Settings(), database=database, keyring=keyring, frames=frames.Frames(valkey),
        languages=LanguageIdentifier.load(),
        outbound=Outbound(resolve=Names({"www.example": [[PUBLIC]]}), dial=Internet({PUBLIC: port})),
    )  # fmt: skip
    tenant = await make_neighbour(database, keyring.root, ROLES)
    async with tenant.api(stack.servers.api_url) as api:
        yield Bank(tenant, api, cast(Resources, opened), log)
    server.close()
    await log.close()
    await valkey.aclose()


async def test_every_step_leaves_its_event(bank: Bank, keyring: Keyring) -> None:
    version = await submit(bank.api, "The fee is 5 euros.")
    broken = {"file": ("fees.pdf", b"%PDF-1.7 and no more", "application/pdf")}
    editor = await bank.api.staff("knowledge_editor")
    assert (await bank.api.http.post(SOURCES, files=broken, headers=editor)).status_code == 202
    await _deadlines(bank)
    await _replays(bank)
    await _intents(bank)
    await _evaluations(bank)
    await _privacy(bank)
    await _knowledge(bank, await ingested(bank.api, version))
    await _kept(bank, keyring)
    silent = list(LEAVES)
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            while silent := [step for step, event in LEAVES.items() if not await bank.count(event)]:
                await asyncio.sleep(0.1)
    assert silent == []


async def _deadlines(bank: Bank) -> None:
    customer = await (await bank.api.customer()).open()
    assert (await customer.say(CHARGE)).json()["outcome"] == "escalated"
    found = EscalationRef(bank.id, UUID((await customer.get()).json()["escalation_id"]))
    opened = await escalation.load_escalation(bank.resources, found)
    work = ApplyDeadline(found, opened.deadlines[0])
    await bank.leaves("apply_deadline", escalation.apply_deadline(bank.resources, work))
    ticket = await bank.log.fetchval("SELECT id FROM tickets WHERE tenant_id = $1", bank.id)
    ref = TicketRef(bank.id, UUID(str(ticket)))
    ticking = await clocks.look_at_ticket(bank.resources, ref)
    await bank.leaves("ring", clocks.ring(bank.resources, Ring(ref, ticking.alarms[0])))


async def _replays(bank: Bank) -> None:
    """One that a worker does, and one that it was told to give up."""
    officer = await bank.api.staff("compliance_officer")
    asked = await bank.api.http.post("/v1/policies/replay", json={"version": 1, "turns": 1}, headers=officer)
    assert asked.status_code == 202, asked.text
    ref = ReplayRef(bank.id, new_id())
    async with bank.resources.database.tenant(bank.id) as connection:
        await open_replay(connection, ref, 1, 1, ("system", None))
    await bank.leaves("fail_replay", policy_replay.fail_replay(bank.resources, ref))


async def _intents(bank: Bank) -> None:
    """A version whose training was given up."""
    draft = DraftRef(bank.id, new_id(), bank.tenant.users["admin"])
    async with bank.resources.database.tenant(bank.id) as connection:
        version = await add_draft(connection, INTENTS, draft, IntentDocument(), None)
    work = FailTraining(IntentsRef(bank.id, version), "internal")
    await bank.leaves("fail_training", intent_training.fail_training(bank.resources, work))


async def _evaluations(bank: Bank) -> None:
    """A run that was given up, before a worker looks for it."""
    suite = await added_suite(bank.api, await bank.api.staff("admin"))
    ref = EvaluationRef(bank.id, new_id())
    async with bank.resources.database.tenant(bank.id) as connection:
        await open_run(connection, ref, UUID(suite), Draft(), ("system", None))
    await bank.leaves("fail_evaluation", evaluation.fail_evaluation(bank.resources, ref))


async def _privacy(bank: Bank) -> None:
    """An erasure by the workers, whose steps have an event each; an archive, and its end."""
    await erase(bank.api, (await (await bank.api.customer()).open()).id)
    customer, officer = await bank.api.customer(), await bank.api.staff("compliance_officer")
    body = {"kind": "access", "customer_id": customer.id, "verification": {"method": "document"}}
    asked = (await bank.api.http.post(REQUESTS, json=body, headers=officer)).json()["id"]
    await until(bank.api, asked, "done")
    await bank.leaves("expire_export", access.expire_export(bank.resources, RequestRef(bank.id, UUID(asked))))


async def _knowledge(bank: Bank, version: dict[str, Any]) -> None:
    """A version that is approved for tomorrow, and a sitemap that lists a page."""
    at = datetime.now(UTC) + timedelta(days=1)
    approved = await decide(bank.api, version, "approve", publish_at=at.isoformat())
    assert approved.status_code == 200, approved.text
    ref = VersionRef(bank.id, UUID(version["source_id"]), version["version"])
    await bank.leaves("publish_version", ingestion.publish_version(bank.resources, Publish(ref, at)))
    async with bank.resources.database.tenant(bank.id) as connection:
        await pages.add(connection, bank.id, "sitemap", "http://www.example/s.xml", bank.tenant.users["admin"])
    await bank.leaves("sync_next_page", ingestion.sync_next_page(bank.resources, TenantRef(bank.id)))


async def _kept(bank: Bank, keyring: Keyring) -> None:
    """A report of last month, and one of long ago."""
    await bank.log.execute(OLDER, bank.id)
    await bank.leaves("make_next_report", reporting.make_next_report(bank.resources, TenantRef(bank.id)))
    await kept_report(bank.resources.database, keyring.root, bank.id, "2020-01")
    await bank.leaves("delete_what_is_due", retention.delete_what_is_due(bank.resources, TenantRef(bank.id)))
