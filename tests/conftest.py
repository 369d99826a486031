"""The real stack, started once for the whole run: PostgreSQL, Valkey, Temporal, the API and two workers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer

from helios.commands.up import start_application
from helios.database import Database
from helios.embedded import ports
from helios.embedded.supervisor import Stack, running_stack
from helios.embedders.config import EmbedderConfig
from helios.keyring import Keyring, root_key
from helios.loading import loading
from helios.settings import Settings
from tests.caller import Api
from tests.embedders.embedding_server import EmbeddingServer, embedding_server
from tests.embedders.onnx_folder import make_folder
from tests.filled_home import copy_home, filled_home
from tests.neighbour import Neighbour, make_neighbour
from tests.side_by_side import SideBySide


def pytest_configure() -> None:
    """Runs side by side begin with different ports: both would find the usual ones free in the same moment."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    usual = {name: port + 10 * beside for name, port in asdict(ports.USUAL).items()}
    ports.USUAL = ports.Ports(**usual)
    # One authority, whose key is gone: nothing outside is spoken to, and reading all of them takes each client 40 ms.
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is read and collected stays to the end: looking through it for garbage took a fifth of the collection."""
    with loading():
        return (yield)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    return SideBySide(config, log)


@pytest.fixture(scope="session")
def lab() -> Iterator[EmbeddingServer]:
    """The server of the embedders `lab` and `lab-two`, which no tenant uses that was not told to."""
    with embedding_server() as running:
        yield running


@pytest.fixture(scope="session")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data that each stack begins with: copy it with `copy_home`."""
    own = tmp_path_factory.getbasetemp()
    return await filled_home(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory, lab: EmbeddingServer, filled: Path) -> AsyncIterator[Stack]:
    """The running stack with the demo bank in it. Workflow code runs in Temporal's sandbox here.

    Limits are counted, and out of reach: all tests come from one address.
    """
    here = {"base_url": lab.base_url, "api_key": "sk-LAB"}
    embedders = (
        EmbedderConfig.model_validate({"name": "lab", "model": "words", "dimension": 256, **here}),
        EmbedderConfig.model_validate({"name": "lab-two", "model": "words", "dimension": 512, **here}),
        EmbedderConfig(name="folder", folder=make_folder(tmp_path_factory.mktemp("folder"))),
    )
    home = tmp_path_factory.mktemp("stack") / "home"
    copy_home(filled, home)
    config = Settings(home=home, llm=("offline",), workflow_sandbox=True, rate_limits=1_000, access_log_window_s=0.5,
                      sso_loopback=True, embedders=embedders, embedder_keep_s=5.0)  # fmt: skip
    async with running_stack(config) as running:
        await start_application(running, config, lambda _title, _state: None)
        yield running


@pytest.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[Api]:
    """A client of the public API."""
    async with Api(stack.servers.api_url, stack.description()["demo"]) as client:
        yield client


@pytest.fixture(scope="session")
async def database(stack: Stack) -> AsyncIterator[Database]:
    """The application role's database."""
    opened = Database(stack.servers.app_dsn, pool_size=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def keyring(stack: Stack, database: Database) -> Keyring:
    return Keyring(root_key(stack.servers.keys.root_key), database)


@pytest.fixture(scope="session")
async def tenant_id(database: Database) -> Any:
    """The demo bank's id."""
    from sqlalchemy import text

    async with database.platform() as connection:
        return (await connection.execute(text("SELECT id FROM tenants WHERE slug = 'meridian'"))).scalar_one()


@pytest.fixture(scope="session")
async def neighbour(database: Database, keyring: Keyring) -> Neighbour:
    """A second tenant on the same stack."""
    return await make_neighbour(database, keyring.root)


@pytest.fixture(scope="session")
async def operator(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Api]:
    """A client with the platform admin of a tenant of its own."""
    made = await make_neighbour(database, keyring.root, ("admin", "platform_admin"))
    async with made.api(stack.servers.api_url) as client:
        yield client


@pytest.fixture(scope="session")
async def next_door(stack: Stack, neighbour: Neighbour) -> AsyncIterator[Api]:
    """A client of the public API with the second tenant's key and staff."""
    async with neighbour.api(stack.servers.api_url) as client:
        yield client
