"""Under which account PostgreSQL runs when this process is root, which PostgreSQL refuses to be."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from helios.embedded.errors import StackError
from helios.embedded.process import Account, AccountWay, Command, run

WAYS: tuple[AccountWay, ...] = ("switch", "switch-keeping-reach", "namespace")
"""Least powerful first. The first needs every folder above the programs and the data to be passable for others; the
second passes closed folders with one capability of root's; the third needs user namespaces instead."""


def is_root() -> bool:
    return os.geteuid() == 0


def _other_account() -> tuple[int, int]:
    """`nobody`, or the last ordinary account: initdb asks that it has a name."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        others = [entry for entry in pwd.getpwall() if entry.pw_uid > 0]
        if not others:
            raise StackError(
                "PostgreSQL does not run as root, and this machine has no other account. "
                "Run as an ordinary user (for example: useradd helios)."
            ) from None
        entry = others[-1]
    return entry.pw_uid, entry.pw_gid


def _owner(way: AccountWay, uid: int, gid: int) -> tuple[int, int]:
    """Who must own the data on disk for a server that runs this way."""
    return (os.geteuid(), os.getegid()) if way == "namespace" else (uid, gid)


def give(folder: Path, uid: int, gid: int) -> None:
    """Make `uid` the owner of a folder and of all in it, where it is not yet."""
    status = folder.stat()
    if (status.st_uid, status.st_gid) == (uid, gid):
        return
    for base, _, files in os.walk(folder, topdown=False):
        for name in files:
            os.chown(os.path.join(base, name), uid, gid, follow_symlinks=False)
        os.chown(base, uid, gid)  # the folder last, so that a walk that was cut short is walked again


def choose_account(program: Path, folder: Path, log: Path) -> Account | None:
    """The account to run `program` under with its data in `folder`, which is given to it. None: the present one.

    Each way is tried with `program --version` inside `folder`: what works depends on the modes of all folders above,
    on the container's capabilities and on its seccomp rules, and trying is the only sure answer.

    Raises:
        StackError: root, and no way works here.
    """
    if not is_root():
        return None
    uid, gid = _other_account()
    ways = WAYS if sys.platform.startswith("linux") else WAYS[:1]
    refusals: list[str] = []
    for way in ways:
        try:
            give(folder, *_owner(way, uid, gid))
        except OSError as error:
            refusals.append(f"    {way}: the folder cannot be given to that account: {error.strerror}")
            continue
        account = Account(way, uid, gid)
        code, output = run(Command([program, "--version"], log, folder, {"LC_ALL": "C"}, account=account))
        if code == 0:
            return account
        refusals.append(f"    {way}: {output.splitlines()[-1] if output else f'exit code {code}'}")
    raise StackError(
        "PostgreSQL does not run as root, and it cannot be started under another account here:\n"
        + "\n".join(refusals)
        + f"\nRun as an ordinary user, or make {folder} and {program.parent} reachable for all (chmod o+x on each "
        "folder above them)."
    )
