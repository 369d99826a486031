"""Keys are rotated while customers talk: `python -m benchmarks.rotation` writes docs/rotation-benchmark.md.

On a stack of its own, conversations over the public API, each sending its next message when its last turn has ended:
half of the calm time, then the time of rotations, then the other half, so that both meet the same machine. A rotation
is what `helios keys rotate` does in all its forms: a new key for access tokens; a new version of the tenant's data key,
with the keys of its customers wrapped and its staff sealed by the version that seals (`--tenant`); a new key for its
audit log (`--audit`); a new root key, and everything wrapped by it (`--root`). The customers' own access tokens are
from before the first one. At the end every reply is read from the database again, with the keys of that moment, a
member of staff signs in, and the audit log is verified from its first event on.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from benchmarks.environment import running_stack
from benchmarks.load import Talk
from benchmarks.machine import facts
from benchmarks.measures import percentile
from benchmarks.questions import question
from helios import staff_sealing, tenant_keys, token_keys
from helios.audit_log import keys as log_keys
from helios.audit_log.anchors import anchor_of
from helios.audit_log.verifier import Report, verify_log
from helios.commands.reach import reach
from helios.commands.root_key import rotate_root
from helios.crypto import RootKey
from helios.database import Database
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import PROJECT, Settings

PAGE = PROJECT / "docs" / "rotation-benchmark.md"
REPLY = text("SELECT content_ct FROM messages WHERE tenant_id = :tenant_id AND id = :id")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message and what came of it. `problem`: why the turn failed; empty where it was answered whole."""

    talk: Talk
    took_ms: float
    reply_id: str = ""
    reply: str = field(default="", repr=False)
    problem: str = ""


@dataclass(slots=True)
class Rotated:
    """How often each, and how much was written anew.

    customer_keys  wrapped by a newer version of the tenant's key
    staff          accounts and invitations sealed by it
    rewrapped      keys that a new root key wrapped
    """

    token_keys: int = 0
    tenant_keys: int = 0
    customer_keys: int = 0
    staff: int = 0
    log_keys: int = 0
    root_keys: int = 0
    rewrapped: int = 0

    async def once(self, database: Database, root: RootKey, tenant_id: UUID) -> None:
        await token_keys.rotate(database, root)
        self.token_keys += 1
        await tenant_keys.rotate(database, root, tenant_id)
        self.tenant_keys += 1
        self.customer_keys += await tenant_keys.rewrap(database, root, tenant_id)
        self.staff += await staff_sealing.reseal(database, root, tenant_id)
        await log_keys.rotate(database, root, tenant_id)
        self.log_keys += 1

    async def root(self, config: Settings) -> None:
        """All steps of it, up to the end of the old one."""
        self.rewrapped += (await rotate_root(config)).keys
        self.root_keys += 1

    async def every(self, seconds: float, config: Settings, database: Database, tenant_id: UUID) -> None:
        """Until it is cancelled."""
        root = root_of(config)
        while True:
            await self.once(database, root, tenant_id)
            await self.root(config)
            await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Results:
    talks: int
    every_s: float
    calm: list[Turn]
    rotating: list[Turn]
    rotated: Rotated
    lost: int
    """Replies that the database does not give as the customer read them."""
    signed_in: bool
    log: Report


async def one_turn(client: httpx.AsyncClient, talk: Talk, content: str) -> Turn:
    """Anything but an answer within the time is a failed turn: nothing is tried again."""
    began = time.perf_counter()

    def turn(**what: str) -> Turn:
        return Turn(talk, 1000 * (time.perf_counter() - began), **what)

    body = {"content": content, "client_message_id": str(uuid4())}
    headers = {"Authorization": f"Bearer {talk.token}"}
    path = f"/v1/conversations/{talk.conversation_id}/messages?wait=60"
    try:
        answer = await client.post(path, json=body, headers=headers)
    except httpx.TransportError as error:
        return turn(problem=type(error).__name__)
    if answer.status_code != 200:
        return turn(problem=f"{answer.status_code} {answer.json().get('code', '')}")
    told = answer.json()
    if told["outcome"] != "answered" or not told["reply"]:
        return turn(problem=str(told["outcome"]))
    return turn(reply_id=told["reply"]["id"], reply=told["reply"]["content"])


async def converse(client: httpx.AsyncClient, talks: Sequence[Talk], enough: Callable[[], bool]) -> list[Turn]:
    """Every conversation in closed loop, at least one turn each; every turn to its end."""
    turns: list[Turn] = []

    async def hold(talk: Talk, n: int) -> None:
        while True:
            turns.append(await one_turn(client, talk, question(n)))
            n += 1
            if enough():
                return

    await asyncio.gather(*(hold(talk, n) for n, talk in enumerate(talks)))
    return turns


async def lost_replies(database: Database, keyring: Keyring, turns: Sequence[Turn]) -> int:
    """How many replies the database does not give as they were read. `keyring` should have nothing in memory."""
    lost = 0
    for turn in turns:
        if turn.problem:
            continue
        tenant_id = UUID(turn.talk.tenant_id)
        keys = await keyring.customer(tenant_id, UUID(turn.talk.customer_id))
        async with database.tenant(tenant_id) as connection:
            sealed = (await connection.execute(REPLY, {"tenant_id": tenant_id, "id": turn.reply_id})).scalar_one()
        lost += keys.open_text(sealed, "messages.content_ct", turn.reply_id) != turn.reply
    return lost


async def measure(args: argparse.Namespace) -> Results:
    home = Path(tempfile.mkdtemp(prefix="helios-bench-"))
    home.chmod(0o711)  # PostgreSQL runs under another account where we are root
    try:
        async with running_stack(home / "home", {"HELIOS_LLM": "offline"}) as stack:
            database = Database(stack.env["HELIOS_POSTGRES_DSN"], pool_size=2)
            try:
                talks = await stack.talks(args.talks)
                config = reach(Settings(home=home / "home"))
                return await _phases(args, config, database, stack.described, talks)
            finally:
                await database.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _phases(
    args: argparse.Namespace, config: Settings, database: Database, described: dict[str, Any], talks: Sequence[Talk]
) -> Results:
    tenant_id = UUID(talks[0].tenant_id)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=described["api_url"], timeout=75, limits=limits) as client:

        async def talk_for(seconds: float, what: str) -> list[Turn]:
            end = time.perf_counter() + seconds
            turns = await converse(client, talks, lambda: time.perf_counter() >= end)
            print(f"  {what}: {len(turns)} turns", file=sys.stderr, flush=True)
            return turns

        await talk_for(args.warm_up, "warm-up")
        calm = await talk_for(args.seconds / 2, "calm")
        rotated = Rotated()
        rotator = asyncio.create_task(rotated.every(args.every, config, database, tenant_id))
        rotating = await talk_for(args.seconds, "rotating")
        if rotator.done():
            rotator.result()
        rotator.cancel()
        calm += await talk_for(args.seconds / 2, "calm")
        signed_in = await _signs_in(client, described["demo"])
    root = root_of(config)
    lost = await lost_replies(database, Keyring(root, database), [*calm, *rotating])
    log = await verify_log(database, root, anchor_of(config), tenant_id)
    return Results(len(talks), args.every, calm, rotating, rotated, lost, signed_in, log)


async def _signs_in(client: httpx.AsyncClient, demo: dict[str, Any]) -> bool:
    """A member of staff, whose address must be found by the keys of now."""
    body = {"tenant": demo["tenant"], **demo["users"]["agent"]}
    return (await client.post("/v1/auth/login", json=body)).status_code == 200


def page(results: Results, machine: dict[str, str]) -> list[str]:
    shown = ("Date", "Command", "Commit", "Processor", "Memory", "Load average before", "Python", "Temporal")
    rotated, turns = results.rotated, [*results.calm, *results.rotating]
    failed = sorted({turn.problem for turn in turns if turn.problem})
    return [
        "# Keys rotated under load, measured",
        "",
        "Written by `python -m benchmarks.rotation`. How keys are rotated is in [privacy](privacy.md#keys).",
        "",
        *_table(("", ""), *((name, machine[name]) for name in shown)),
        f"{results.talks} conversations, each sending its next message when its last turn has ended, against the whole",
        f"embedded stack. A round of rotations began {results.every_s:g} s after the one before had ended. Every",
        "customer used one access token from before the first.",
        "",
        *_table(
            ("rotated", "times", "written anew meanwhile"),
            ("keys for access tokens", rotated.token_keys, ""),
            (
                "the tenant's data key",
                rotated.tenant_keys,
                f"{rotated.customer_keys:,} keys of customers, {rotated.staff:,} accounts and invitations of staff",
            ),
            ("the key that signs the tenant's audit log", rotated.log_keys, ""),
            ("the root key", rotated.root_keys, f"{rotated.rewrapped:,} keys that it wraps"),
        ),
        *_table(
            ("", "turns", "failed", "p50 ms", "p95 ms"),
            _row("without rotations", results.calm),
            _row("while keys are rotated", results.rotating),
        ),
        "A turn fails where it is anything but answered: refused, late, held, cut. "
        + (f"What was seen: {', '.join(failed)}." if failed else "None did."),
        f"Read from the database again at the end, with the keys of then: {len(turns) - _failed(turns):,} replies,",
        f"{results.lost} of them not as the customer had read them (aim: 0). "
        f"A member of staff {'signed in' if results.signed_in else 'COULD NOT SIGN IN'} by password, and",
        f"`audit verify` of {results.log.size:,} entries under all keys that ever signed: "
        f"{results.log.verdict.name.lower()}.",
        "",
    ]


def _row(name: str, turns: Sequence[Turn]) -> tuple[object, ...]:
    took = [turn.took_ms for turn in turns if not turn.problem]
    p50, p95 = percentile(took, 0.50), percentile(took, 0.95)
    return name, f"{len(turns):,}", f"**{_failed(turns)}** (aim 0)", f"{p50:.0f}", f"{p95:.0f}"


def _failed(turns: Sequence[Turn]) -> int:
    return sum(bool(turn.problem) for turn in turns)


def _table(head: Sequence[str], *rows: Sequence[object]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rotation")
    parser.add_argument("--talks", type=int, default=20, help="conversations at once")
    parser.add_argument("--seconds", type=float, default=120.0, help="of load, without rotations and with them")
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds that do not count")
    parser.add_argument("--every", type=float, default=5.0, help="seconds from one rotation to the next")
    parser.add_argument("--out", type=Path, default=PAGE, help="where to write it")
    args = parser.parse_args()
    machine = facts("python -m benchmarks.rotation")
    args.out.write_text("\n".join(page(asyncio.run(measure(args)), machine)), encoding="utf-8")
    print(f"Written: {args.out}")


if __name__ == "__main__":
    main()
