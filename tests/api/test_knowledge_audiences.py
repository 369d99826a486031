"""Sources for some customers only: others neither find them nor get an answer out of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.caller import Api
from tests.knowledge_editing import publish, search


@pytest.fixture(scope="module")
async def word(api: Api) -> str:
    """What only an article for business and premium customers holds."""
    word = f"Wombat{uuid4().hex[:8]}"
    text = f"The {word} plan costs 12 dollars a month."
    await publish(api, text, title=f"The {word} plan", audiences=["business", "premium"], category=word)
    return word


@pytest.mark.parametrize(
    ("told", "finds"),
    [("business", True), ("retail, premium", True), ("retail", False), ("BUSINESS", False), ("", False)],
)
async def test_only_customers_of_an_audience_find_it(api: Api, word: str, told: str, finds: bool) -> None:
    customer = await api.customer(attributes={"audiences": told})
    found = await search(api, f"{word} plan", headers=customer.headers)
    assert any(word in each["text"] for each in found) is finds
    widened = await search(api, f"{word} plan", headers=customer.headers, filters={"audiences": ["business"]})
    assert any(word in each["text"] for each in widened) is finds


async def test_an_answer_rests_on_it_for_them_alone(api: Api, word: str) -> None:
    question, answers = f"How much does the {word} plan cost a month?", {}
    for audience in ("business", "retail"):
        customer = await (await api.customer(attributes={"audiences": audience})).open()
        await customer.say(question)
        answers[audience] = (await customer.messages())[-1]
    assert "12 dollars" in answers["business"]["content"]
    assert "url" not in answers["business"]["citations"][0]
    assert "12 dollars" not in answers["retail"]["content"]
    assert word not in str(answers["retail"]["citations"])


async def test_who_has_left_an_audience_finds_it_no_more(api: Api, word: str) -> None:
    name = f"test-{uuid4()}"
    before = await api.customer(name, attributes={"audiences": "premium"})
    assert await search(api, f"{word} plan", headers=before.headers, filters={"category": word})
    after = await api.customer(name, attributes={})
    assert not await search(api, f"{word} plan", headers=after.headers, filters={"category": word})


async def test_staff_see_all_or_what_an_audience_sees(api: Api, word: str) -> None:
    agent = await api.staff("agent")
    for audiences, finds in ((None, True), (["business"], True), (["retail"], False), ([], False)):
        filters = {"category": word} | ({"audiences": audiences} if audiences is not None else {})
        assert bool(await search(api, f"{word} plan", headers=agent, filters=filters)) is finds


async def test_what_changed_since_a_moment(api: Api, word: str) -> None:
    agent, now = await api.staff("agent"), datetime.now(UTC)
    for since, finds in ((now - timedelta(hours=1), True), (now + timedelta(hours=1), False)):
        filters = {"category": word, "changed_since": since.isoformat()}
        assert bool(await search(api, f"{word} plan", headers=agent, filters=filters)) is finds
