"""`python -m helios COMMAND`: see `helios.commands`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from helios.commands import COMMANDS, FINDINGS, NOBODY_LOOKED
from helios.embedded.errors import StackError
from helios.loading import loading


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helios",
        description="HeliosCS: customer service where every conversation is a durable workflow.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        own = commands.add_parser(name, help=line, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == chosen:  # only this one's imports are paid for
            with loading():
                module = importlib.import_module(f"helios.commands.{name.replace('-', '_')}")
            own.description = module.__doc__
            module.add_arguments(own)
            own.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit code: 0 done, 1 failed, 2 wrong use; a command that looks has findings instead."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    if chosen in FINDINGS:
        return _look(chosen, argv)
    parser = _parser(chosen)
    if not argv:
        parser.print_help()
        return 2
    return _run(parser.parse_args(argv), 1)


def _look(chosen: str, argv: Sequence[str]) -> int:
    """Whatever keeps it from looking, a fault of its own too, is no finding."""
    try:
        return _run(_parser(chosen).parse_args(argv), NOBODY_LOOKED)
    except SystemExit as ended:  # argparse's, which has said what is wrong
        return NOBODY_LOOKED if ended.code else 0
    except Exception:
        traceback.print_exc()
        return NOBODY_LOOKED


def _run(args: argparse.Namespace, failed: int) -> int:
    try:
        return int(args.run(args))
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return failed
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: not worth a traceback
        return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
