"""What nobody could answer is found, grouped by what it asks, and shown without anybody's words being recognisable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.analytics.gaps import PATH, ask, look, read
from tests.caller import Api, Customer
from tests.neighbour import make_neighbour
from tests.privacy.test_erasure import erase

ROLES = ("admin", "analyst", "agent", "compliance_officer", "knowledge_editor", "knowledge_approver")
CRYPTO = (
    "Can I buy bitcoin with my account?",
    "Do you let me buy bitcoin from my account? My name is Zacharias Zwiebelmann.",
    "How do I buy some bitcoin from my account here?",
)
OTHER = "Is there a discount on theatre tickets?"


@pytest.fixture(scope="module")
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Api]:
    """A tenant without any knowledge: nothing that is asked here is answered."""
    made = await make_neighbour(database, keyring.root, ROLES)
    async with made.api(stack.servers.api_url) as api:
        yield api


@pytest.fixture(scope="module")
async def asked(bank: Api) -> list[Customer]:
    return await ask(bank, *CRYPTO, OTHER)


@pytest.fixture(scope="module")
async def gaps(bank: Api, asked: list[Customer]) -> list[dict[str, Any]]:
    return await look(bank, lambda found: sum(each["questions"] for each in found) == len(asked))


def test_who_asks_the_same_in_other_words_is_in_one_gap(gaps: list[dict[str, Any]]) -> None:
    assert [(each["questions"], each["customers"]) for each in gaps] == [(3, 3), (1, 1)]
    assert (gaps[0]["languages"], gaps[0]["channels"]) == ({"en": 3}, {"web": 3})
    assert (gaps[0]["causes"], gaps[0]["status"]) == ({"declined": 3}, "open")
    assert sum(each["questions"] for each in gaps[0]["trend"]) == 3


def test_words_are_shown_redacted_and_only_of_what_several_asked(gaps: list[dict[str, Any]]) -> None:
    shared, single = gaps
    assert set(shared["title"].split()) == {"buy", "bitcoin", "account"}
    assert len(shared["examples"]) == 3
    assert not [words for words in shared["examples"] if "Zwiebelmann" in words]
    assert [words for words in shared["examples"] if "<PERSON_1>" in words]
    assert (single["title"], single["examples"]) == (None, [])


async def test_a_filter_that_leaves_too_few_customers_leaves_no_words(
    bank: Api, gaps: list[dict[str, Any]], asked: list[Customer]
) -> None:
    found = (await read(bank, **{"from": gaps[0]["last_asked_at"]}))["items"]
    (shared,) = [each for each in found if each["id"] == gaps[0]["id"]]
    assert (shared["customers"], shared["title"], shared["examples"]) == (1, None, [])
    assert (await read(bank, language="de"))["items"] == []
    assert (await read(bank, status="solved"))["items"] == []


async def test_another_tenant_sees_nothing_and_an_agent_may_not_look(
    bank: Api, gaps: list[dict[str, Any]], next_door: Api
) -> None:
    assert (await read(next_door, by="admin"))["items"] == []
    answer = await bank.http.get(PATH, headers=await bank.staff("agent"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_whoever_is_erased_takes_their_question_along(
    stack: Stack, bank: Api, gaps: list[dict[str, Any]], asked: list[Customer]
) -> None:
    await erase(bank, asked[0].id)
    admin = await asyncpg.connect(stack.servers.admin_dsn)
    kept = await admin.fetchval("SELECT count(*) FROM gap_questions WHERE conversation_id = $1", asked[0].conversation)
    await admin.close()
    assert kept == 0
    (shared, _) = (await read(bank))["items"]
    assert (shared["id"], shared["customers"], shared["examples"]) == (gaps[0]["id"], 2, [])
    again = await look(bank, lambda found: True)
    assert {each["id"]: each["questions"] for each in again} == {gaps[0]["id"]: 2, gaps[1]["id"]: 1}
