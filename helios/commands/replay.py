"""Replay a conversation for an examiner: how each turn was decided, with the versions of what it rested on.

Runs today's workflow code on the stored history and holds history and record together. Exits with 0 where all agree,
with 1 where the code would decide otherwise or the accounts differ, with 3 where they agree, but older code took the
steps, which this one cannot repeat: it names the release that can; with 64 where it could not look at all. Needs a
running stack or HELIOS_* settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from rich.markup import escape
from rich.table import Table

from helios.commands.conversation import console
from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.every_tenant import ask_every_tenant
from helios.examiner.replay import Examination, ExaminedTurn, ReplayedRun, examine
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import Settings
from helios.temporal import connect
from helios.times import moment

HAS = "SELECT FROM threads WHERE tenant_id = $1 AND id = CAST($2 ->> 'id' AS uuid)"
ERASED = "erased"
OTHER_CODE = 3
MARKS = {"agrees": "[green]agrees[/green]", "differs": "[bold red]DIFFERS[/bold red]"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("conversation", metavar="CONVERSATION", type=UUID, help="the conversation's id")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(args: argparse.Namespace) -> int:
    examination = asyncio.run(_examine(reach(), args.conversation))
    if args.json:
        print(json.dumps(_as_json(examination), indent=2, default=str))
    else:
        show(examination)
    if not examination.agrees:
        return 1
    return 0 if examination.repeated else OTHER_CODE


async def _examine(config: Settings, conversation_id: UUID) -> Examination:
    # The workflow code is what is replayed; nothing else in this package needs it.
    from workflows.conversation import ConversationWorkflow
    from workflows.escalation import EscalationWorkflow

    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=2, pooled=pooled)
    try:
        keyring = Keyring(root_of(config), database)
        tenant_id = await _tenant_of(database, conversation_id)
        client = await connect(config, keyring)
        workflows = (ConversationWorkflow, EscalationWorkflow)
        return await examine(client, database, keyring, workflows, tenant_id, conversation_id)
    finally:
        await database.close()


async def _tenant_of(database: Database, conversation_id: UUID) -> UUID:
    for found in await ask_every_tenant(database, HAS, {"id": str(conversation_id)}, deleted=True):
        return found.tenant_id
    raise StackError(f"There is no conversation {conversation_id}.")


def _as_json(examination: Examination) -> dict[str, Any]:
    return {
        "agrees": examination.agrees,
        "repeated": examination.repeated,
        **asdict(examination),
        "erased_at": moment(examination.erased_at),
    }


def show(examination: Examination) -> None:
    for run_ in examination.runs:
        kind = run_.workflow_id.split("/")[1]
        said = "replayed: the code decides the same" if run_.failure is None else escape(_failed(run_))
        console.print(f"{kind} run {run_.run_id}, {run_.events} events, build {', '.join(run_.builds) or '?'}: {said}")
    if examination.erased_at is not None:
        who = "Retention deleted the customer's words" if examination.expired else "The customer's words were erased"
        gone = (
            "what was said and what was understood"
            if examination.runs
            else "what was said, what was understood and the history"
        )
        console.print(f"{who} on {moment(examination.erased_at)}: {gone} are gone. Left is what was decided.")
    elif not examination.runs:
        console.print("Temporal has no history of it any more: only the record is left.")
    for turn in examination.turns:
        console.print(_turn(turn))
    if examination.agrees and not examination.repeated:
        console.print("[yellow]History and record agree; that other code took the steps is said above.[/yellow]")
    elif examination.agrees:
        console.print("[green]History, code and record agree, as far as they are still there.[/green]")
    else:
        console.print("[bold red]They do not agree: see above.[/bold red]")


def _failed(run_: ReplayedRun) -> str:
    if run_.advice is None:
        return f"FAILED: {run_.failure}"
    return f"not repeated by the code of today, which would take other steps ({run_.failure}). {run_.advice}"


def _intent(record: Mapping[str, Any]) -> str:
    if "intent" not in record:
        return ERASED
    intent = record["intent"] or {}
    return f"{intent.get('name') or '-'} ({intent.get('confidence', '-')})"


def _situations(record: Mapping[str, Any]) -> str:
    if "situations" not in record:
        return ERASED
    found = ", ".join(map(str, record["situations"] or ())) or "none"
    decided = f"; decided by {record['situation']}" if record.get("situation") is not None else ""
    return f"{found}{decided}  {record.get('reason') or ''}".rstrip()


def _turn(turn: ExaminedTurn) -> Table:
    record = turn.record
    cited = ", ".join(f"{each['source_id']} v{each['version']}" for each in record["citations"])
    rows = {
        "received, completed": f"{record['received_at']}  {record['completed_at'] or 'not ended'}",
        "language, intent": f"{record.get('language') or '-'}  {_intent(record)}",
        "situations": _situations(record),
        "policy version": str(record.get("policy_version") or "-"),
        "passages": f"{len(record['passages'])} retrieved; cited: {cited or 'none'}"
        if "passages" in record
        else ERASED,
        "generator, model": f"{record['generator'] or '-'}  {record['model'] or '-'}  attempts {record['attempts']}",
        "prompt": record["prompt_hash"] or "-",
        "decided by persons": "; ".join(f"{each['action']} by {each['actor_id']}" for each in turn.people) or "-",
        "history": MARKS.get(turn.history, turn.history),
    }
    table = Table(title=f"Turn {turn.turn}: {record['outcome']}", title_justify="left", show_header=False, box=None)
    for name, value in rows.items():
        table.add_row(f"[dim]{name}[/dim]", value if name == "history" else escape(value))
    for difference in turn.differences:
        table.add_row("", f"[red]{escape(difference)}[/red]")
    return table
