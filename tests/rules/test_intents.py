"""A tenant trains intents of its own: examples, a workflow, a second person, and the turns from then on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.api.problems import assert_problem
from tests.rules.conftest import Bank

KIND = "intents"
FEES = ["Can I pay the school fees here?", "How do I pay my daughter's tuition?", "pay school fees for my son",
        "The school wants its fees, can you send them?", "tuition fees are due, how do I pay?",
        "standing order for the kindergarten fees"]  # fmt: skip
TREES = ["Do you plant a tree for my savings?", "How many trees were planted for me?", "I want to plant a tree",
         "where is the tree that you planted", "plant trees with my bonus", "stop planting trees for me"]  # fmt: skip
OWN = [{"name": "school_fees", "examples": FEES}, {"name": "tree_planting", "examples": TREES}]
ASKED = "How can I pay the school fees of my children?"


async def draft(bank: Bank, by: str = "admin", **body: Any) -> int:
    answer = await bank.draft(by, kind=KIND, **{"base": "none", "intents": OWN, **body})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["version"])


async def trained(bank: Bank, version: int) -> Any:
    async with asyncio.timeout(120):
        while (found := await bank.get(f"/v1/intents/{version}"))["status"] == "draft":
            await asyncio.sleep(0.1)
    return found


async def publish(bank: Bank, version: int, by: str = "compliance_officer", **body: Any) -> httpx.Response:
    headers = await bank.api.staff(by)
    return await bank.api.http.post(f"/v1/intents/{version}/publish", json=body, headers=headers)


async def turn(bank: Bank, words: str = ASKED) -> tuple[str, int]:
    """What a customer's message was taken for, and by which version."""
    customer = await (await bank.api.customer()).open()
    await customer.say(words)
    told = (await bank.get(f"/v1/conversations/{customer.conversation}/provenance"))["turns"][0]
    return told["intent"]["name"], told["intents_version"]


async def test_a_tenants_own_intents_are_trained_published_and_in_its_turns_only(bank: Bank) -> None:
    assert (await bank.get("/v1/intents/1"))["status"] == "published"
    version = await draft(bank)
    found = await trained(bank, version)
    assert (found["status"], found["failure"]) == ("trained", None)
    assert found["progress"] == {"examples_total": 12, "examples_done": 12}
    assert found["report"]["accuracy"] >= 0.5
    assert (await turn(bank))[1] == 1
    assert_problem(await publish(bank, version, by="admin"), code="forbidden")
    assert (await publish(bank, version)).json()["status"] == "published"
    assert await turn(bank) == ("school_fees", version)
    assert (await bank.decide(1, "rollback", kind=KIND)).status_code == 200
    assert (await turn(bank))[1] == 1
