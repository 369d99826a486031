"""How long an account stays shut after failed sign-ins; and the same for accounts that do not exist.

After five failures in a row a minute, doubled with each further one, up to half an hour. A lock that only real accounts
had would tell who has one, so the others are counted in Valkey. Without it they are never locked: nobody gets in there.
"""

from __future__ import annotations

from redis.exceptions import RedisError

from api.problems import Problem
from api.state import Services
from helios.crypto import token_hash

FREE_FAILURES = 5
FIRST_S, MOST_S = 60, 30 * 60
TERMS = {"free": FREE_FAILURES, "first": FIRST_S, "most": MOST_S}
COUNTED_FOR_S = 24 * 3600


def locked(left_s: float) -> Problem:
    return Problem("account_locked", retry_after_s=int(left_s) + 1)


def lock_s(failures: int) -> int:
    """How long the account is shut after so many failures, in seconds."""
    if failures < FREE_FAILURES:
        return 0
    return min(FIRST_S * (1 << min(failures - FREE_FAILURES, 10)), MOST_S)


async def fail_for_nobody(services: Services, tenant: str, email: str) -> None:
    """Counts a failure of an account that does not exist. Raises what a real one's would."""
    name = f"helios:nobody:{token_hash(f'{tenant.lower()}|{email.strip().lower()}').hex()}"
    valkey = services.valkey
    try:
        left_ms = await valkey.pttl(f"{name}:lock")
        if left_ms > 0:
            raise locked(left_ms / 1000)
        failures = int(await valkey.incr(name))
        await valkey.expire(name, COUNTED_FOR_S)
        if (shut_s := lock_s(failures)) > 0:
            await valkey.set(f"{name}:lock", b"", ex=shut_s)
    except (RedisError, OSError):
        return
