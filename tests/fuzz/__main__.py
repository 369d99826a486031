"""`make fuzz`: thousands of cases an operation against a stack of its own. Stopped, it goes on where it was.

What is done stands in a file, with an operation's fingerprint: a changed one begins again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from api.app import create_app
from helios.commands.up import start_application
from helios.database import Database
from helios.embedded.supervisor import running_stack
from helios.keyring import Keyring, root_key
from helios.settings import PROJECT, Settings
from tests.fuzz.callers import Crowd
from tests.fuzz.engine import fingerprint, load, slow, throw

AT_ONCE = 100


class State:
    """How far each operation is, in a file that is written after each hundred cases."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._all: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def of(self, label: str, print_: str) -> dict[str, Any]:
        known = self._all.get(label)
        if known is None or known["fingerprint"] != print_:
            known = self._all[label] = {"fingerprint": print_, "cases": 0, "wrong": []}
        found: dict[str, Any] = known
        return found

    def write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(self._all, indent=1))
        draft.replace(self._file)


async def fuzz(cases: int, state: State, only: str) -> int:
    """Returns how many operations have gone wrong."""
    document = create_app(Settings()).openapi()
    operations = {label: each for label, each in load(document).items() if only in label}
    with tempfile.TemporaryDirectory(prefix="helios-fuzz-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs under another account where we are root
        config = Settings(home=Path(folder) / "home", llm=("offline",), rate_limits=0)
        async with running_stack(config) as stack:
            await start_application(stack, config, lambda _title, _state: None)
            database = Database(stack.servers.app_dsn, pool_size=2)
            root = Keyring(root_key(stack.servers.keys.root_key), database).root
            crowd = Crowd(stack.servers.api_url, database, root)
            for n, (label, operation) in enumerate(operations.items(), 1):
                known, wanted = state.of(label, fingerprint(document, label)), cases // 10 if slow(label) else cases
                while known["cases"] < wanted and not known["wrong"]:
                    count = min(AT_ONCE, wanted - known["cases"])
                    number = known["cases"] // AT_ONCE + 1
                    known["wrong"] = await asyncio.to_thread(
                        throw, operation, stack.servers.api_url, await crowd.get(), count, number
                    )
                    known["cases"] += count
                    state.write()
                    print(f"  {n}/{len(operations)} {label}: {known['cases']} of {wanted}", flush=True)
                for wrong in known["wrong"]:
                    print(f"  WRONG {wrong}", flush=True)
            await database.close()
    return sum(bool(state.of(label, fingerprint(document, label))["wrong"]) for label in operations)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000, help="an operation; a tenth where passwords are hashed")
    parser.add_argument("--state", type=Path, default=PROJECT / ".helios" / "fuzz.json", help="what is done")
    parser.add_argument("--again", action="store_true", help="forget what is done")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations whose name contains this")
    args = parser.parse_args()
    if args.again:
        args.state.unlink(missing_ok=True)
    wrong = asyncio.run(fuzz(args.cases, State(args.state), args.only))
    print(f"{wrong} operations went wrong" if wrong else "No case went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
