"""The three servers as one: what they are, and that nothing is lost when they stop or are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from pathlib import Path
from socket import socket

import asyncpg
import psutil
import pytest
import redis.asyncio as redis
from temporalio.client import Client

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Keeper
from helios.embedded.keys import load_keys
from helios.embedded.postgres import postgres_part
from helios.embedded.probes import http_answers, valkey_answers
from helios.embedded.servers import Servers, embedded_servers, silent
from helios.settings import Settings
from tests.embedded.processes import lives


async def _write_everywhere(servers: Servers, word: str) -> None:
    database = await asyncpg.connect(servers.owner_dsn)
    await database.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    await database.execute("INSERT INTO kept VALUES ($1)", word)
    await database.close()
    async with redis.from_url(servers.redis_url) as cache:
        await cache.set(word, "kept")
    client = await Client.connect(servers.temporal_address)
    await client.start_workflow("Nobody", id=word, task_queue="nobody")


async def _assert_kept(servers: Servers, word: str) -> None:
    database = await asyncpg.connect(servers.owner_dsn)
    assert await database.fetchval("SELECT count(*) FROM kept WHERE word = $1", word) == 1
    await database.close()
    async with redis.from_url(servers.redis_url) as cache:
        assert await cache.get(word) == b"kept"
    client = await Client.connect(servers.temporal_address)
    assert (await client.get_workflow_handle(word).describe()).id == word


async def test_a_restart_keeps_data_and_ports(settings: Settings) -> None:
    async with embedded_servers(settings) as first:
        await _write_everywhere(first, "before")
        ports, pids, env = first.ports, list(first.pids.values()), first.env()
    assert not any(map(lives, pids))
    async with embedded_servers(settings) as second:
        await _assert_kept(second, "before")
        assert (second.ports, second.env()) == (ports, env)


@pytest.mark.parametrize("name", ["postgres", "valkey", "temporal"])
async def test_a_killed_server_comes_back_on_its_port_with_its_data(servers: Servers, name: str) -> None:
    word = f"before-{name}"
    await _write_everywhere(servers, word)
    killed = servers.pids[name]
    os.kill(killed, signal.SIGKILL)
    assert await servers.keeper.wait_ready(name, other_than=killed) != killed
    await _assert_kept(servers, word)


async def test_the_database_is_walled_and_durable(servers: Servers) -> None:
    owner = await asyncpg.connect(servers.owner_dsn)
    app = await asyncpg.connect(servers.app_dsn)
    extensions = {row["extname"] for row in await owner.fetch("SELECT extname FROM pg_extension")}
    assert {"vector", "pg_trgm", "unaccent"} <= extensions
    roles = await owner.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'helios%' AND (rolsuper OR rolbypassrls)"
    )
    assert [row["rolname"] for row in roles] == ["helios_admin"]
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await owner.fetchval(f"SHOW {setting}") == "on", setting
    assert await owner.fetchval("SHOW listen_addresses") == "127.0.0.1"
    assert (await owner.fetchval("SHOW server_version")).startswith("18.")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (n int)")
    await owner.close()
    await app.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.app_dsn.replace(servers.keys.postgres_app, "wrong"))


async def test_the_cache_asks_for_its_password_and_writes_each_change_down(servers: Servers) -> None:
    assert not await valkey_answers(servers.ports.valkey, "wrong")
    assert await valkey_answers(servers.ports.valkey, servers.keys.valkey)
    async with redis.from_url(servers.redis_url) as cache:
        assert await cache.config_get("appendonly") == {"appendonly": "yes"}


async def test_temporal_knows_our_search_attributes_and_has_its_ui(servers: Servers) -> None:
    client = await Client.connect(servers.temporal_address)
    listed = [w async for w in client.list_workflows("HeliosTenant = 'x' AND HeliosEscalation = 'y'")]
    assert listed == []
    assert await http_answers(servers.temporal_ui_url)


async def test_secrets_are_private_and_in_no_command_line(servers: Servers) -> None:
    files = list(servers.home.keys.iterdir())
    assert len(files) == 6
    for file in (*files, servers.home.valkey / "valkey.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    secrets = [file.read_text() for file in files]
    shown = [" ".join(psutil.Process(pid).cmdline()) for pid in servers.pids.values()]
    logs = [file.read_text(errors="replace") for file in servers.home.logs.iterdir()]
    for text in (*shown, *logs, repr(servers)):
        assert not any(secret in text for secret in secrets)


async def test_two_stacks_cannot_share_a_home(servers: Servers) -> None:
    with pytest.raises(StackError, match=rf"already running in .* \(process {os.getpid()}\)"):
        async with embedded_servers(Settings(home=servers.home.root)):
            pass
    assert all(map(lives, servers.pids.values()))


async def test_a_second_stack_finds_other_ports(servers: Servers, settings: Settings) -> None:
    async with embedded_servers(settings) as other:
        assert not set(vars_of(other)) & set(vars_of(servers))
        await _write_everywhere(other, "elsewhere")


def vars_of(servers: Servers) -> tuple[int, ...]:
    ports = servers.ports
    return (ports.postgres, ports.valkey, ports.temporal, ports.temporal_ui)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
async def test_root_in_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with embedded_servers(Settings(home=closed / "home")) as servers:
        assert psutil.Process(servers.pids["postgres"]).uids().effective != 0 or _sees_itself_as_another(servers)
        await _write_everywhere(servers, "inside")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    closed.chmod(0o755)  # and opened later, the same data is found
    async with embedded_servers(Settings(home=closed / "home")) as servers:
        await _assert_kept(servers, "inside")


def _sees_itself_as_another(servers: Servers) -> bool:
    mapping = Path(f"/proc/{servers.pids['postgres']}/uid_map").read_text().split()
    return mapping[0] != "0"


async def test_a_pid_file_that_names_a_stranger_is_put_aside(settings: Settings) -> None:
    home = Home(settings.home)
    home.prepare()
    keys = load_keys(home, has_data=False)
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keeper = Keeper(silent)
    part = postgres_part(home, keys, port)
    pid_file = home.postgres / "data" / "postmaster.pid"
    # A process of PostgreSQL's own account: that of another one it would take for stale by itself.
    stranger = await asyncio.create_subprocess_exec("sleep", "600", user=home.postgres.stat().st_uid)
    try:
        pid_file.write_text(f"{stranger.pid}\n{pid_file.parent}\n")
        await keeper.start(part)
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()
    assert int(pid_file.read_text().splitlines()[0]) == keeper.pids["postgres"]
    await keeper.stop("postgres", grace_s=5)


async def test_a_start_that_fails_says_what_and_leaves_nothing(settings: Settings) -> None:
    home = Home(settings.home)
    home.prepare()
    broken = home.valkey / "appendonlydir" / "appendonly.aof.manifest"
    broken.parent.mkdir()
    broken.write_text("not a manifest\n")
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(StackError) as failure:
        async with embedded_servers(settings):
            pass
    assert str(failure.value).startswith("Valkey ended with exit code 1.\nThe end of ")
    assert "valkey.log" in str(failure.value)
    assert "AOF manifest" in str(failure.value)
    assert {child.pid for child in psutil.Process().children()} <= before


def test_data_without_its_keys_is_said_and_no_new_key_is_made(settings: Settings) -> None:
    home = Home(settings.home)
    home.prepare()
    kept = load_keys(home, has_data=False)
    assert load_keys(home, has_data=True) == kept
    key = home.keys / "root_key"
    key.unlink()
    with pytest.raises(StackError, match=r"root_key is missing, but .* holds data that needs it"):
        load_keys(home, has_data=True)
    assert not key.exists()
