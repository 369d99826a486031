"""What nobody could answer is found, grouped by what it asks, and shown without anybody's words being recognisable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.knowledge.gap_draft import BLANK
from tests.analytics.gaps import PATH, ask, look, read
from tests.caller import Api, Customer
from tests.knowledge_editing import decide, ingested, submit
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
    """Of the second an agent takes over."""
    customers = await ask(bank, *CRYPTO, OTHER)
    assert (await customers[1].say("I want to talk to a human being, please.")).json()["outcome"] == "escalated"
    agent, base = await bank.staff("agent"), f"/v1/escalations/{(await customers[1].get()).json()['escalation_id']}"
    assert (await bank.http.post(f"{base}/claim", headers=agent)).status_code == 200
    words = {"action": "respond", "content": "Dear Zacharias Zwiebelmann, we do not sell bitcoin to anybody."}
    assert (await bank.http.post(f"{base}/decision", json=words, headers=agent)).status_code == 200
    return customers


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


async def test_a_draft_has_what_agents_answered_and_blanks_and_is_not_approved_with_them(
    bank: Api, gaps: list[dict[str, Any]]
) -> None:
    editor, path_of = await bank.staff("knowledge_editor"), f"{PATH}/{gaps[0]['id']}/draft"
    drafted = await bank.http.post(path_of, headers=editor)
    assert drafted.status_code == 202, drafted.text
    again = await bank.http.post(path_of, headers=editor)
    assert (again.status_code, again.json()) == (200, drafted.json())
    version = await ingested(bank, drafted.json())
    assert (version["status"], version["visibility"]) == ("pending_review", "public")
    assert "we do not sell bitcoin to anybody" in version["content"]
    assert "Zwiebelmann" not in version["content"]
    assert version["content"].count(BLANK) == 4
    assert [words for words in CRYPTO if words in version["content"]] == [CRYPTO[0], CRYPTO[2]]
    refused = await decide(bank, version, "approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "version_conflict")
    (shared,) = (await read(bank, status="drafted"))["items"]
    assert (shared["id"], shared["draft"]) == (gaps[0]["id"], drafted.json())


async def test_what_one_customer_asked_becomes_no_draft_and_can_be_dismissed(
    bank: Api, gaps: list[dict[str, Any]]
) -> None:
    editor, path_of = await bank.staff("knowledge_editor"), f"{PATH}/{gaps[1]['id']}"
    refused = await bank.http.post(f"{path_of}/draft", headers=editor)
    assert (refused.status_code, refused.json()["code"]) == (409, "gap_too_small")
    changed = await bank.http.put(f"{path_of}/status", json={"status": "dismissed"}, headers=editor)
    assert (changed.status_code, changed.json()) == (200, {"status": "dismissed"})
    assert [each["id"] for each in (await read(bank, status="dismissed"))["items"]] == [gaps[1]["id"]]


async def test_a_gap_closes_itself_once_an_article_answers_it_and_opens_when_that_goes(
    bank: Api, gaps: list[dict[str, Any]]
) -> None:
    """The dismissed one stays what somebody made of it."""
    draft = (await read(bank, status="drafted"))["items"][0]["draft"]
    text = "You cannot buy bitcoin with or from your account. We do not sell bitcoin or any other crypto currency."
    written = await submit(bank, text, title="Buying bitcoin", source_id=draft["source_id"])
    assert (await decide(bank, await ingested(bank, written), "approve")).status_code == 200
    states = await look(bank, lambda found: "solved" in {each["status"] for each in found})
    assert {each["id"]: each["status"] for each in states} == {gaps[0]["id"]: "solved", gaps[1]["id"]: "dismissed"}
    assert states[0]["nearest"][0]["title"] == "Buying bitcoin"
    assert (await decide(bank, written, "withdraw")).status_code == 200
    states = await look(bank, lambda found: "solved" not in {each["status"] for each in found})
    assert states[0]["status"] == "drafted"


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
