"""Puts the demo bank (tenant, staff, rules, knowledge) into the database. Run again, it changes what has changed.

The staff's passwords and the API key are made once and kept in HELIOS_HOME/keys/demo.json, readable by you only.
"""

from __future__ import annotations

import argparse
import asyncio

from helios.database import Database
from helios.demo_bank.people import load_secrets, new_secrets, save_secrets, secrets_file
from helios.demo_bank.seed import seed
from helios.kms import root_of
from helios.settings import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    asyncio.run(_seed(quiet=args.quiet))
    return 0


async def _seed(*, quiet: bool) -> None:
    config = settings()
    path = secrets_file(config.home)
    people = load_secrets(path) or new_secrets()
    save_secrets(path, people)
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=2, pooled=config.postgres_pooled)
    try:
        report = (lambda _: None) if quiet else (lambda line: print(f"  {line}", flush=True))
        await seed(config, database, root_of(config), people, report)
    finally:
        await database.close()
