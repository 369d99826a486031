"""Chat with the demo bank in a terminal. Needs a running stack (`make up`).

Type and press Enter. `/stop` stops an answer, `/human` asks for a person, `/quit` leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from uuid import uuid4

import httpx

from helios.commands.conversation import Customer, console, show_turn
from helios.settings import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", default=None, help="the customer's id at the bank (default: a new one)")
    parser.add_argument("question", nargs="*", help="ask this and leave")


def run(args: argparse.Namespace) -> int:
    path = settings().home / "stack.json"
    try:
        stack = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        print(f"No stack runs here ({path} is not there): start one with `make up`.", file=sys.stderr)
        return 1
    external_id = args.customer or f"terminal-{uuid4()}"
    try:
        return asyncio.run(_chat(stack["api_url"], stack["demo"]["api_key"], external_id, " ".join(args.question)))
    except httpx.TransportError:
        print("The stack does not answer. `python -m helios doctor` says what is wrong.", file=sys.stderr)
        return 1


async def _chat(api_url: str, api_key: str, external_id: str, question: str) -> int:
    async with Customer(api_url, api_key, external_id) as customer:
        if question:
            await show_turn(customer, await customer.say(question))
            return 0
        console.print("[dim]Ask the bank something. /human for a person, /quit to leave.[/dim]")
        while True:
            try:
                line = (await asyncio.to_thread(input, "you> ")).strip()
            except EOFError:
                return 0
            if line in ("/quit", "/exit"):
                return 0
            if line == "/human":
                await customer.post("escalate")
            elif line == "/stop":
                await customer.post("stop")
            elif line:
                await show_turn(customer, await customer.say(line))
