"""Backs the stack that runs in HELIOS_HOME up, while it runs: the data into one new folder, all keys into another.

Keep the two apart: whoever has both can read everything. Customers' keys in the second folder age badly: an older copy
holds keys of customers who were erased since, so keep it only as long as you need to restore a crash. See
docs/operations.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

from helios.backup.making import make
from helios.commands.reach import reach
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keys import load_keys
from helios.embedded.postgres import has_data, roles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", metavar="FOLDER", type=Path, help="the new folder for the data")
    parser.add_argument("--keys", metavar="FOLDER", type=Path, required=True, help="the new folder for the keys")
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> int:
    config = reach()
    home = Home(config.home.expanduser().absolute())
    if not has_data(home):
        raise StackError("This backs an embedded stack up. For real servers see docs/operations.md, Backups.")
    port = urlsplit(config.postgres_dsn.get_secret_value()).port
    admin = roles(load_keys(home, has_data=True), port or 0).admin
    manifest = asyncio.run(make(home, admin, args.backup, args.keys))
    print(json.dumps(manifest) if args.json else f"Backed up to {args.backup}; the keys are in {args.keys}.")
    return 0
