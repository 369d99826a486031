"""Callers of every kind, and a count of what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.analytics.gaps import bare_gap
from tests.api.operations import Operation
from tests.api.problems import Rows
from tests.caller import Api, Customer
from tests.knowledge_editing import ingested, submit
from tests.making import (
    added_suite,
    cleaned_change,
    created,
    done_evaluation,
    done_replay,
    drafted,
    looked_at_sitemap,
    privacy_things,
    running_ticket,
)
from tests.neighbour import Neighbour, make_neighbour
from tests.reports.keeping import kept_report


@pytest.fixture(scope="session")
async def rows(stack: Stack) -> AsyncIterator[Rows]:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield Rows(connection)
    await connection.close()


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Api]:
    """A tenant of its own for each test: locks and sessions are nobody else's business."""
    made = await make_neighbour(database, keyring.root)
    async with made.api(stack.servers.api_url) as api:
        yield api


@pytest.fixture(scope="session")
async def valkey(stack: Stack) -> AsyncIterator[Redis]:
    connection = frames.connect(stack.servers.redis_url)
    yield connection
    await connection.aclose()


@pytest.fixture(scope="session")
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection: it reads all tenants, and turns clocks back."""
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


@dataclass(frozen=True, slots=True)
class Things:
    """What a tenant has, by the name that paths give its id."""

    customer: Customer
    supervisor: dict[str, str]
    """Headers of a supervisor of the same tenant (of its admin, where it has none)."""
    admin: dict[str, str]
    auditor: dict[str, str]
    """Of an auditor (of the admin, where the tenant has none)."""
    compliance: dict[str, str]
    """Of a compliance officer, likewise."""
    operator: dict[str, str]
    """Headers of a platform admin, of another tenant."""
    ids: dict[str, str]

    def callers(self) -> tuple[dict[str, str], ...]:
        """Credentials of everybody who may do something, the least powerful first."""
        key = {"X-API-Key": str(self.customer.api.demo["api_key"])}
        return (self.customer.headers, self.supervisor, self.admin, self.auditor, self.compliance, self.operator, key)


async def make_things(api: Api, operator: Api, kept: str, gap: str, drafts: int = 1) -> Things:
    """One of each thing that a path can name, all at rest. Of rules that many drafts: their versions are numbers.

    `kept`: the id of a report that a schedule made; `gap`: of a knowledge gap.
    """
    customer = await (await api.customer()).open()
    answer = await customer.say("I want to talk to a human being, please.")
    assert answer.json()["outcome"] == "escalated", answer.text
    escalation_id = (await customer.get()).json()["escalation_id"]
    admin = await api.staff("admin")
    supervisor = await api.staff("supervisor") if "supervisor" in api.demo["users"] else admin
    me = (await api.http.get("/v1/auth/me", headers=supervisor)).json()
    sessions = (await api.http.get("/v1/auth/sessions", headers=supervisor)).json()["items"]
    events = (await api.http.get("/v1/audit/events", params={"limit": 1}, headers=admin)).json()["items"]
    article = await submit(api, "The account has no monthly fee.", by="admin")
    assert (await ingested(api, article, by="admin"))["status"] == "pending_review"
    ids = {
        "source_id": article["source_id"],
        "number": str(article["version"]),
        "version": await drafted(api, admin, drafts),
        "report": "complaints",
        "scheduled_report_id": kept,
        "gap_id": gap,
        "ticket_id": await running_ticket(api, admin),
        "suite_id": await added_suite(api, admin),
        "evaluation_id": await done_evaluation(api, admin),
        "replay_id": await done_replay(api, admin),
        "sitemap_id": await looked_at_sitemap(api, admin),
        "change_id": await cleaned_change(api, admin),
        "session_id": sessions[0]["id"],
        "event_id": events[0]["id"],
        "conversation_id": customer.conversation,
        "escalation_id": escalation_id,
        "tenant_id": me["tenant_id"],
        "tenant": str(api.demo["tenant"]),
        "user_id": me["id"],
        "api_key_id": await created(api, admin, "/v1/api-keys", {"name": "mine", "scopes": ["customer_tokens"]}),
        **await privacy_things(api, admin),
        "invitation_id": await created(api, admin, "/v1/users", {"email": f"{uuid4()}@x.example", "roles": ["agent"]}),
    }
    auditor = await api.staff("auditor") if "auditor" in api.demo["users"] else admin
    compliance = await api.staff("compliance_officer") if "compliance_officer" in api.demo["users"] else admin
    return Things(customer, supervisor, admin, auditor, compliance, await operator.staff("platform_admin"), ids)


async def who_may(things: Things, operation: Operation, **request: Any) -> dict[str, str]:
    """The credentials of somebody who may do this. `request` is one that is wrong in itself: rights are asked first."""
    for headers in things.callers():
        with_own = {**headers, **request.get("headers", {})}
        answer = await things.customer.api.http.request(
            operation.method, operation.fill(things.ids), **{**request, "headers": with_own}
        )
        if answer.status_code not in (401, 403):
            return headers
    raise AssertionError(f"nobody may {operation}")


@pytest.fixture(scope="session")
async def mine(api: Api, operator: Api, database: Database, keyring: Keyring, tenant_id: UUID) -> Things:
    kept, gap = await kept_report(database, keyring.root, tenant_id), await bare_gap(database, tenant_id)
    return await make_things(api, operator, kept, gap)


@pytest.fixture(scope="session")
async def theirs(next_door: Api, operator: Api, database: Database, keyring: Keyring, neighbour: Neighbour) -> Things:
    """With versions of rules whose numbers `mine` does not have."""
    kept = await kept_report(database, keyring.root, neighbour.tenant_id)
    gap = await bare_gap(database, neighbour.tenant_id)
    return await make_things(next_door, operator, kept, gap, drafts=9)


@pytest.fixture(scope="session")
async def stranger(api: Api) -> Customer:
    """Another customer of the same tenant, who has nothing."""
    return await api.customer()


@pytest.fixture
async def nothing_stored(rows: Rows, mine: Things, theirs: Things, stranger: Customer) -> AsyncIterator[None]:
    """Fails the test that leaves, or takes away, a row in any table. Whatever it needs is made before."""
    before = await rows.count()
    yield
    assert await rows.count() == before
