"""One turn as a customer meets it, on the real stack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import pytest

from api.conversation_examples import PROVENANCE
from helios.settings import PROJECT
from helios.texts import text
from tests.caller import Api, Customer, Heard, Transcript


def turn_ended(number: int = 1) -> Callable[[Transcript], bool]:
    return lambda heard: any(turn["turn"] == number for turn in heard.turns)


async def test_an_answer_is_streamed_and_cited(api: Api) -> None:
    customer = await (await api.customer()).open()
    answer = await customer.say("What does it cost to send money abroad?", wait=0)
    assert answer.status_code == 202
    heard = await customer.hear(turn_ended())
    replies = [each for each in heard.completed.values() if each["role"] == "assistant"]
    assert len(replies) == 1
    assert "5 dollars" in replies[0]["content"]
    assert replies[0]["citations"][0]["title"] == "Sending money abroad"
    assert heard.differences() == []
    assert heard.turns == [{"turn": 1, "outcome": "answered"}]
    asked = await api.http.get(f"{customer.path}/provenance", headers=await api.staff("auditor"))
    made, example = asked.json()["turns"][0], PROVENANCE["turns"][0]
    assert (made.keys(), made["generation"].keys()) == (example.keys(), example["generation"].keys())
    described = (PROJECT / "docs" / "provenance.md").read_text(encoding="utf-8")
    assert [each for each in (*made, *made["generation"]) if f"`{each}`" not in described] == []
    assert made["step_ms"].keys() == {"intent", "retrieval", "screening", "delivery"}
    times = [*made["step_ms"].values(), made["generation"]["checking_ms"], made["generation"]["first_token_ms"]]
    assert all(0 <= each <= 60_000 for each in times)
    assert 0 < made["generation"]["checking_ms"] <= made["generation"]["generation_ms"]
    passages = made["passages"]
    of_versions = {(each["source_id"], each["version"], each["chunk_id"]) for each in passages}
    cited = replies[0]["citations"][0]
    assert (cited["source_id"], cited["version"], cited["chunk_id"]) in of_versions
    assert len(of_versions) == len(passages) > 1


@pytest.mark.parametrize(
    ("locale", "question"),
    [
        ("fr-FR", "Combien coûte un retrait d'espèces à l'étranger ?"),
        ("ar-EG", "كم يكلف سحب النقود في الخارج؟"),
        ("tr", "Yurt dışında nakit çekmenin ücreti nedir?"),
    ],
)
async def test_a_customer_is_spoken_to_in_a_language_without_articles_too(api: Api, locale: str, question: str) -> None:
    """The notice that an AI answers, and what nothing answers: it says so, and asks whether a person shall."""
    customer = await (await api.customer()).open(locale=locale)
    language = locale[:2]
    notice = (await customer.messages())[0]
    assert notice["content"] == text("disclosure", language, bank="Meridian Bank")
    reply = (await customer.say(question)).json()["reply"]
    assert reply["language"] == language
    assert (reply["citations"], reply["content"][-1] in "?؟") == ([], True), reply


async def test_two_questions_in_one_message_are_answered_from_two_articles(api: Api) -> None:
    customer = await (await api.customer()).open()
    answer = await customer.say("How long do you keep recordings of phone calls? What does a replacement card cost?")
    reply = answer.json()["reply"]
    assert {each["title"] for each in reply["citations"]} >= {
        "Getting a replacement card",
        "Recording of telephone calls and video",
    }
    assert "3 years" in reply["content"]


async def test_resuming_after_any_event_gives_exactly_the_rest(api: Api) -> None:
    customer = await (await api.customer()).open()
    await customer.say("How do I block my card?")
    everything = await _read_all(customer, None)
    for place, event in enumerate(everything[:-1]):
        rest = await _read_all(customer, event.id)
        assert [each.id for each in rest] == [each.id for each in everything[place + 1 :]], event


async def test_a_person_takes_over_and_answers(api: Api) -> None:
    customer = await (await api.customer()).open()
    answer = await customer.say("I want to talk to a human being, please.")
    assert answer.json()["outcome"] == "escalated"
    agent = await api.staff("agent")
    escalation_id = (await customer.get()).json()["escalation_id"]
    base = f"/v1/escalations/{escalation_id}"
    assert (await api.http.post(f"{base}/claim", headers=agent)).status_code == 200
    words = {"action": "respond", "content": "This is a person. I am reading what you wrote."}
    decided = await api.http.post(f"{base}/decision", json=words, headers=agent)
    assert decided.status_code == 200, decided.text
    heard = await customer.hear(lambda seen: any(each["role"] == "agent" for each in seen.completed.values()))
    assert heard.differences() == []
    made = (await api.http.get(f"{customer.path}/provenance", headers=agent)).json()["turns"]
    me = (await api.http.get("/v1/auth/me", headers=agent)).json()["id"]
    assert [(each["action"], each["actor_id"]) for each in made[0]["people"]] == [("respond", me)]
    further = await customer.say("Thank you!")
    assert (further.json()["outcome"], further.json()["reply"]) == ("escalated", None)


async def _read_all(customer: Customer, after: str | None) -> list[Heard]:
    """Events until the turn's end, on one connection."""
    seen: list[Heard] = []
    async with aclosing(customer.events(after)) as events:
        async for event in events:
            seen.append(event)
            if event.type == "turn.completed":
                return seen
    raise AssertionError("the stream ended")
