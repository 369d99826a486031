"""What PostgreSQL's own catalogue says about walls, keys and roles: of every table, also of one that comes later."""

from __future__ import annotations

import asyncpg
import pytest

from helios.embedded.supervisor import Stack
from schema.tables import APPEND_ONLY, LOOKED_UP, OF_THE_PLATFORM, SQLModel

TABLES = sorted(SQLModel.metadata.tables)
OF_TENANTS = sorted(set(TABLES) - LOOKED_UP - OF_THE_PLATFORM)
COLUMNS = (
    "SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_constraint c "
    "CROSS JOIN LATERAL unnest(c.{keys}) WITH ORDINALITY AS k(num, n) "
    "JOIN pg_attribute a ON a.attnum = k.num AND a.attrelid = c.{table} WHERE c.oid = $1"
)
MINE = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"


async def test_the_models_know_every_table(admin: asyncpg.Connection) -> None:
    found = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert sorted(row[0] for row in found if row[0] != "alembic_version") == TABLES


async def test_every_table_with_a_tenant_has_walls(admin: asyncpg.Connection) -> None:
    found = await admin.fetch(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relkind IN ('r', 'p') AND relname <> 'alembic_version' AND relnamespace = 'public'::regnamespace"
    )
    walls = {row["relname"]: (row["relrowsecurity"], row["relforcerowsecurity"]) for row in found}
    assert set(walls) == set(TABLES)
    assert {name for name, wall in walls.items() if wall != (True, True)} == OF_THE_PLATFORM


@pytest.mark.parametrize(("table", "key"), [("tenants", "id"), ("api_key_index", "tenant_id")])
async def test_what_sign_in_looks_up_is_read_whole_outside_of_a_tenant_only(
    admin: asyncpg.Connection, table: str, key: str
) -> None:
    assert table in LOOKED_UP
    mine = MINE.replace("tenant_id = ", f"{key} = ", 1)
    found = await admin.fetch("SELECT * FROM pg_policies WHERE schemaname = 'public' AND tablename = $1", table)
    policies = {row["policyname"]: (row["cmd"], row["qual"], row["with_check"]) for row in found}
    assert policies == {
        "to_change": ("ALL", mine, mine),
        "to_look_up": ("SELECT", f"({MINE[13:-1]} IS NULL) OR {mine}".join("()"), None),
    }


PRIVILEGES = {
    "tenants": {"SELECT", "INSERT"},
    "tenant_settings": {"SELECT", "INSERT"},
    "tenant_keys": {"SELECT", "INSERT"},
    "api_key_index": {"SELECT", "INSERT", "DELETE"},
    "api_keys": {"SELECT", "INSERT", "UPDATE"},
    "users": {"SELECT", "INSERT", "UPDATE"},
    "audits": {"SELECT", "INSERT"},
    "customer_keys": {"SELECT", "INSERT"},
    "statutory_records": {"SELECT", "INSERT"},
    "scheduled_reports": {"SELECT", "INSERT"},
}
"""All that the application may do with what decides who gets in; sealing, rotating and migrating is the owner's."""


@pytest.mark.parametrize("table", PRIVILEGES)
async def test_the_application_may_do_no_more_than_it_needs(admin: asyncpg.Connection, table: str) -> None:
    granted = await admin.fetch(
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE table_name = $1 AND grantee IN ('helios_app', 'PUBLIC')",
        table,
    )
    assert {row[0] for row in granted} == PRIVILEGES[table]


async def test_a_tenants_id_and_short_name_stay(admin: asyncpg.Connection) -> None:
    changeable = await admin.fetch(
        "SELECT column_name FROM information_schema.column_privileges "
        "WHERE table_name = 'tenants' AND privilege_type = 'UPDATE' AND grantee = 'helios_app'"
    )
    columns = {row[0] for row in changeable}
    assert columns == {"name", "settings", "settings_version", "updated_at", "suspended_at", "deleted_at"}


@pytest.mark.parametrize("table", OF_TENANTS)
async def test_the_one_policy_reads_and_writes_the_own_tenant_only(admin: asyncpg.Connection, table: str) -> None:
    policies = await admin.fetch("SELECT * FROM pg_policies WHERE schemaname = 'public' AND tablename = $1", table)
    assert len(policies) == 1
    policy = policies[0]
    assert (policy["cmd"], policy["permissive"], policy["roles"]) == ("ALL", "PERMISSIVE", ["public"])
    assert policy["qual"] == policy["with_check"] == MINE


@pytest.mark.parametrize("table", OF_TENANTS)
async def test_keys_begin_with_the_tenant_and_cannot_cross(admin: asyncpg.Connection, table: str) -> None:
    keys = await admin.fetch(
        "SELECT oid, conname, contype::text, confrelid::regclass::text AS target FROM pg_constraint "
        "WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'f')",
        table,
    )
    assert sum(key["contype"] == "p" for key in keys) == 1
    for key in keys:
        own = await admin.fetchval(COLUMNS.format(keys="conkey", table="conrelid"), key["oid"])
        assert own[0] == "tenant_id", key
        if key["contype"] == "f":
            theirs = await admin.fetchval(COLUMNS.format(keys="confkey", table="confrelid"), key["oid"])
            assert theirs[0] == ("id" if key["target"] == "tenants" else "tenant_id"), key
            assert key["target"] == "tenants" or len(own) >= 2, key
    assert any(key["target"] == "tenants" for key in keys if key["contype"] == "f")


async def test_every_unique_index_begins_with_the_tenant(admin: asyncpg.Connection) -> None:
    """Else one tenant could tell from a refusal what another one has."""
    found = await admin.fetch(
        "SELECT c.relname AS table_name, i.relname AS index_name, a.attname FROM pg_index x "
        "JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0] "
        "WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace"
    )
    wrong = [row["index_name"] for row in found if row["table_name"] in OF_TENANTS and row["attname"] != "tenant_id"]
    assert wrong == []


async def test_the_application_owns_nothing_and_cannot_get_round(stack: Stack, admin: asyncpg.Connection) -> None:
    role = await admin.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'helios_app'")
    powers = ("rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
    assert {power for power in powers if role[power]} <= {"rolinherit"}
    assert await admin.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1", role["oid"]) == 0
    assert await admin.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = $1", role["oid"]) == 0
    owner = await admin.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'helios_owner'")
    assert tuple(owner) == (False, False)
    app = await asyncpg.connect(stack.servers.app_dsn)
    try:
        for statement in (
            "ALTER TABLE threads DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE threads NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY of_the_tenant ON threads",
            "CREATE POLICY all_of_them ON threads USING (true)",
            "CREATE TABLE mine (id int)",
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SET ROLE helios_owner",
            "SET SESSION AUTHORIZATION helios_owner",
            "ALTER TABLE audits DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "DROP TABLE feedback",
            "TRUNCATE messages",
            "COPY threads TO PROGRAM 'cat'",
            "DELETE FROM tenants",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
        await app.execute("SET row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.fetch("SELECT 1 FROM threads LIMIT 1")
    finally:
        await app.close()


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
async def test_audit_events_are_append_only(stack: Stack, admin: asyncpg.Connection, role: str, table: str) -> None:
    tenant = await admin.fetchval("SELECT tenant_id::text FROM audits LIMIT 1")
    connection = await asyncpg.connect(getattr(stack.servers, f"{role}_dsn"))
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant)
        # A block is there after 256 events only.
        await connection.execute("INSERT INTO audit_blocks VALUES ($1::text::uuid, 4294967296, '')", tenant)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") > 0
        for statement in (
            f"UPDATE {table} SET tenant_id = gen_random_uuid()",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE "
            "SET tenant_id = gen_random_uuid()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(statement)
    finally:
        await undone.rollback()
        await connection.close()


async def test_audit_triggers_fire_in_a_replica_session_too(admin: asyncpg.Connection) -> None:
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute("DELETE FROM audits")
    finally:
        await transaction.rollback()
