"""Measures what detectors, intents and retrieval reach, on texts set aside here and on public sets that are at hand.

HELIOS_EVAL_DATA names the folder of the public sets. Writes docs/quality.md; nothing has to be running.

With --suite it runs a tenant's own suite instead: what its assistant must answer, held against what is published and
against what waits to be. See docs/evaluations.md.

  python -m helios eval --suite helios/demo_bank/suite.yaml --tenant meridian
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from helios.commands import evaluating
from helios.settings import PROJECT, settings

SECTIONS = {
    "personal": "evals.redaction.section",
    "numbers": "evals.redaction.section",
    "guardrail": "evals.detectors.sections",
    "situations": "evals.detectors.sections",
    "drafts": "evals.drafts.section",
    "formats": "evals.formats.section",
    "answers": "evals.drafts.answers",
    "cost": "evals.cost.section",
    "intent": "evals.intents.section",
    "language": "evals.intents.section",
    "gaps": "evals.gaps.section",
    "cache": "evals.cache.section",
    "retrieval": "evals.answers.rankings",
}
"""Where each measurement is: a module with a function of that name, `(folder of public sets or None) -> Section`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(SECTIONS)}; default all")
    parser.add_argument("--json", action="store_true", help="print the figures, write no file")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "quality.md", metavar="FILE")
    evaluating.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if wrong := evaluating.misused(args):
        print(wrong, file=sys.stderr)
        return 2
    return evaluating.run(args) if args.suite is not None else _measure(args)


def _measure(args: argparse.Namespace) -> int:
    from evals.report import write

    names = tuple(args.names) or tuple(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        print(
            f"There is no evaluation {', '.join(sorted(unknown))}. There are: {', '.join(SECTIONS)}.", file=sys.stderr
        )
        return 2
    sets = settings().eval_data
    sections = []
    for name in names:
        print(f"  {name}", file=sys.stderr)
        sections.append(getattr(importlib.import_module(SECTIONS[name]), name)(sets))
    if args.json:
        print(json.dumps({section.name: section.figures for section in sections}, indent=1))
    else:
        write(args.out, sections)
        print(f"\n  Written: {args.out}")
    return 0
