"""Who asks: a tenant with staff, a customer and a key, made anew as soon as an operation has ended one of them."""

from __future__ import annotations

import httpx

from helios.crypto import RootKey
from helios.database import Database
from tests.fuzz.engine import Callers
from tests.neighbour import make_neighbour

ROLES = ("admin", "agent")


class Crowd:
    def __init__(self, url: str, database: Database, root: RootKey) -> None:
        self._url, self._database, self._root = url, database, root
        self._callers: Callers | None = None

    async def get(self) -> Callers:
        """Callers who all still may, and whose conversation is still open."""
        if self._callers is None or not await self._stand(self._callers):
            self._callers = await self._new()
        return self._callers

    async def _new(self) -> Callers:
        neighbour = await make_neighbour(self._database, self._root, ROLES)
        async with neighbour.api(self._url) as api:
            customer = await (await api.customer()).open()
            await customer.say("I want to talk to a human being, please.")
            conversation = (await customer.get()).json()
            staff = [await api.staff(role) for role in ROLES]
            key = {"X-API-Key": str(neighbour.demo["api_key"])}
        ids = {"conversation_id": conversation["id"], "escalation_id": conversation["escalation_id"]}
        ids |= {"tenant_id": str(neighbour.tenant_id), "user_id": str(neighbour.users["agent"])}
        return Callers([customer.headers, *staff, key], ids)

    async def _stand(self, callers: Callers) -> bool:
        *people, key = callers.headers
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client:
            path = f"/v1/conversations/{callers.ids['conversation_id']}"
            looks = [await client.get("/v1/auth/me", headers=each) for each in people]
            looks.append(await client.get(path, headers=people[0]))
            looks.append(await client.post("/v1/customer-tokens", json={"external_id": "fuzz"}, headers=key))
        return all(each.status_code == 200 for each in looks) and looks[-2].json()["status"] != "closed"
