"""Who asks: a tenant's people, a customer, a key, and the platform's operator.

Cases end what they are about. Things that exist are made anew after each operation that changes them, the people as
soon as one of them cannot go on; what the operator suspends and deletes are tenants that are there for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helios.crypto import RootKey
from helios.database import Database
from tests.caller import Api, Customer
from tests.fuzz.engine import Caller
from tests.fuzz.operations import Operation
from tests.fuzz.things import Things
from tests.neighbour import Neighbour, make_neighbour

LOOKS = {
    "admin": "users",
    "agent": "escalations",
    "auditor": "audit/events",
    "compliance_officer": "policies",
    "knowledge_approver": "knowledge/sources",
    "knowledge_editor": "knowledge/sources",
    "platform_admin": "tenants",
}
"""What each of them asks for, to see whether they still may."""
OPERATOR = "platform_admin"
STAFF = tuple(role for role in LOOKS if role != OPERATOR)
ETAGS = [f'"{version}"' for version in range(1, 9)]


class Crowd:
    """`each`: how many things of a kind an operation finds."""

    def __init__(self, url: str, database: Database, root: RootKey, each: int) -> None:
        self._url, self._database, self._root, self._each = url, database, root, each
        self._people: People | None = None

    async def get(self, operation: Operation) -> list[Caller]:
        """Callers who all still may, and what exists of that which the operation takes."""
        if self._people is None or not await self._people.stand():
            await self.close()
            self._people = await self._new()
        return await self._people.callers(operation)

    async def close(self) -> None:
        if self._people is not None:
            await self._people.leave()

    async def _new(self) -> People:
        bank = await make_neighbour(self._database, self._root, STAFF)
        platform = await make_neighbour(self._database, self._root, (OPERATOR,))
        api = bank.api(self._url)
        customer = await api.customer()
        things = Things(self._database, self._root, bank, api, customer, self._each)
        return People(bank, api, platform.api(self._url), customer, things)


class People:
    def __init__(self, bank: Neighbour, api: Api, platform: Api, customer: Customer, things: Things) -> None:
        self._bank, self._api, self._platform = bank, api, platform
        self._customer, self._things = customer, things
        self._key = {"X-API-Key": str(bank.demo["api_key"])}

    async def leave(self) -> None:
        await self._api.http.aclose()
        await self._platform.http.aclose()

    async def stand(self) -> bool:
        """Whether all still get what is theirs: nobody is signed out, shut out or under a limit."""
        get, post = self._api.http.get, self._api.http.post
        looks = [await get(f"/v1/{path}", headers=await self._staff(role)) for role, path in LOOKS.items()]
        looks.append(await get("/v1/conversations", headers=self._customer.headers))
        looks.append(await post("/v1/customer-tokens", json={"external_id": "fuzz"}, headers=self._key))
        return all(look.status_code == 200 for look in looks)

    async def callers(self, operation: Operation) -> list[Caller]:
        known: Mapping[str, Sequence[str]] = {
            **await self._things.of(operation),
            "If-Match": ETAGS,
            "X-API-Key": [self._key["X-API-Key"]],
        }
        others = known.get("tenant_id", [])
        own = {**known, "tenant_id": [str(self._bank.tenant_id), *others[:1]]}
        return [
            Caller(frozenset({"customer"}), self._customer.headers, own),
            Caller(frozenset(), self._key, own),
            *[Caller(frozenset({role}), await self._staff(role), own) for role in STAFF],
            Caller(frozenset({OPERATOR}), await self._staff(OPERATOR), known),
        ]

    async def _staff(self, role: str) -> dict[str, str]:
        return await (self._platform if role == OPERATOR else self._api).staff(role)
