"""Passwords are kept as OWASP asks, and who does not exist takes as long as who does."""

from __future__ import annotations

import asyncio
import statistics
import time

from helios.passwords import HASHER, check_password, hash_password


async def test_a_password_is_kept_as_argon2id_and_found_again() -> None:
    stored = await hash_password("correct horse battery staple")
    assert stored.startswith("$argon2id$")
    assert HASHER.memory_cost >= 19 * 1024
    assert HASHER.time_cost >= 2
    assert await check_password("correct horse battery staple", stored)
    assert not await check_password("correct horse battery stapl", stored)
    assert await hash_password("correct horse battery staple") != stored


async def test_long_and_foreign_passwords_are_taken_whole() -> None:
    for password in ("ü" * 64, "p" * 256, "密码" * 30, "a\x00b", " spaces at both ends "):
        stored = await hash_password(password)
        assert await check_password(password, stored)
        assert not await check_password(password[:-1], stored)


async def test_nobody_takes_as_long_as_somebody() -> None:
    stored = await hash_password("correct horse battery staple")
    times: dict[str | None, list[float]] = {stored: [], None: []}
    for _ in range(7):
        for known, seen in times.items():
            began = time.perf_counter()
            assert not await check_password("wrong", known)
            seen.append(time.perf_counter() - began)
    somebody, nobody = (statistics.median(seen) for seen in times.values())
    assert 0.5 < nobody / somebody < 2.0


async def test_broken_hashes_let_nobody_in() -> None:
    for stored in ("", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "plain"):
        assert not await check_password("plain", stored)


async def test_many_sign_ins_do_not_hold_up_the_loop() -> None:
    """It goes round and round meanwhile: a hash on the loop would let it round once."""
    rounds, checks = 0, asyncio.gather(*(check_password("wrong", None) for _ in range(8)))
    while not checks.done():
        await asyncio.sleep(0)
        rounds += 1
    assert not any(await checks)
    assert rounds > 100
