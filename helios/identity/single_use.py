"""What waits in Valkey for somebody to come back with a code: sealed with its tenant's key, named by the code's hash,
good once and for a short time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from helios.crypto import TenantKeys, token_hash


@dataclass(frozen=True, slots=True)
class SingleUse:
    """`kind` names what waits. Raises what Valkey's client raises."""

    valkey: Redis
    kind: str
    lifetime_s: int

    async def put(self, keys: TenantKeys, value: Any) -> str:
        """The code, `TENANT.SECRET`."""
        code = f"{keys.tenant_id.hex}.{secrets.token_urlsafe(32)}"
        name = self._name(keys.tenant_id, code)
        await self.valkey.set(name, keys.seal_json(value, self.kind, name), ex=self.lifetime_s)
        return code

    async def look(self, keys: TenantKeys, code: str) -> Any | None:
        """What waits; it goes on waiting."""
        name = self._name(keys.tenant_id, code)
        return self._opened(keys, name, await self.valkey.get(name))

    async def take(self, keys: TenantKeys, code: str) -> Any | None:
        """What waited. Of two who take it one gets None."""
        name = self._name(keys.tenant_id, code)
        return self._opened(keys, name, await self.valkey.getdel(name))

    def _opened(self, keys: TenantKeys, name: str, held: Any) -> Any | None:
        return None if held is None else keys.open_json(held, self.kind, name)

    def _name(self, tenant_id: UUID, code: str) -> str:
        return f"helios:{self.kind}:{tenant_id}:{token_hash(code).hex()}"


def tenant_of(code: str) -> UUID | None:
    """The tenant that a code names; nothing of it is proven."""
    try:
        return UUID(hex=code.split(".")[0])
    except ValueError:
        return None
