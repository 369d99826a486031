"""Customers who ask what was asked before, and whether the model was asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.caller import Api, Customer, Transcript
from tests.crash.bank import Bank
from tests.crash.points import is_local

QUESTION = "What does it cost to send money abroad?"
SAME = "how much does it cost to send money abroad"
FIGURE = "5 dollars"
DRAFT = "What do we do about"
ENTRIES = text("SELECT count(*) FROM cached_answers WHERE tenant_id = :t AND conversation_id = :c")


async def switch(api: Api, tenant_id: UUID, confidence_least: float = 0.0, **settings: Any) -> None:
    """Sets the tenant's cache, and how sure its answers must be."""
    headers = await api.staff("admin")
    path = f"/v1/tenants/{tenant_id}/settings"
    version = (await api.http.get(path, headers=headers)).headers["etag"]
    changed = await api.http.patch(
        path,
        json={"semantic_cache": settings or None, "confidence_least": confidence_least},
        headers={**headers, "If-Match": version},
    )
    assert changed.status_code == 200, changed.text


async def newcomer(api: Api, **about: Any) -> Customer:
    """A customer with a conversation that the provider answers."""
    while True:
        customer = await (await api.customer(**about)).open()
        if not is_local(UUID(customer.conversation)):
            return customer


async def ask(bank: Bank, question: str, *, api: Api | None = None, **about: Any) -> tuple[Customer, Transcript, int]:
    """A newcomer asks: the customer, all that was heard, and how often the provider was asked."""
    bank.provider.requests.clear()
    customer = await newcomer(api or bank.api, **about)
    assert (await customer.say(question, wait=0)).status_code == 202
    heard = await customer.hear(ended())
    return customer, heard, answers_asked(bank)


def answers_asked(bank: Bank) -> int:
    """How often the provider was asked for an answer, and not for a draft that helps an agent."""
    return sum(DRAFT not in each.text for each in bank.provider.requests)


def ended(turn: int = 1) -> Callable[[Transcript], bool]:
    return lambda heard: any(each["turn"] == turn for each in heard.turns)


def reply(heard: Transcript) -> dict[str, Any]:
    """The one reply, of which every word was streamed."""
    (found,) = [each for each in heard.completed.values() if each["role"] == "assistant"]
    assert heard.differences() == []
    return found


async def generation(bank: Bank, customer: Customer, api: Api | None = None) -> dict[str, Any]:
    """How the first turn's answer came about."""
    asked = api or bank.api
    answer = await asked.http.get(f"{customer.path}/provenance", headers=await asked.staff("supervisor"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["turns"][0]["generation"]
    return found


async def count(bank: Bank, outcome: str) -> int:
    """What the metrics say."""
    line = f'helios_semantic_cache_total{{outcome="{outcome}"}} '
    shown = (await bank.api.http.get("/metrics")).text.splitlines()
    return next((int(each.removeprefix(line)) for each in shown if each.startswith(line)), 0)


async def entries(bank: Bank, customer: Customer) -> int:
    async with bank.database.tenant(bank.tenant_id) as connection:
        where = {"t": bank.tenant_id, "c": customer.conversation}
        return int((await connection.execute(ENTRIES, where)).scalar_one())


async def asked_before(bank: Bank) -> tuple[Customer, str]:
    """The question was answered, and the answer kept: whoever asked, and the answer."""
    first, heard, calls = await ask(bank, QUESTION)
    assert calls == 1
    assert await entries(bank, first) == 1
    return first, reply(heard)["content"]
