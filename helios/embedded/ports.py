"""Which ports the servers listen on: the asked-for, else the last ones, else the usual ones, else free ones."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from dataclasses import asdict, dataclass

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.settings import Settings

LOOPBACK = "127.0.0.1"
QUIET = range(20000, 30000)
PATIENCE_S = 3.0
"""How long the ports of a stack that was killed may take to become free: its servers are just dying."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on the loopback address."""

    api: int
    postgres: int
    valkey: int
    temporal: int
    temporal_ui: int


USUAL = Ports(api=8000, postgres=5432, valkey=6379, temporal=7233, temporal_ui=8233)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    if sys.platform == "darwin":  # where a server on all addresses does not keep one of them from being taken
        with socket.socket() as caller:
            caller.settimeout(0.2)
            if caller.connect_ex((LOOPBACK, port)) == 0:
                return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


class Claims:
    """Ports that a stack has chosen: no other one chooses them until this is closed, or its process has ended.

    A server listens seconds after its port was chosen, the API last of all; a stack that starts meanwhile would find
    it free. A claim is a UDP socket of the same number: taking it is one step, and nothing here speaks UDP.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        for port in list(self._held):
            self._held.pop(port).close()

    def take(self, port: int) -> bool:
        """Whether the port is free, and now spoken for."""
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((LOOPBACK, port))
        except OSError:
            claim.close()
            return False
        if not is_free(port):
            claim.close()
            return False
        self._held[port] = claim
        return True


def _any_free(taken: set[int], claims: Claims) -> int:
    """A free port below those that the system gives to outgoing connections.

    Among those, a client that reconnects to a dead server can be given that very port and so keep it from coming back.
    """
    candidates = [port for port in QUIET if port not in taken]
    random.shuffle(candidates)
    for port in candidates:
        if claims.take(port):
            return port
    raise StackError(f"No free port between {QUIET.start} and {QUIET.stop - 1}: stop some programs and try again.")


def _wait_free(port: int, deadline: float, claims: Claims) -> bool:
    while not claims.take(port):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _remembered(home: Home) -> dict[str, int]:
    try:
        stored = json.loads(home.ports_file.read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in stored.items() if isinstance(port, int)} if isinstance(stored, dict) else {}


def asked_ports(settings: Settings) -> dict[str, int]:
    """The ports that the settings name, by the name of the server."""
    named = {name: getattr(settings, f"{name}_port") for name in USUAL.__dataclass_fields__}
    return {name: port for name, port in named.items() if port is not None}


def choose_ports(settings: Settings, home: Home, claims: Claims, *, unclean: bool) -> Ports:
    """Choose, claim and remember the ports. `unclean`: the last stack here was killed, so its ports may need a moment.

    Raises:
        StackError: a port that was asked for by name is busy, or asked for twice.
    """
    asked, last = asked_ports(settings), _remembered(home)
    deadline = time.monotonic() + (PATIENCE_S if unclean else 0.0)
    chosen: dict[str, int] = {}
    for name, port in asked.items():
        if port in chosen.values():
            raise StackError(f"Port {port} was asked for twice (HELIOS_{name.upper()}_PORT).")
        if not _wait_free(port, deadline, claims):
            raise StackError(
                f"Port {port} is busy, and HELIOS_{name.upper()}_PORT asks for it. "
                "Stop the program that uses it, choose another port, or unset the variable to get a free one."
            )
        chosen[name] = port
    for name, usual in asdict(USUAL).items():
        if name in chosen:
            continue
        taken = set(chosen.values())
        if name in last and last[name] not in taken and _wait_free(last[name], deadline, claims):
            chosen[name] = last[name]
        elif usual not in taken and claims.take(usual):
            chosen[name] = usual
        else:
            chosen[name] = _any_free(taken | set(asdict(USUAL).values()), claims)
    home.ports_file.write_text(json.dumps(chosen))
    return Ports(**chosen)
