"""`python -m helios COMMAND`: see `helios.commands`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from helios.commands import COMMANDS
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
    """Run one command; the exit code: 0 done, 1 failed, 2 wrong use."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    parser = _parser(chosen)
    if not argv:
        parser.print_help()
        return 2
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: not worth a traceback
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
