"""The compose file's jobs, run against real servers: each makes what it should, and a second time changes nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from temporalio.client import Client

from helios.embedded.home import Home
from helios.embedded.keeper import Keeper
from helios.embedded.keys import Keys, load_keys
from helios.embedded.ports import LOOPBACK, Claims, choose_ports
from helios.embedded.postgres import ADMIN, postgres_part, programs
from helios.embedded.servers import silent
from helios.embedded.supervisor import Stack
from helios.embedded.temporal import SEARCH_ATTRIBUTES, program
from helios.migrations import migrate
from helios.settings import PROJECT, Settings

OWNER, APP, TEMPORAL = "owner-1", "app'with a quote", "temporal-1"


@pytest.fixture
async def empty_postgres(tmp_path: Path) -> AsyncIterator[tuple[Keys, int]]:
    """A PostgreSQL as its image has it before the first start's scripts have run."""
    home, keeper = Home(tmp_path / "home"), Keeper(silent)
    home.prepare()
    with Claims() as claims:
        port = choose_ports(Settings(home=home.root), home, claims, unclean=False).postgres
    keys = load_keys(home, has_data=False)
    await keeper.start(postgres_part(home, keys, port))
    yield keys, port
    await keeper.stop("postgres", grace_s=10)


def run(script: Path, env: dict[str, str]) -> None:
    ran = subprocess.run(["sh", script], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


async def test_roles_databases_and_extensions_are_made(empty_postgres: tuple[Keys, int]) -> None:
    keys, port = empty_postgres
    env = {
        "PATH": f"{programs()}{os.pathsep}{os.defpath}",
        **{"PGHOST": LOOPBACK, "PGPORT": str(port), "PGPASSWORD": keys.postgres_admin, "POSTGRES_USER": ADMIN},
        **{"POSTGRES_OWNER_PASSWORD": OWNER, "POSTGRES_APP_PASSWORD": APP, "POSTGRES_TEMPORAL_PASSWORD": TEMPORAL},
    }
    run(PROJECT / "deploy" / "postgres" / "10-roles.sh", env)

    await migrate(f"postgresql://helios_owner:{OWNER}@{LOOPBACK}:{port}/helios")

    async def connect(user: str, password: str, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(host=LOOPBACK, port=port, user=user, password=password, database=database)

    app = await connect("helios_app", APP, "helios")
    assert await app.fetchval("SELECT count(*) FROM threads") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (id int)")
    await app.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connect("helios_app", APP, "temporal")
    for database in ("temporal", "temporal_visibility"):
        temporal = await connect("temporal", TEMPORAL, database)
        await temporal.execute("CREATE EXTENSION btree_gin")  # Temporal's schema makes it
        await temporal.close()


async def test_the_namespace_and_its_search_attributes_are_made(stack: Stack) -> None:
    namespace = "made-by-the-job"
    env = {
        "PATH": f"{program().parent}{os.pathsep}{os.defpath}",
        **{"TEMPORAL_ADDRESS": stack.servers.temporal_address, "TEMPORAL_NAMESPACE": namespace},
    }
    for _ in range(2):
        run(PROJECT / "deploy" / "temporal" / "namespace.sh", env)
    client = await Client.connect(stack.servers.temporal_address, namespace=namespace)
    # A query by them is refused as long as the server does not know them.
    query = " AND ".join(f"{name} = 'x'" for name in SEARCH_ATTRIBUTES)
    assert [each async for each in client.list_workflows(query)] == []
