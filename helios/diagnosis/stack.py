"""Checks of one stack: its folder, its ports, its processes, and whether each part answers."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helios.crypto import CryptoError
from helios.diagnosis.finding import Finding
from helios.diagnosis.machine import existing
from helios.embedded.home import Home
from helios.embedded.ports import USUAL, asked_ports, is_free
from helios.embedded.probes import http_answers, postgres_answers, valkey_answers
from helios.embedded.process import is_alive
from helios.settings import Settings

READY_WITHIN_S = 5.0


def holder(home: Home) -> int | None:
    """The process id of the stack that runs in this home; 0 if it is not known, None if there is none."""
    try:
        descriptor = os.open(home.lock_file, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        words = os.read(descriptor, 32).split()
        return int(words[0]) if words else 0
    finally:
        os.close(descriptor)
    return None


def folder(home: Home) -> Finding:
    """The home can be written, by this account."""
    place = existing(home.root)
    in_the_way = next((path for path in (home.root, *home.root.parents) if _is_there(path) and not path.is_dir()), None)
    if in_the_way is not None:
        what = f"{in_the_way} is a file, where a folder is needed."
        return Finding("home", "wrong", what, "Set HELIOS_HOME to a folder of your own.")
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(
            "home",
            "wrong",
            f"{place} is not writable for this account.",
            "Run as its owner, or set HELIOS_HOME to a folder of your own.",
        )
    foreign = [path for path in (home.keys, home.temporal, home.valkey) if path.exists() and not _own(path)]
    if foreign:
        what = f"{foreign[0]} belongs to another account (the stack ran as somebody else, perhaps as root)."
        return Finding(
            "home", "wrong", what, f"Run as that account, or give it to yourself: chown -R $USER {home.root}"
        )
    return Finding("home", "ok", f"{home.root} " + ("is writable." if home.root.exists() else "will be made."))


def _is_there(path: Path) -> bool:
    """Also where it may not be looked into: what cannot be seen is not in the way."""
    try:
        return path.exists()
    except OSError:
        return False


def _own(path: Path) -> bool:
    return os.geteuid() == 0 or path.stat().st_uid == os.geteuid()


def key_service(settings: Settings) -> Iterator[Finding]:
    """Where the root key is kept: does it open, and is its rotation over?"""
    from helios.embedded.keys import root_key_file
    from helios.kms import KmsError, kept_roots, root_of

    if not settings.root_key_file and not settings.root_key.get_secret_value():
        file = root_key_file(Home(settings.home.expanduser().absolute()))
        if not _is_there(file):
            return
        settings = settings.model_copy(update={"root_key_file": file})
    try:
        root_of(settings)
        keys = len(kept_roots(settings))
    except (KmsError, CryptoError) as error:
        yield Finding("root key", "wrong", "The root key cannot be opened.", str(error))
        return
    if keys > 1:
        unfinished = "Its rotation is not over: the older key opens still."
        yield Finding("root key", "wrong", unfinished, "Go on with it: python -m helios keys rotate --root")
    else:
        yield Finding("root key", "ok", "It opens.")


def ports(settings: Settings) -> Iterator[Finding]:
    """Before a start: are the ports free that are asked for, or usual?"""
    asked = asked_ports(settings)
    busy_usual = []
    for name in USUAL.__dataclass_fields__:
        port = asked.get(name, getattr(USUAL, name))
        if is_free(port):
            continue
        if name in asked:
            fix = f"Stop the program that uses it, or choose another port (HELIOS_{name.upper()}_PORT)."
            yield Finding("ports", "wrong", f"Port {port}, asked for by HELIOS_{name.upper()}_PORT, is busy.", fix)
        else:
            busy_usual.append(f"{port} ({name.replace('_', ' ')})")
    if busy_usual:
        yield Finding("ports", "note", f"Busy: {', '.join(busy_usual)}. Free ports are taken instead.")
    else:
        yield Finding("ports", "ok", "All usual ports are free." if not asked else "No other port is busy.")


def leftovers(home: Home) -> Iterator[Finding]:
    """With no stack running: what a killed one left behind. All of it is put right by the next start."""
    if home.stack_file.exists():
        alive = [pid for pid in _pids(_read(home.stack_file)) if is_alive(pid)]
        yield Finding(
            "leftovers",
            "note",
            "stack.json is there, but no stack runs: it was killed."
            + (f" Processes with its ids live: {alive}." if alive else ""),
            "Nothing to do: the next `make up` carries on with the same data.",
        )
    pid_file = home.postgres / "data" / "postmaster.pid"
    if os.access(home.postgres, os.X_OK) and pid_file.exists():
        yield Finding(
            "leftovers",
            "note",
            "PostgreSQL was killed: its postmaster.pid is still there.",
            "Nothing to do: the next start removes it and recovers the data.",
        )


def running(home: Home, pid: int) -> Iterator[Finding]:
    """With a stack running: its processes live, and each part answers."""
    yield Finding("stack", "ok", f"A stack runs in {home.root} (process {pid or 'unknown'}).")
    stack = _read(home.stack_file)
    if not stack:
        yield Finding(
            "stack", "note", "It has no stack.json yet: it is starting or stopping.", "Try again in a moment."
        )
        return
    dead = [number for number in _pids(stack) if not is_alive(number)]
    if dead:
        fix = f"Try again in a moment: what dies is started again. If it stays, see the logs in {home.logs}."
        yield Finding("stack", "wrong", f"stack.json names processes that are gone: {dead}.", fix)
    for title, answers, log in asyncio.run(_ask(stack)):
        if answers:
            yield Finding("stack", "ok", f"{title} answers.")
        else:
            yield Finding("stack", "wrong", f"{title} does not answer.", f"See the end of {home.logs / log}.")
    yield _readiness(home, stack["api_url"])


def _readiness(home: Home, api_url: str) -> Finding:
    """The API's own word: it asks for a worker's sign of life, which nobody else can see."""
    import httpx

    try:
        answer = httpx.get(f"{api_url}/readyz", timeout=READY_WITHIN_S)
    except httpx.HTTPError:
        return Finding("ready", "wrong", "Nobody says whether the stack is ready.", "Mend the API first.")
    if answer.status_code == 200:
        return Finding("ready", "ok", "Conversations are answered: the API has all that it needs, workers included.")
    detail = str(answer.json().get("detail", "Not ready."))
    if "worker" in detail:
        fix = f"One that dies is started again: try again in a moment. If it stays, see {home.logs}/worker-*.log."
        return Finding(
            "ready",
            "wrong",
            "Messages are accepted, but no worker answers them: none gave a sign of life in 10 s.",
            fix,
        )
    return Finding("ready", "wrong", detail, "Mend the parts above; the API then recovers by itself.")


async def _ask(stack: dict[str, Any]) -> list[tuple[str, bool, str]]:
    cache = urlsplit(stack["redis_url"])
    ui = f"{stack['temporal_ui_url']}/api/v1/namespaces/{stack['temporal_namespace']}"
    answers = await asyncio.gather(
        postgres_answers(stack["postgres_dsn"]),
        valkey_answers(cache.port or 0, cache.password or ""),
        http_answers(ui),
        http_answers(f"{stack['api_url']}/healthz"),
    )
    names = (
        ("PostgreSQL", "postgres.log"),
        ("Valkey", "valkey.log"),
        ("Temporal", "temporal.log"),
        ("The API", "api.log"),
    )
    return [(title, answer, log) for (title, log), answer in zip(names, answers, strict=True)]


def _read(stack_file: Path) -> dict[str, Any]:
    try:
        stack = json.loads(stack_file.read_text())
    except (OSError, ValueError):
        return {}
    return stack if isinstance(stack, dict) else {}


def _pids(stack: dict[str, Any]) -> list[int]:
    named = stack.get("pids", {})
    listed = [*named.get("workers", ()), *(pid for name, pid in named.items() if name != "workers")]
    return [pid for pid in listed if isinstance(pid, int)]
