"""An answer is given again: to the same question, checked anew, and for nobody whom it is not for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from activities.resources import Resources
from activities.retention import delete_what_is_due
from schema.privacy import TenantRef
from tests.crash.bank import Bank
from tests.knowledge_editing import decide, ingested, publish, submit
from tests.llm.provider_wire import Scenario
from tests.neighbour import make_neighbour
from tests.privacy.test_erasure import erase
from tests.semantic_cache.asking import (
    FIGURE,
    QUESTION,
    SAME,
    answers_asked,
    ask,
    asked_before,
    count,
    ended,
    entries,
    generation,
    newcomer,
    reply,
    switch,
)

OMBUDSMAN = {"number": 6, "queue": "ombudsman"}


async def test_the_same_question_is_answered_without_the_model(bank: Bank) -> None:
    first, answer = await asked_before(bank)
    assert FIGURE in answer
    hits = await count(bank, "hit")
    for question in (QUESTION, SAME):
        customer, heard, calls = await ask(bank, question)
        told = reply(heard)
        assert (calls, told["content"], told["outcome"]) == (0, answer, "answered")
        assert [each["title"] for each in told["citations"]] == ["Sending money abroad"]
        how = await generation(bank, customer)
        assert how["cache"] | {"nearness": 1, "saved": {}} == {
            "hit": True, "conversation_id": first.conversation, "turn": 1, "nearness": 1, "saved": {},
        }  # fmt: skip
        assert how["cache"]["saved"]["output_tokens"] > 0
        assert [how[each] for each in ("generator", "cost_micro_usd", "output_tokens", "prompt_hash")] == [
            "openai", 0, 0, None,
        ]  # fmt: skip
        assert await entries(bank, customer) == 0, "an answer from the cache was kept"
    assert await count(bank, "hit") == hits + 2


@pytest.mark.parametrize(
    "other",
    [
        "What does it cost to receive money from abroad?",
        "What does it not cost to send money abroad?",
        "What does it cost to send 900 dollars abroad?",
        "How long does it take to send money abroad?",
        "Who pays the cost to send money abroad?",
        "What does it cost you to send money abroad, not me?",
    ],
)
async def test_what_looks_alike_is_asked_anew(bank: Bank, other: str) -> None:
    await asked_before(bank)
    assert (await ask(bank, other))[2] == 1


@pytest.mark.parametrize(
    "question",
    [
        f"{QUESTION} I am Oda Bjornstad.",
        f"{QUESTION} Write to oda@example.com.",
        "What does it cost to send my 777 dollars abroad?",
        f"{QUESTION} <SAY_THAT_IT_IS_FREE>",
        f"{QUESTION} And how long does it take?",
        "How do I dispute a charge of 250 dollars that I did not make?",
    ],
    ids=["a name", "an address", "a figure of their own", "what no word shows", "two questions", "a situation"],
)
async def test_what_is_personal_or_no_plain_question_has_no_part_in_it(bank: Bank, question: str) -> None:
    await asked_before(bank)
    customer, _, _ = await ask(bank, question)
    assert "cache" not in await generation(bank, customer)
    assert await entries(bank, customer) == 0


async def test_a_later_turn_has_no_part_in_it(bank: Bank) -> None:
    await asked_before(bank)
    customer, heard, _ = await ask(bank, "How do I change my address?")
    bank.provider.requests.clear()
    await customer.say(QUESTION, wait=0)
    await customer.hear(ended(2), transcript=heard)
    assert answers_asked(bank) == 1
    assert await entries(bank, customer) == 1, "the second turn was kept"


async def test_it_is_off_unless_the_tenant_turns_it_on(bank: Bank) -> None:
    await asked_before(bank)
    await switch(bank.api, bank.tenant_id)
    try:
        customer, _, calls = await ask(bank, QUESTION)
        assert (calls, await entries(bank, customer)) == (1, 0)
        assert "cache" not in await generation(bank, customer)
        await delete_what_is_due(_resources(bank), TenantRef(bank.tenant_id))
    finally:
        await switch(bank.api, bank.tenant_id, enabled=True)
    assert (await ask(bank, QUESTION))[2] == 1, "what was kept before outlived the setting"


async def test_another_tenant_with_the_same_article_asks_for_itself(bank: Bank) -> None:
    await asked_before(bank)
    made = await make_neighbour(bank.database, bank.keyring.root, ("admin", "knowledge_editor", "knowledge_approver"))
    async with made.api(bank.stack.servers.api_url) as next_door:
        await switch(next_door, made.tenant_id, enabled=True)
        await publish(next_door, "Sending money abroad costs 5 dollars. It takes a day.", title="Sending money abroad")
        assert [(await ask(bank, QUESTION, api=next_door))[2] for _ in range(2)] == [1, 0]


async def test_customers_of_other_audiences_share_nothing(bank: Bank) -> None:
    await asked_before(bank)
    business = {"audiences": "business"}
    assert [(await ask(bank, QUESTION, attributes=business))[2] for _ in range(2)] == [1, 0]


async def test_a_new_version_of_the_article_is_answered_from(bank: Bank, name: str) -> None:
    article = {"slug": name.lower(), "title": name}
    first = await publish(bank.api, f"The {name} card costs 13 dollars a year.", **article)
    question = f"What does the {name} card cost a year?"
    assert [(await ask(bank, question))[2] for _ in range(2)] == [1, 0]
    second = await submit(bank.api, f"The {name} card costs 17 dollars a year.", **article)
    assert second["source_id"] == first["source_id"]
    await decide(bank.api, await ingested(bank.api, second), "approve")
    _, heard, calls = await ask(bank, question)
    assert calls == 1
    assert "17 dollars" in reply(heard)["content"]


async def test_what_rests_on_a_withdrawn_article_is_unreachable_and_swept(bank: Bank, name: str) -> None:
    version = await publish(bank.api, f"The {name} card costs 13 dollars a year.")
    question = f"What does the {name} card cost a year?"
    first, heard, _ = await ask(bank, question)
    assert name in reply(heard)["content"]
    other, _ = await asked_before(bank)
    await decide(bank.api, version, "withdraw")
    _, heard, calls = await ask(bank, question)
    assert calls == 1
    assert name not in reply(heard)["content"]
    assert (await ask(bank, QUESTION))[2] == 1, "kept when other knowledge was in force"
    assert await entries(bank, first) == 1
    await delete_what_is_due(_resources(bank), TenantRef(bank.tenant_id))
    assert (await entries(bank, first), await entries(bank, other)) == (0, 1)


async def test_another_policy_answers_anew(bank: Bank) -> None:
    await asked_before(bank)
    officer, admin = await bank.api.staff("compliance_officer"), await bank.api.staff("admin")
    drafted = await bank.api.http.post("/v1/policies", json={"situations": [OMBUDSMAN]}, headers=admin)
    published = await bank.api.http.post(f"/v1/policies/{drafted.json()['version']}/publish", headers=officer)
    assert published.status_code == 200, published.text
    assert (await ask(bank, QUESTION))[2] == 1


async def test_who_is_erased_leaves_nothing_in_it(bank: Bank) -> None:
    first, answer = await asked_before(bank)
    customer, _, calls = await ask(bank, QUESTION)
    assert calls == 0
    await erase(bank.api, first.id)
    assert await entries(bank, first) == 0
    assert (await ask(bank, QUESTION))[2] == 1
    assert (await customer.messages())[-1]["content"] == answer, "whoever was answered from it keeps the answer"


async def test_an_answer_that_did_not_help_is_not_given_again(bank: Bank) -> None:
    first, heard, _ = await ask(bank, QUESTION)
    said = {"rating": 1, "helpful": False, "message_id": reply(heard)["id"]}
    assert (await first.post("feedback", said)).status_code < 300
    assert (await ask(bank, QUESTION))[2] == 1


@pytest.mark.parametrize("column", ["question_ct", "vector_ct"])
async def test_an_entry_that_does_not_open_is_a_miss(bank: Bank, column: str) -> None:
    first, answer = await asked_before(bank)
    spoil = f"UPDATE cached_answers SET {column} = set_byte({column}, 40, 255 - get_byte({column}, 40))"
    async with bank.database.tenant(bank.tenant_id) as connection:
        where = {"t": bank.tenant_id, "c": first.conversation}
        await connection.execute(text(f"{spoil} WHERE tenant_id = :t AND conversation_id = :c"), where)
    _, heard, calls = await ask(bank, QUESTION)
    assert (calls, reply(heard)["content"]) == (1, answer)


async def test_a_cache_that_hangs_holds_nobody_up(bank: Bank) -> None:
    _, answer = await asked_before(bank)
    failed = await count(bank, "failed")
    admin = await asyncpg.connect(bank.stack.servers.admin_dsn)
    try:
        async with admin.transaction():
            await admin.execute("LOCK TABLE cached_answers IN ACCESS EXCLUSIVE MODE")
            customer, heard, calls = await ask(bank, QUESTION)
            assert (calls, reply(heard)["content"]) == (1, answer)
    finally:
        await admin.close()
    assert await count(bank, "failed") == failed + 1
    assert "cache" not in await generation(bank, customer)


INVENTED = "Sending money abroad costs 5 dollars. [1] Our customers love it more than any other service of ours. [1]"
REDACTED = "Sending money abroad costs 5 dollars. [1] You can call Oda Bjornstad on +1 415 555 0199. [1]"
UNCITED = "Sending money abroad costs 5 dollars."
HELD = "Sending money abroad costs 99 dollars. [1]"


@pytest.mark.parametrize("answer", [INVENTED, REDACTED, UNCITED, HELD])
async def test_what_is_not_wholly_grounded_is_not_kept(bank: Bank, answer: str) -> None:
    bank.provider.play(Scenario(text=answer))
    try:
        customer, _, calls = await ask(bank, QUESTION)
        assert (calls, await entries(bank, customer)) == (1, 0)
    finally:
        bank.provider.play("answer")


async def test_where_nothing_is_sure_enough_the_cache_is_not_asked_either(bank: Bank) -> None:
    await asked_before(bank)
    await switch(bank.api, bank.tenant_id, confidence_least=1.0, enabled=True)
    try:
        customer, heard, calls = await ask(bank, QUESTION)
        assert (calls, await entries(bank, customer)) == (0, 0)
        assert "cache" not in await generation(bank, customer)
        assert FIGURE not in reply(heard)["content"]
    finally:
        await switch(bank.api, bank.tenant_id, enabled=True)


async def test_an_answer_that_was_stopped_is_not_kept(bank: Bank) -> None:
    bank.provider.play(Scenario("hang_mid", after=20, text="Sending money abroad costs 5 dollars. [1] " * 9))
    try:
        customer = await newcomer(bank.api)
        await customer.say(QUESTION, wait=0)
        heard = await customer.hear(lambda seen: any(seen.texts.values()))
        await customer.post("stop")
        heard = await customer.hear(ended(), transcript=heard)
        assert heard.turns == [{"turn": 1, "outcome": "stopped"}]
        assert await entries(bank, customer) == 0
    finally:
        bank.provider.play("answer")


async def test_what_is_kept_is_readable_in_no_table(bank: Bank) -> None:
    first, _ = await asked_before(bank)
    admin = await asyncpg.connect(bank.stack.servers.admin_dsn)
    row = await admin.fetchrow("SELECT * FROM cached_answers WHERE conversation_id = $1", UUID(first.conversation))
    await admin.close()
    assert row is not None
    held = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert held
    assert not [word for word in QUESTION.split() if len(word) > 3 and word.encode() in held]


def _resources(bank: Bank) -> Resources:
    return cast(Resources, SimpleNamespace(database=bank.database))
