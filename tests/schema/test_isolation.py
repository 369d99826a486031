"""A tenant's rows do not exist for another: in every table, by the application's role."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from helios import invitations
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.identity import resets, second_factor
from helios.ids import new_id
from helios.keyring import Keyring
from schema.tables import LOOKED_UP, OF_THE_PLATFORM, SQLModel
from tests.caller import Api
from tests.neighbour import Neighbour
from tests.privacy.test_erasure import erase
from tests.reports.keeping import kept_report
from tests.schema.interleaving import interleave

OF_TENANTS = sorted(set(SQLModel.metadata.tables) - LOOKED_UP - OF_THE_PLATFORM)
HARD_TO_COME_BY = (
    "INSERT INTO outbox (tenant_id, id, kind, payload_ct, due_at, expires_at) "
    "VALUES (:tenant_id, :id, 'mail', '', now() + interval '1 day', now() + interval '2 days')",
    "INSERT INTO sso_secrets (tenant_id, issuer, client_id, secret_ct) "
    "VALUES (:tenant_id, 'https://login.bank.example', 'helios', '') ON CONFLICT DO NOTHING",
    "INSERT INTO sso_identities (tenant_id, id, user_id, subject_index) VALUES (:tenant_id, :id, :user_id, 'index')",
    "INSERT INTO ticket_events (tenant_id, id, ticket_id, type) "
    "SELECT tenant_id, :id, id, 'clock_warned' FROM tickets WHERE tenant_id = :tenant_id LIMIT 1",
    "WITH replay AS (INSERT INTO policy_replays (tenant_id, id, version, against, status, total, finished_at) "
    "VALUES (:tenant_id, :id, 1, 1, 'done', 1, now()) RETURNING tenant_id, id) "
    "INSERT INTO policy_replay_changes (tenant_id, replay_id, conversation_id, turn, reason) "
    "SELECT tenant_id, id, id, 1, 'changed' FROM replay",
    "WITH suite AS (INSERT INTO evaluation_suites (tenant_id, id, name, version, digest, cases) "
    "VALUES (:tenant_id, :id, 'fees', 1, '', 1) RETURNING tenant_id, id), run AS ("
    "INSERT INTO evaluations (tenant_id, id, suite_id, status, published_digest, draft_digest, total) "
    "SELECT tenant_id, id, id, 'done', '', '', 1 FROM suite RETURNING tenant_id, id) "
    "INSERT INTO evaluation_results (tenant_id, evaluation_id, number, side, passed, outcome) "
    "SELECT tenant_id, id, 0, 'published', true, 'answered' FROM run",
    "INSERT INTO intent_chunks (tenant_id, version, number, examples_ct) VALUES (:tenant_id, 1, 0, '')",
    "INSERT INTO intent_models (tenant_id, version, embedder, weights) VALUES (:tenant_id, 1, 'none', '')",
    "WITH gap AS (INSERT INTO knowledge_gaps (tenant_id, id) VALUES (:tenant_id, :id) RETURNING tenant_id, id) "
    "INSERT INTO gap_questions (tenant_id, conversation_id, turn, gap_id, cause, language, question_ct, vector_ct, "
    "embedder) SELECT tenant_id, threads.id, 99, gap.id, 'declined', 'en', '', '', '' FROM gap "
    "JOIN threads USING (tenant_id) LIMIT 1",
    "INSERT INTO cached_answers (tenant_id, conversation_id, turn, key, question_ct, vector_ct) "
    "SELECT tenant_id, conversation_id, number, '', '', '' FROM turns WHERE tenant_id = :tenant_id LIMIT 1 "
    "ON CONFLICT DO NOTHING",
    "WITH asked AS (INSERT INTO follow_ups (tenant_id, id, source_id, version, requested_by, status) "
    "SELECT tenant_id, :id, source_id, version, :user_id, 'done' FROM knowledge_versions "
    "WHERE tenant_id = :tenant_id LIMIT 1 RETURNING tenant_id, id, source_id, version) "
    "INSERT INTO follow_up_conversations (tenant_id, source_id, version, conversation_id, follow_up_id, status) "
    "SELECT tenant_id, source_id, version, threads.id, asked.id, 'told' FROM asked JOIN threads USING (tenant_id) "
    "LIMIT 1",
    "INSERT INTO chunk_vectors (tenant_id, space, chunk_id, dimension, embedding) SELECT tenant_id, 'lab:0', id, 256, "
    "array_fill(1, ARRAY[256])::real[]::vector::halfvec FROM chunks WHERE tenant_id = :tenant_id LIMIT 1",
    "INSERT INTO embedder_changes (tenant_id, id, embedder, space, status, requested_by, cleaned_at) "
    "VALUES (:tenant_id, :id, 'lab', 'lab:0', 'replaced', :user_id, now())",
    "INSERT INTO knowledge_pages (tenant_id, id, kind, url, registered_by, next_check_at) "
    "VALUES (:tenant_id, :id, 'page', 'https://bank.example/hours', :user_id, now() + interval '1 day')",
)
"""Of what takes a provider, a mail server, a page or days to come about."""
GENERATED = {("chunks", "words")}


@pytest.fixture(scope="module")
async def lived_in(api: Api, database: Database, keyring: Keyring, tenant_id: UUID) -> None:
    """Both a conversation and what hangs on it, so that there is something to see."""
    asker = await (await api.customer()).open()
    assert (await asker.say("What does a replacement card cost?")).json()["outcome"] == "answered"
    customer = await (await api.customer()).open()
    assert (await customer.say("There is a debit on my account that I did not authorise.")).status_code == 200
    await customer.post("feedback", {"rating": 4})
    await customer.post("close", None, **{"Idempotency-Key": "a-key"})
    await api.staff("agent")
    await erase(api, (await (await api.customer()).open()).id)
    hold = {"customer_id": customer.id, "matter": "A case"}
    await api.http.post("/v1/privacy/legal-holds", json=hold, headers=await api.staff("compliance_officer"))
    keys = await keyring.tenant(tenant_id)
    await kept_report(database, keyring.root, tenant_id, "2021")
    async with database.tenant(tenant_id) as connection:
        await invitations.create(connection, keys, email="a@bank.example", roles=["agent"], actor=("system", None))
        user = (await connection.execute(text("SELECT id FROM users LIMIT 1"))).scalar_one()
        await resets.create(connection, tenant_id, user)
        await second_factor.begin(connection, keys, user)
        for statement in HARD_TO_COME_BY:
            values = {"tenant_id": tenant_id, "id": new_id(), "user_id": user}
            await connection.execute(
                text(statement), {name: values[name] for name in values if f":{name}" in statement}
            )


@pytest.fixture
async def app(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.servers.app_dsn)
    yield connection
    await connection.close()


async def test_there_is_something_to_see(admin: asyncpg.Connection, tenant_id: UUID, lived_in: None) -> None:
    empty = {
        table
        for table in OF_TENANTS
        if not await admin.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id)
    }
    assert empty <= {"decisions", "audit_blocks"}  # a block is of more events than these


@pytest.mark.parametrize("setting", ["theirs", "unset", "empty", "after a commit"])
async def test_a_tenant_sees_no_row_of_another(
    app: asyncpg.Connection, tenant_id: UUID, neighbour: Neighbour, lived_in: None, setting: str
) -> None:
    if setting == "theirs":
        await app.execute("SELECT set_config('app.tenant_id', $1, false)", str(neighbour.tenant_id))
    elif setting == "empty":
        await app.execute("SET app.tenant_id = ''")
    elif setting == "after a commit":
        async with app.transaction():
            await app.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))
            assert await app.fetchval("SELECT count(*) FROM threads") > 0
    for table in OF_TENANTS:
        seen = {row[0] for row in await app.fetch(f"SELECT DISTINCT tenant_id FROM {table}")}
        assert seen <= ({neighbour.tenant_id} if setting == "theirs" else set()), table
        assert await app.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id) == 0, table


@pytest.mark.parametrize("table", OF_TENANTS)
async def test_a_tenant_cannot_write_into_another(
    app: asyncpg.Connection,
    admin: asyncpg.Connection,
    tenant_id: UUID,
    neighbour: Neighbour,
    lived_in: None,
    table: str,
) -> None:
    """Neither a new row of the other's, nor one of its own moved over, nor a change or removal of the other's."""
    # What is there stays. The log of who got in may grow meanwhile.
    rows = f"SELECT array_agg(md5(t::text)) FROM {table} t WHERE tenant_id = $1"
    before = set(await admin.fetchval(rows, tenant_id) or ())
    await app.execute("SELECT set_config('app.tenant_id', $1, false)", str(neighbour.tenant_id))
    row = await admin.fetchval(f"SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = $1 LIMIT 1", tenant_id)
    if row is not None:
        columns = ", ".join(name for name in json.loads(row) if (table, name) not in GENERATED)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await app.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)", row
            )
    for statement in (
        f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = $1",
        f"DELETE FROM {table} WHERE tenant_id = $1",
    ):
        with suppress(asyncpg.InsufficientPrivilegeError):
            assert (await app.execute(statement, tenant_id)).rsplit(" ", 1)[1] == "0"
    with suppress(asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError):
        moved = await app.execute(f"UPDATE {table} SET tenant_id = $1", tenant_id)
        assert moved == "UPDATE 0", "a row was moved to the other tenant"
    assert before <= set(await admin.fetchval(rows, tenant_id) or ())


async def test_a_thousand_interleaved_transactions_never_see_the_other_tenant(
    stack: Stack, tenant_id: UUID, neighbour: Neighbour, lived_in: None
) -> None:
    """Two connections, two tenants, cancels at random: the tenant must not stay behind on a connection."""
    database = Database(stack.servers.app_dsn, pool_size=2, max_overflow=0, pool_timeout_s=120)
    try:
        await interleave(database, tenant_id, neighbour.tenant_id, transactions=1_000)
    finally:
        await database.close()
