"""The three servers together: `async with embedded_servers(settings) as servers`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Keeper, Report, together
from helios.embedded.keys import Keys, load_keys, root_key_file
from helios.embedded.ports import LOOPBACK, Claims, Ports, asked_ports, choose_ports, is_free
from helios.embedded.postgres import create_database, has_data, postgres_part, roles
from helios.embedded.temporal import NAMESPACE, temporal_part
from helios.embedded.valkey import redis_url, valkey_part
from helios.settings import Settings

NAMES = ("postgres", "valkey", "temporal")
STOP_GRACE_S = 10.0
CODEC_PATH = "/codec"
"""Where the API decrypts payloads for Temporal's UI."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the running servers are. Addresses hold passwords: they never go to a log."""

    home: Home
    ports: Ports
    keeper: Keeper = field(repr=False)
    admin_dsn: str = field(repr=False)
    """The superuser's address: to make further databases in tests. No application process gets it."""
    owner_dsn: str = field(repr=False)
    app_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    temporal_address: str
    temporal_namespace: str
    temporal_ui_url: str
    api_url: str
    """Where the API will listen: the servers don't run it, but its port is chosen with theirs."""
    codec_url: str
    keys: Keys = field(repr=False)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name: postgres, valkey, temporal (and what else the keeper runs). True at this moment."""
        return self.keeper.pids

    def env(self) -> dict[str, str]:
        """The settings that application processes need, as environment variables."""
        return {
            "HELIOS_HOME": str(self.home.root),
            "HELIOS_POSTGRES_DSN": self.app_dsn,
            "HELIOS_POSTGRES_OWNER_DSN": self.owner_dsn,
            "HELIOS_REDIS_URL": self.redis_url,
            "HELIOS_TEMPORAL_ADDRESS": self.temporal_address,
            "HELIOS_TEMPORAL_NAMESPACE": self.temporal_namespace,
            "HELIOS_TEMPORAL_UI_URL": self.temporal_ui_url,
            "HELIOS_ROOT_KEY": self.keys.root_key,
            # Goes before the one above, which a rotation makes old.
            "HELIOS_ROOT_KEY_FILE": str(root_key_file(self.home)),
            "HELIOS_TOKEN_KEY": self.keys.token_key,
        }


def silent(_title: str, _state: str) -> None:
    """A report that nobody reads."""


@asynccontextmanager
async def embedded_servers(settings: Settings, *, report: Report = silent) -> AsyncIterator[Servers]:
    """Run PostgreSQL, Valkey and Temporal with their data under `settings.home`; stop them at the end.

    A server that dies is started again on its port. Call this in the main thread: on Linux the servers die with the
    thread that started them.

    Raises:
        StackError: something is in the way; the message says what, and ends with the server's last lines.
    """
    home = Home(settings.home.expanduser().absolute())
    home.prepare()
    with home.locked() as unclean, Claims() as claims:
        keeper = Keeper(report)
        try:
            yield await _start(settings, home, keeper, claims, unclean=unclean)
        finally:
            if keeper.pids:
                report("Servers", "stopping")
            await _stop_all(keeper)


async def _start(settings: Settings, home: Home, keeper: Keeper, claims: Claims, *, unclean: bool) -> Servers:
    keys = load_keys(home, has_data=has_data(home))
    tries = 3
    while True:
        ports = choose_ports(settings, home, claims, unclean=unclean)
        api_url = f"http://{LOOPBACK}:{ports.api}"
        codec_url = f"{api_url}{CODEC_PATH}"
        try:
            await _start_all(home, keys, ports, keeper, codec_url)
            break
        except StackError:
            await _stop_all(keeper)
            claims.drop()
            tries -= 1
            if not tries or not _port_was_taken(settings, ports):
                raise
    addresses = roles(keys, ports.postgres)
    return Servers(
        home=home,
        ports=ports,
        keeper=keeper,
        admin_dsn=addresses.admin,
        owner_dsn=addresses.owner,
        app_dsn=addresses.app,
        redis_url=redis_url(keys, ports.valkey),
        temporal_address=f"{LOOPBACK}:{ports.temporal}",
        temporal_namespace=NAMESPACE,
        temporal_ui_url=f"http://{LOOPBACK}:{ports.temporal_ui}",
        api_url=api_url,
        codec_url=codec_url,
        keys=keys,
    )


async def _start_all(home: Home, keys: Keys, ports: Ports, keeper: Keeper, codec_url: str) -> None:
    async def postgres() -> None:
        await keeper.start(postgres_part(home, keys, ports.postgres))
        await create_database(keys, ports.postgres)

    async with together() as group:
        group.create_task(keeper.start(temporal_part(home, ports.temporal, ports.temporal_ui, codec_url)))
        group.create_task(keeper.start(valkey_part(home, keys, ports.valkey)))
        group.create_task(postgres())


async def _stop_all(keeper: Keeper) -> None:
    """What stands on the servers stops before them. They do not stand on each other."""
    await keeper.stop(*(name for name in keeper.pids if name not in NAMES), grace_s=STOP_GRACE_S)
    await keeper.stop(*NAMES, grace_s=STOP_GRACE_S)


def _port_was_taken(settings: Settings, ports: Ports) -> bool:
    """Whether another program took one of the ports that we found free, between our look and the server's start."""
    asked = asked_ports(settings)
    return any(name not in asked and not is_free(port) for name, port in asdict(ports).items())
