"""Run one of the product's components over a file of rows and write its predictions, ready to be scored.

Rows are JSON, one a line; a file whose name ends in .gz is gzipped. Nothing has to be running.

  pii, guardrail, situations, language   {"id", "text"}
  intent                                 {"id", "text"}; --train FILE has {"id", "text", "label"},
                                         or "intents": […] where a text has several
  retrieval                              {"qid", "text"}; --kb FILE has {"id", "title", "text"}
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from helios.embedded.errors import StackError

TASKS = ("pii", "guardrail", "situations", "language", "intent", "retrieval")
Predictor = Callable[[Iterable[dict[str, Any]]], Iterator[Mapping[str, Any]]]
PROGRESS_EVERY_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--in", dest="source", type=Path, required=True, metavar="FILE", help="rows to read")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="predictions to write")
    parser.add_argument("--train", type=Path, metavar="FILE", help="intent: learn from these rows first")
    parser.add_argument("--kb", type=Path, metavar="FILE", help="retrieval: the knowledge base")
    parser.add_argument(
        "--visibility",
        choices=("public", "all"),
        default="all",
        help="retrieval: public leaves out titles that begin with 'Internal:'",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    from evals.prediction.rows import RowError, read_rows, write_rows
    from helios.models.weights import WeightsError

    wrong = _misused(args)
    if wrong:
        print(wrong, file=sys.stderr)
        return 2
    try:
        rows = read_rows(args.source, ("text",), ("qid",) if args.task == "retrieval" else ("id",))
        predictions = _predictor(args)(rows)
        count = write_rows(args.out, predictions if args.quiet else _told(predictions, len(rows)))
    except (RowError, WeightsError) as error:
        raise StackError(str(error)) from error
    except OSError as error:
        raise StackError(f"{args.out}: {error.strerror}") from error
    if not args.quiet:
        print(f"{count} rows in {args.out}", file=sys.stderr)
    return 0


def _misused(args: argparse.Namespace) -> str | None:
    if args.task == "retrieval" and args.kb is None:
        return "retrieval needs --kb FILE: the knowledge base to search"
    if args.task != "retrieval" and args.kb is not None:
        return "--kb belongs to retrieval"
    if args.task != "intent" and args.train is not None:
        return "--train belongs to intent"
    return None


def _predictor(args: argparse.Namespace) -> Predictor:
    if args.task == "intent":
        from evals.prediction import intents

        return lambda rows: intents.classify(rows, args.train)
    if args.task == "retrieval":
        from evals.prediction import retrieval

        return lambda rows: retrieval.rank(rows, args.kb, args.visibility)
    from evals.prediction import screening

    return {
        "pii": screening.find_personal_data,
        "guardrail": screening.find_injections,
        "situations": screening.find_situations,
        "language": screening.identify_languages,
    }[args.task]


def _told(predictions: Iterator[Mapping[str, Any]], total: int) -> Iterator[Mapping[str, Any]]:
    """The predictions, and now and then on stderr how far they are."""
    last = time.monotonic()
    for count, prediction in enumerate(predictions, 1):
        yield prediction
        if time.monotonic() - last > PROGRESS_EVERY_S:
            last = time.monotonic()
            print(f"{count} of {total}", file=sys.stderr, flush=True)
