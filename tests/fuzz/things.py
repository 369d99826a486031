"""What exists for the callers, by the name that operations give it: conversations, people, keys, sources, tenants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from helios import staff
from helios.crypto import RootKey
from helios.database import Database
from helios.ids import new_id
from helios.tenant_keys import read_keys
from tests.analytics.gaps import bare_gap
from tests.caller import Api, Customer
from tests.fuzz.operations import Operation
from tests.knowledge_editing import ingested, submit
from tests.making import (
    added_suite,
    cleaned_change,
    done_evaluation,
    done_replay,
    drafted,
    looked_at_sitemap,
    privacy_things,
    running_ticket,
)
from tests.neighbour import Neighbour, make_neighbour
from tests.reports.keeping import kept_report

SAID = ("I want to talk to a human being, please.", "How do I order a new card?")
READS = ("GET ", "HEAD ")

Known = dict[str, Sequence[str]]


class Things:
    def __init__(
        self, database: Database, root: RootKey, bank: Neighbour, api: Api, customer: Customer, each: int
    ) -> None:
        self._database, self._root = database, root
        self._bank, self._api, self._customer, self._each = bank, api, customer, each
        self._made: dict[str, Known] = {}
        self._makers: dict[str, Callable[[], Awaitable[Known]]] = {
            "conversation_id": self._conversations,
            "escalation_id": self._conversations,
            "source_id": self._sources,
            "sitemap_id": self._sitemaps,
            "change_id": self._changes,
            "gap_id": self._gaps,
            "tenant_id": self._tenants,
            "user_id": self._users,
            "api_key_id": self._api_keys,
            "invitation_id": self._invitations,
            "session_id": self._sessions,
            "event_id": self._events,
            "scheduled_report_id": self._reports,
            "ticket_id": self._tickets,
            "replay_id": self._replays,
            "suite_id": self._suites,
            "evaluation_id": self._evaluations,
            "version": self._drafts,
            "request_id": self._privacy,
            "hold_id": self._privacy,
            "record_id": self._privacy,
            "customer_id": self._privacy,
        }

    async def of(self, operation: Operation) -> Known:
        """What exists of that which the operation takes. An operation that changes it has it for itself."""
        known: Known = {}
        for name in operation.names & self._makers.keys():
            if name not in self._made:
                self._made[name] = await self._makers[name]()
            known |= self._made[name]
            if not operation.label.startswith(READS):
                del self._made[name]
        return known

    async def _conversations(self) -> Known:
        """Some with an escalation and some without, each with a message."""
        read: list[dict[str, Any]] = []
        messages: list[str] = []
        for n in range(self._each):
            await self._customer.open()
            await self._customer.say(SAID[n % len(SAID)])
            read.append((await self._customer.get()).json())
            messages.append((await self._customer.messages())[-1]["id"])
        return {
            "conversation_id": [each["id"] for each in read],
            "escalation_id": [each["escalation_id"] for each in read if each["escalation_id"]],
            "message_id": messages,
            "agent_id": [str(self._bank.users["agent"])],
        }

    async def _sources(self) -> Known:
        made = [await submit(self._api, f"# Fees\n\nThe fee number {n} is {n} euros.") for n in range(self._each)]
        for version in made:
            await ingested(self._api, version)
        return {"source_id": [each["source_id"] for each in made], "number": ["1", "1", "2"], "against": ["1"]}

    async def _sitemaps(self) -> Known:
        return {"sitemap_id": await self._one_by_one(looked_at_sitemap)}

    async def _changes(self) -> Known:
        return {"change_id": await self._one_by_one(cleaned_change)}

    async def _gaps(self) -> Known:
        return {"gap_id": [await bare_gap(self._database, self._bank.tenant_id) for _ in range(self._each)]}

    async def _tickets(self) -> Known:
        return {"ticket_id": await self._one_by_one(running_ticket)}

    async def _replays(self) -> Known:
        return {"replay_id": await self._one_by_one(done_replay)}

    async def _suites(self) -> Known:
        return {"suite_id": await self._one_by_one(added_suite)}

    async def _evaluations(self) -> Known:
        return {"evaluation_id": await self._one_by_one(done_evaluation)}

    async def _drafts(self) -> Known:
        newest = int(await drafted(self._api, await self._api.staff("admin"), self._each))
        return {"version": [str(newest - n) for n in range(self._each)]}

    async def _privacy(self) -> Known:
        admin = await self._api.staff("admin")
        made = [await privacy_things(self._api, admin) for _ in range(self._each)]
        return {name: [each[name] for each in made] for name in made[0]}

    async def _one_by_one(self, make: Callable[[Api, dict[str, str]], Awaitable[str]]) -> list[str]:
        admin = await self._api.staff("admin")
        return [await make(self._api, admin) for _ in range(self._each)]

    async def _tenants(self) -> Known:
        made = [await make_neighbour(self._database, self._root, ()) for _ in range(self._each)]
        return {"tenant_id": [str(each.tenant_id) for each in made]}

    async def _users(self) -> Known:
        """People who never sign in."""
        made = [new_id() for _ in range(self._each)]
        async with self._database.tenant(self._bank.tenant_id) as connection:
            keys = await read_keys(connection, self._root, self._bank.tenant_id)
            for user_id in made:
                email = f"{user_id}@{self._bank.slug}.example"
                await staff.add(connection, keys, user_id, email=email, display_name="Nora Nobody", password_hash="",
                                roles=["supervisor"])  # fmt: skip
        return {"user_id": [str(each) for each in made]}

    async def _api_keys(self) -> Known:
        return {"api_key_id": await self._post("api-keys", {"name": "fuzz", "scopes": ["customer_tokens"]})}

    async def _invitations(self) -> Known:
        return {"invitation_id": await self._post("users", {"roles": ["agent"]}, email=True)}

    async def _sessions(self) -> Known:
        user = self._api.demo["users"]["agent"]
        await self._api.http.post("/v1/auth/login", json={"tenant": self._api.demo["tenant"], **user})
        return {"session_id": await self._get("auth/sessions", "agent")}

    async def _reports(self) -> Known:
        periods = [f"2020-{n % 12 + 1:02}" for n in range(min(self._each, 12))]
        return {
            "scheduled_report_id": [
                await kept_report(self._database, self._root, self._bank.tenant_id, each) for each in periods
            ]
        }

    async def _events(self) -> Known:
        return {"event_id": await self._get("audit/events", "auditor")}

    async def _post(self, path: str, body: dict[str, Any], *, email: bool = False) -> list[str]:
        headers, ids = await self._api.staff("admin"), []
        for _ in range(self._each):
            own = {"email": f"{uuid4().hex}@{self._bank.slug}.example"} if email else {}
            answer = await self._api.http.post(f"/v1/{path}", json={**body, **own}, headers=headers)
            ids.append(answer.raise_for_status().json()["id"])
        return ids

    async def _get(self, path: str, role: str) -> list[str]:
        headers, params = await self._api.staff(role), {"limit": self._each}
        answer = await self._api.http.get(f"/v1/{path}", params=params, headers=headers)
        return [each["id"] for each in answer.raise_for_status().json()["items"]]
