"""Brings the database's schema to the newest version (or to the one that is named; `base` takes all down).

An upgrade that has something to seal needs HELIOS_ROOT_KEY, as the API does. Killed at any moment, it goes on when it
is started again.
"""

from __future__ import annotations

import argparse
import asyncio

from helios.kms import root_of
from helios.migrations import migrate
from helios.settings import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", nargs="?", default="head", help="head, base, -1 or a revision's name")


def run(args: argparse.Namespace) -> int:
    config = settings()
    dsn = config.postgres_owner_dsn.get_secret_value() or config.postgres_dsn.get_secret_value()
    asyncio.run(migrate(dsn, args.revision, lambda: root_of(config)))
    return 0
