"""Passwords: Argon2id in a bounded pool of threads, so that sign-ins cannot take the whole process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's Argon2id floor is 19 MiB, t=2, p=1.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# Checked for unknown accounts, so that their answer takes as long as a known one's.
NOBODY = HASHER.hash("nobody has this password")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(THREADS, HASHER.hash, password)


async def check_password(password: str, stored: str | None) -> bool:
    """False for a wrong password, and for an account that does not exist: in the same time."""
    checked = await asyncio.get_running_loop().run_in_executor(THREADS, _check, password, stored or NOBODY)
    return checked and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's: it is made again at the next sign-in."""
    return HASHER.check_needs_rehash(stored)


def _check(password: str, stored: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
