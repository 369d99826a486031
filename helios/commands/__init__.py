"""The command line: one module a command, imported when it is called.

A command is a module `helios/commands/NAME.py` (`-` is `_` in the file's name) whose docstring is its help, with
`add_arguments(parser)` and `run(args) -> int`, the exit code. It is listed here.
"""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "up": "start everything on this machine and keep serving",
    "demo": "play the scripted tour against a stack of its own",
    "chat": "chat with the demo bank in a terminal",
    "api": "serve the API",
    "worker": "run a worker",
    "migrate": "bring the database's schema to a version",
    "ingest": "hand files in as knowledge",
    "seed": "put the demo bank into the database",
    "tenant": "make a tenant and invite its first admin",
    "erase": "erase a customer",
    "backup": "back the stack up, its keys apart",
    "restore": "restore a backup, and erase again who was erased since",
    "keys": "rotate the keys of access tokens, or a tenant's data key",
    "bench": "measure this build on this machine",
    "eval": "measure what the detectors reach, or run a tenant's own suite",
    "predict": "run a component over a file of rows, to score it",
    "replay": "show how a conversation was decided, and whether the records agree",
    "report": "make a report for a supervisor of the bank",
    "policy": "hold a draft of a policy against past turns",
    "audit": "verify the audit log, or export it for an examiner",
    "doctor": "say what is wrong with this machine or stack, and how to mend it",
}
"""Every command with one line of help, in the order in which they are listed."""

FINDINGS = frozenset({"audit", "replay"})
"""Commands whose exit codes say what was found. One of them that could not look, or was used wrongly, must not exit
with a finding."""
NOBODY_LOOKED = 64
