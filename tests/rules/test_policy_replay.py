"""A draft against past turns: each verdict that would change, counted by situation, and nobody's words in it."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios.database import Database
from tests.api.problems import assert_problem
from tests.rules.conftest import Bank

PERSON = "I want to talk to a human being, please."
CHARGE = "There is a charge of 240 dollars on my card that I did not make."


async def replay(bank: Bank, version: int, **body: Any) -> Any:
    headers = await bank.api.staff("compliance_officer")
    answer = await bank.api.http.post("/v1/policies/replay", json={"version": version, **body}, headers=headers)
    assert answer.status_code == 202, answer.text
    path = f"/v1/policies/replays/{answer.json()['id']}"
    async with asyncio.timeout(60):
        while (found := await bank.get(path))["status"] == "running":
            await asyncio.sleep(0.1)
    return found


async def test_a_draft_is_held_against_past_turns_before_it_is_published(bank: Bank, database: Database) -> None:
    conversations = []
    for words in (PERSON, CHARGE, "How do I change my address?"):
        customer = await (await bank.api.customer()).open()
        await customer.say(words)
        conversations.append(customer.conversation)
    overrides = [
        {"number": 20, "queue": "front_desk"},
        {"number": 1, "priority": "P0", "forbidden_phrases": ["a specialist will answer"]},
    ]
    version = (await bank.draft(situations=overrides)).json()["version"]
    found = await replay(bank, version)
    assert (found["against"], found["total"], found["done"], found["changed"]) == (1, 3, 3, 2)
    assert found["by_situation"] == {"1": 1, "20": 1}
    changes = {each["situation"]: each for each in found["items"]}
    assert changes[20]["conversation_id"] == conversations[0]
    assert (changes[20]["before"]["queue"], changes[20]["after"]["queue"]) == ("general", "front_desk")
    assert changes[20]["reason"] == "queue"
    assert changes[1]["reason"] == "priority, held_by"
    assert changes[1]["after"]["held_by"] == ["policy.1"]
    assert (await replay(bank, version, turns=1))["total"] == 1
    assert (await replay(bank, 1))["changed"] == 0
    assert await stored_words(database, bank.tenant_id) == 0
    headers = await bank.api.staff("admin")
    unknown = await bank.api.http.post("/v1/policies/replay", json={"version": 9}, headers=headers)
    assert_problem(unknown, code="not_found")


async def test_an_answer_that_would_have_been_held_is_told_as_such(bank: Bank) -> None:
    """Of no situation: that has a name in the counts."""
    customer = await (await bank.api.customer()).open()
    said = (await customer.say("How do I change my address?")).json()["reply"]["content"]
    phrase = " ".join(re.findall(r"[a-z]+", said)[:2])
    version = (await bank.draft(situations=[{"number": 9, "forbidden_phrases": [phrase]}])).json()["version"]
    found = await replay(bank, version)
    assert found["by_situation"] == {"none": 1}
    change = found["items"][0]
    assert (change["before"]["verdict"], change["after"]["verdict"]) == ("answer", "hold")
    assert (change["reason"], change["after"]["held_by"]) == ("verdict, held_by", ["policy.9"])


async def stored_words(database: Database, tenant_id: UUID) -> int:
    async with database.tenant(tenant_id) as connection:
        rows = await connection.execute(
            text("SELECT count(*) FROM policy_replay_changes AS t WHERE t::text ILIKE ANY ('{%human%,%charge%}')")
        )
        return int(rows.scalar_one())
