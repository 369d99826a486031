"""Passwords: Argon2id in a bounded pool of threads, so that sign-ins cannot take the whole process."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from helios.identity.strength import normal, weaknesses

Result = TypeVar("Result")

# OWASP's Argon2id floor is 19 MiB, t=2, p=1.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def _step_back() -> None:
    """A thread of this pool takes what the others leave: a rush of sign-ins must not slow every other route."""
    if sys.platform == "linux":  # where threads have a priority of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


# On half of the cores at most: what wakes up for a request finds one without a hash on it. A hash that runs is not
# taken off its core at once, however low its priority, and a request waits for several processes one after the other.
AT_ONCE = min(4, max(1, (os.cpu_count() or 2) // 2))
THREADS = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="argon2", initializer=_step_back)
# Checked for unknown accounts, so that their answer takes as long as a known one's.
NOBODY = HASHER.hash("nobody has this password")


async def hash_password(password: str) -> str:
    return await in_pool(HASHER.hash, normal(password))


async def check_password(password: str, stored: str | None) -> bool:
    """False for a wrong password, and for an account that does not exist: in the same time."""
    checked = await in_pool(_check, normal(password), stored or NOBODY)
    return checked and stored is not None


async def judge_password(password: str, words: Iterable[str], *, second_factor: bool = False) -> list[str]:
    """As `strength.weaknesses`, outside the loop: it takes up to 0.2 s."""
    return await in_pool(partial(weaknesses, password, words, second_factor=second_factor))


async def in_pool(work: Callable[..., Result], *values: Any) -> Result:
    return await asyncio.get_running_loop().run_in_executor(THREADS, work, *values)


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's: it is made again at the next sign-in."""
    return HASHER.check_needs_rehash(stored)


def _check(password: str, stored: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
