"""Customers whose answers rest on a withdrawn version are told of it: once, in their language, or by a person."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api, Customer
from tests.knowledge_editing import decide, path, publish
from tests.neighbour import make_neighbour

EVENTS = text(
    "SELECT action FROM audits WHERE tenant_id = :t AND action LIKE '%correct%' AND subject_id = :c "
    "UNION ALL SELECT action FROM audits WHERE tenant_id = :t AND action LIKE '%follow_up%' AND subject_id = :s"
)
ERASURE_RUNS = "UPDATE customers SET frozen_at = now() WHERE id = :c"
STOP_CONTACT = "UPDATE turns SET record = record || '{\"situations\": [17]}' WHERE conversation_id = :c"


@dataclass(slots=True)
class Article:
    """One of 13 euros, and a way to ask for them."""

    version: dict[str, Any]
    question: str
    answer: str

    async def told(self, api: Api) -> Customer:
        """A customer who was given an answer that rests on it."""
        customer = await (await api.customer()).open(locale="de")
        reply = (await customer.say(self.question)).json()["reply"]
        assert [each["source_id"] for each in reply["citations"]] == [self.version["source_id"]]
        assert self.answer in reply["content"]
        return customer


async def article(api: Api) -> Article:
    name = f"Kea{uuid4().hex[:8]}"
    said = f"Die {name}-Karte kostet 13 Euro im Jahr."
    version = await publish(api, said, title=f"Die {name}-Karte", language="de")
    return Article(version, f"Was kostet die {name}-Karte im Jahr?", "13 Euro")


async def ask(api: Api, version: dict[str, Any], by: str = "knowledge_approver", **body: Any) -> dict[str, Any]:
    answer = await api.http.post(f"{path(version)}/follow-ups", json=body, headers=await api.staff(by))
    assert answer.status_code == (200 if body.get("dry_run") else 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def done(api: Api, follow_up: dict[str, Any]) -> dict[str, Any]:
    """The follow-up as soon as it has ended."""
    async with asyncio.timeout(60):
        while True:
            answer = await api.http.get(f"{path(follow_up)}/follow-ups", headers=await api.staff("knowledge_approver"))
            (found,) = [each for each in answer.json()["items"] if each["id"] == follow_up["id"]]
            if found["status"] == "done":
                return dict(found)
            await asyncio.sleep(0.1)


async def corrections(customer: Customer, title: str) -> list[dict[str, Any]]:
    return [each for each in await customer.messages() if each["role"] == "system" and title in each["content"]]


async def test_each_customer_is_told_once_and_some_by_a_person(
    api: Api, database: Database, tenant_id: UUID, next_door: Api
) -> None:
    kea = await article(api)
    open_, closed, held, silent, erased = await asyncio.gather(*(kea.told(api) for _ in range(5)))
    officer = await api.staff("compliance_officer")
    assert (await closed.post("close")).status_code == 200
    hold = {"customer_id": held.id, "matter": "A case"}
    assert (await api.http.post("/v1/privacy/legal-holds", json=hold, headers=officer)).status_code == 201
    async with database.tenant(tenant_id) as connection:
        await connection.execute(text(STOP_CONTACT), {"c": UUID(silent.conversation)})
        await connection.execute(text(ERASURE_RUNS), {"c": UUID(erased.id)})
    early = await api.http.post(f"{path(kea.version)}/follow-ups", headers=await api.staff("knowledge_approver"))
    assert (early.status_code, early.json()["code"]) == (409, "version_conflict")
    assert (await decide(api, kea.version, "withdraw")).status_code == 200

    tried = await ask(api, kea.version, dry_run=True)
    planned = {"message": 1, "closed": 1, "legal_hold": 1, "no_contact": 1}
    assert (tried["conversations"], tried["customers"], tried["planned"]) == (4, 4, planned)
    theirs = await next_door.http.post(f"{path(kea.version)}/follow-ups", headers=await next_door.staff("admin"))
    assert theirs.status_code == 404
    ended = await done(api, await ask(api, kea.version))
    assert ended["progress"] == {"pending": 0, "told": 1, "person": 3, "left_out": 0}
    again = await done(api, await ask(api, kea.version))
    assert again["conversations"] == 0

    title = kea.version["title"]
    (correction,) = await corrections(open_, title)
    assert (correction["language"], correction["citations"]) == ("de", [])
    assert "zurückgezogen" in correction["content"]
    heard = await open_.hear(lambda seen: correction["id"] in seen.completed)
    assert heard.differences() == []
    for customer in (closed, held, silent):
        assert await corrections(customer, title) == []
        (made,) = await provenance(api, customer)
        assert made["status"] == "person"
        found = await api.http.get(f"/v1/escalations/{made['escalation_id']}", headers=await api.staff("agent"))
        wanted = "general" if customer is closed else "legal"
        assert (found.json()["reason"], found.json()["queue"]) == ("knowledge_withdrawn", wanted)
        assert title in found.json()["summary"]
    (made,) = await provenance(api, open_)
    assert (made["status"], made["message_id"], made["because"]) == ("told", correction["id"], None)
    async with database.tenant(tenant_id) as connection:
        where = {"t": tenant_id, "c": UUID(open_.conversation), "s": UUID(kea.version["source_id"])}
        events = sorted(await connection.scalars(EVENTS, where))
    asked = ["knowledge.follow_up_asked", "knowledge.follow_up_done"]
    assert events == sorted(["conversation.corrected", *asked, *asked])
    await an_agent_tells(api, closed)
    cited = await api.http.get(f"{path(kea.version)}/citations", headers=await api.staff("knowledge_editor"))
    assert Counter(each["follow_up"] for each in cited.json()["items"]) == {"person": 3, "told": 1, None: 1}


async def an_agent_tells(api: Api, customer: Customer) -> None:
    """In a closed conversation: what the agent writes is all that the customer hears of it, and it stays closed."""
    (made,) = await provenance(api, customer)
    agent, base = await api.staff("agent"), f"/v1/escalations/{made['escalation_id']}"
    before, words = len(await customer.messages()), "Our answer of last week was wrong, and we are sorry."
    for step, body in (
        ("claim", {}),
        ("decision", {"action": "respond", "content": words}),
        ("decision", {"action": "hand_back"}),
    ):
        answer = await api.http.post(f"{base}/{step}", json=body, headers=agent)
        assert answer.status_code == 200, answer.text
    said = await customer.messages()
    assert [(each["role"], each["content"]) for each in said[before:]] == [("agent", words)]
    assert (await customer.get()).json()["status"] == "closed"
    types = {each async for each in told_after_closing(customer)}
    assert types == {"message.delta", "message.completed"}


async def told_after_closing(customer: Customer) -> AsyncIterator[str]:
    """The events that came after the conversation was closed, up to the agent's words."""
    closed = False
    async with aclosing(customer.events()) as events:
        async for event in events:
            if closed:
                yield event.type
            closed = closed or event.type == "conversation.closed"
            if event.type == "message.completed" and event.data["role"] == "agent":
                return


async def provenance(api: Api, customer: Customer) -> list[dict[str, Any]]:
    answer = await api.http.get(f"{customer.path}/provenance", headers=await api.staff("agent"))
    found: list[dict[str, Any]] = answer.json()["corrections"]
    return found


async def test_the_tenant_may_want_a_person_to_tell(stack: Stack, database: Database, keyring: Keyring) -> None:
    """The customer reads at once that the answer is withdrawn, and by when a person writes."""
    bank = await make_neighbour(database, keyring.root, ("admin", "agent", "knowledge_editor", "knowledge_approver"))
    async with bank.api(stack.servers.api_url) as api:
        kea = await article(api)
        customer = await kea.told(api)
        settings = f"/v1/tenants/{bank.tenant_id}/settings"
        headers = {**await api.staff("admin"), "If-Match": '"1"'}
        changed = await api.http.patch(settings, json={"corrections": "person"}, headers=headers)
        assert changed.status_code == 200, changed.text
        await decide(api, kea.version, "withdraw")
        assert (await ask(api, kea.version, dry_run=True))["planned"] == {"policy": 1}
        await done(api, await ask(api, kea.version))
        (notice,) = await corrections(customer, kea.version["title"])
        assert "Ein Mensch aus unserem Team schreibt Ihnen dazu" in notice["content"]
        conversation = (await customer.get()).json()
        assert conversation["status"] == "waiting_human"
        (made,) = await provenance(api, customer)
        assert made["escalation_id"] == conversation["escalation_id"]
        decision = f"/v1/escalations/{made['escalation_id']}/decision"
        handed_back = await api.http.post(decision, json={"action": "hand_back"}, headers=await api.staff("agent"))
        assert handed_back.status_code == 200, handed_back.text
        assert (await customer.get()).json()["status"] == "active"


@pytest.mark.parametrize("role", ["knowledge_editor", "agent"])
async def test_others_may_not_ask_for_it(api: Api, role: str) -> None:
    answer = await api.http.post(
        f"/v1/knowledge/sources/{uuid4()}/versions/1/follow-ups", json={}, headers=await api.staff(role)
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
