"""Say what is wrong with this machine, this installation or this stack, and how to mend it.

Changes nothing. Ends with 0 when nothing is wrong, else with 1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from helios.diagnosis import machine
from helios.diagnosis.finding import Finding

if TYPE_CHECKING:
    from helios.settings import Settings

MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print all findings; 1 if anything is wrong."""
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not args.json:
            print(f"{MARKS[finding.verdict]} {finding.check:<9} {finding.what}")
            if finding.fix:
                print(f"{'':15} -> {finding.fix}")
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    if args.json:
        print(json.dumps({"ok": not wrong, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(f"\n{'Nothing is wrong.' if not wrong else f'{wrong} to mend: see the lines marked WRONG.'}")
    return 1 if wrong else 0


def _findings() -> Iterator[Finding]:
    python = machine.python()
    yield python
    installed = list(machine.packages())
    yield from installed
    if any(finding.verdict == "wrong" for finding in (python, *installed)):
        return  # every other check stands on these
    yield from machine.server_programs()
    yield machine.weights()
    yield from _place()
    yield machine.memory()
    yield machine.open_files()
    yield machine.clock()


def _generators(settings: Settings) -> Finding:
    """Whether a worker could make its chain of models."""
    from helios.llm.chain import GeneratorConfigError, check_chain

    try:
        chain = check_chain(settings)
    except GeneratorConfigError as error:
        return Finding(
            "models", "wrong", f"{error}.", "Or unset HELIOS_LLM: then what has a key is asked, and `offline`."
        )
    return Finding("models", "ok", f"Answers are written by, in this order: {', '.join(chain)}.")


def _place() -> Iterator[Finding]:
    from pydantic import ValidationError

    from helios.diagnosis import embedders, stack
    from helios.embedded.home import Home
    from helios.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = f"HELIOS_{'_'.join(str(part) for part in problem['loc']).upper()}"
            yield Finding("settings", "wrong", f"{name}: {problem['msg']}.", "Change or unset the variable.")
        return
    yield _generators(settings)
    yield from embedders.embedders(settings)
    home = Home(settings.home.expanduser().absolute())
    yield from stack.key_service(settings)
    place = stack.folder(home)
    yield place
    if place.verdict == "wrong":
        return
    yield machine.account(home.root)
    yield machine.disk(home.root)
    pid = stack.holder(home)
    if pid is None:
        yield from stack.leftovers(home)
        yield from stack.ports(settings)
    else:
        yield from stack.running(home, pid)
