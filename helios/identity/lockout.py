"""How sign-in failures are counted, and when an account is shut (OWASP ASVS 5 §6.3, NIST SP 800-63B-4 §3.2.2).

Five failures in 15 minutes shut an account for a minute, the next lock lasts twice as long, up to half an hour;
failures age. An account that does not exist is counted by the same steps, so nothing tells the two apart.

A stranger must not be able to shut somebody out: a browser that has signed in before holds a device cookie and is
counted by itself (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). Who guesses from outside locks the
outside only.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from helios.crypto import RootKey, TenantKeys
from helios.staff import normal_email

FREE_FAILURES = 5
WINDOW_S = 15 * 60
FIRST_S, MOST_S = 60, 30 * 60
REMEMBERED_S = 24 * 3600
"""How long after a lock the next one is longer."""
DEVICE_S = 180 * 24 * 3600
DEVICE = "devices.cookie"
ACCOUNT = "sign-in.account"

# One step: of guesses that come side by side, the sixth must find the lock of the fifth.
SETTLE = """
local left = redis.call('PTTL', KEYS[1])
if left > 0 then return left end
if ARGV[1] == 'right' then redis.call('DEL', KEYS[2], KEYS[3]) return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, now - ARGV[4])
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if redis.call('ZCARD', KEYS[2]) < tonumber(ARGV[3]) then return 0 end
local locks = redis.call('INCR', KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[7])
local shut = math.min(ARGV[5] * 2 ^ math.min(locks - 1, 20), ARGV[6])
redis.call('SET', KEYS[1], '', 'PX', shut)
return -shut
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """`left_s`: the account is shut for so long, whatever was tried. `shut_s`: this failure has shut it."""

    left_s: float = 0.0
    shut_s: float = 0.0


class Lockout:
    """Counts in Valkey. Raises what its client raises: without the count nobody may try a password."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._settle = valkey.register_script(SETTLE)

    async def left_s(self, subject: str) -> float:
        """For how long the subject is still shut."""
        return float(max(0, await self._valkey.pttl(_keys(subject)[0]))) / 1000

    async def settle(self, subject: str, *, right: bool) -> Settled:
        """Counts a failure, or forgets those before a success. While it is shut neither happens."""
        answer: Any = await self._settle(
            keys=_keys(subject),
            args=["right" if right else "wrong", secrets.token_hex(8), FREE_FAILURES, WINDOW_S * 1000, FIRST_S * 1000,
                  MOST_S * 1000, REMEMBERED_S * 1000],
        )  # fmt: skip
        answered_s = int(answer) / 1000
        return Settled(left_s=answered_s) if answered_s > 0 else Settled(shut_s=-answered_s)

    async def forget(self, subject: str) -> None:
        """Opens the account again: its owner has proven himself in another way."""
        await self._valkey.delete(*_keys(subject))


def account(root: RootKey, tenant: str, email: str) -> str:
    """What is counted for a stranger: the account as it was named, whether there is one or not. Valkey does not learn
    the name."""
    return root.blind_index(f"{tenant.strip().lower()}|{normal_email(email)}", ACCOUNT).hex()


def member(user_id: UUID) -> str:
    """What is counted for who is signed in."""
    return str(user_id)


def device(subject: str, nonce: str) -> str:
    """What is counted for a known device of the account."""
    return f"{subject}/{nonce}"


def _keys(subject: str) -> list[str]:
    base = f"helios:sign-in:{{{subject}}}"
    return [f"{base}:lock", f"{base}:failures", f"{base}:locks"]


def new_device(keys: TenantKeys, user_id: UUID) -> str:
    """The value of a device cookie: `NONCE.ISSUED.MAC`. It lets nobody in, it is only counted apart."""
    nonce, issued = secrets.token_hex(16), int(time.time())
    return f"{nonce}.{issued}.{_mac(keys, user_id, nonce, issued)}"


def known_device(keys: TenantKeys, user_id: UUID, cookie: str) -> str | None:
    """The nonce of a cookie that this user got from us within half a year; None for any other."""
    nonce, _, rest = cookie.partition(".")
    issued, _, mac = rest.partition(".")
    if not (issued.isascii() and issued.isdigit() and len(issued) < 12 and nonce.isascii() and mac.isascii()):
        return None
    if not hmac.compare_digest(mac, _mac(keys, user_id, nonce, int(issued))):
        return None
    return nonce if int(issued) + DEVICE_S > time.time() else None


def _mac(keys: TenantKeys, user_id: UUID, nonce: str, issued: int) -> str:
    mac = keys.blind_index(f"{user_id}|{nonce}|{issued}", DEVICE)
    return urlsafe_b64encode(mac).rstrip(b"=").decode()
