"""What a tenant may say about the situations, and what the safety minimum refuses. Nothing is started."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from activities.review import Gate, Standard, review_whole
from activities.screening import screen
from helios.detection.output import Context
from helios.detection.situations import all_situations
from helios.models.embedder import Embedder
from helios.rules.policy import Policy, effective, made, shipped
from helios.rules.policy_document import ALWAYS_ON, PolicyDocument, below_minimum
from helios.settings import settings


def document(**override: Any) -> PolicyDocument:
    return PolicyDocument.model_validate({"situations": [override]})


def refused(**override: Any) -> list[str]:
    return [pointer.removeprefix("/situations/0/") for pointer, _ in below_minimum(document(**override))]


@pytest.mark.parametrize("number", sorted(ALWAYS_ON))
def test_what_law_and_safety_demand_cannot_be_switched_off_or_made_less_urgent(number: int) -> None:
    assert refused(number=number, enabled=False) == ["enabled"]
    listed = next(each for each in all_situations() if each.number == number)
    if listed.priority < "P4":
        assert refused(number=number, priority="P4") == ["priority"]
    assert refused(number=number, priority="P0") == []


@pytest.mark.parametrize("number", sorted({each.number for each in all_situations()} - ALWAYS_ON))
def test_the_rest_can_be_switched_off(number: int) -> None:
    assert refused(number=number, enabled=False) == []


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ({"number": 1, "clocks": {"determination": 11}}, "clocks"),
        ({"number": 1, "clocks": {"coffee": 1}}, "clocks"),
        ({"number": 20, "clocks": {"determination": 1}}, "clocks"),
        ({"number": 6, "threshold": 0.9}, "threshold"),
        ({"number": 11, "threshold": 0.1}, "threshold"),
        ({"number": 3, "queue": "disputes"}, "queue"),
        ({"number": 12, "escalate": True}, "escalate"),
        ({"number": 13, "texts": {"en": "Please call us."}}, "texts"),
        ({"number": 26, "texts": {"en": "We filed nothing."}}, "texts"),
        ({"number": 3, "texts": {"en": "Wait."}}, "texts"),
        ({"number": 6, "texts": {"en": "We know it as {case}."}}, "texts"),
        ({"number": 6, "texts": {"en": "{case}, {due}, {customer}"}}, "texts"),
        ({"number": 1, "texts": {"en": "File a police report first. {case} {due}"}}, "texts"),
        ({"number": 1, "texts": {"en": "I am a human, not a bot. {case} {due}"}}, "texts"),
    ],
)
def test_what_lowers_the_minimum_or_means_nothing_is_named(override: dict[str, Any], field: str) -> None:
    assert refused(**override) == [field]


@pytest.mark.parametrize(
    "override",
    [
        {"number": 28},
        {"number": 1, "priority": "P9"},
        {"number": 1, "queue": "no spaces"},
        {"number": 6, "texts": {"en": "{due.__class__} {case}"}},
        {"number": 6, "texts": {"en": "{due!r} {case}"}},
        {"number": 6, "texts": {"en": "{due"}},
        {"number": 6, "forbidden_phrases": ["never"]},
        {"number": 6, "forbidden_phrases": ["?? !! ..."]},
        {"number": 6, "forbidden_phrases": ["ask \ud800 there"]},
        {"number": 6, "texts": {"en": "{due} {case} \x00"}},
        {"number": 6, "surprise": True},
    ],
)
def test_what_is_not_well_formed_is_refused(override: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        document(**override)


def test_one_situation_stands_there_once() -> None:
    twice = PolicyDocument.model_validate({"situations": [{"number": 6}, {"number": 6}]})
    assert [pointer for pointer, _ in below_minimum(twice)] == ["/situations"]


def test_without_overrides_all_is_as_shipped() -> None:
    assert dict(shipped().situations) == {each.number: each for each in all_situations()}
    assert made(7, PolicyDocument()).digest == shipped().digest
    assert effective(PolicyDocument())["situations"].keys() == {str(each.number) for each in all_situations()}


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    return Embedder.load(settings())


def decided(encoder: Embedder, question: str, policy: Policy) -> tuple[str, int | None]:
    screened = screen(question, (), encoder.embed([question])[0], policy)
    return screened.verdict, screened.situation


def test_a_situation_that_is_off_opens_nothing(encoder: Embedder) -> None:
    question = "I hold a power of attorney for my uncle and want to register it"
    assert decided(encoder, question, shipped()) == ("escalate", 15)
    assert decided(encoder, question, made(2, document(number=15, enabled=False))) == ("answer", None)
    assert decided(encoder, question, made(3, document(number=15, threshold=1.0))) == ("answer", None)


def test_a_flag_can_be_made_to_hand_over(encoder: Embedder) -> None:
    question = "Did my salary payment post yet?"
    assert decided(encoder, question, shipped()) == ("answer", None)
    assert decided(encoder, question, made(2, document(number=3, escalate=True))) == ("escalate", 3)


def test_the_more_urgent_by_the_tenants_order_decides() -> None:
    question = "Someone used my card in Texas. I want to talk to a human being, please."
    assert screen(question, ()).situation == 1
    first = made(2, document(number=20, priority="P0"))
    assert screen(question, (), None, first).situation == 20


@pytest.mark.parametrize("cut", [7, 23, 31])
def test_a_forbidden_phrase_is_held_before_any_of_it_is_released(cut: int) -> None:
    policy = made(2, document(number=6, forbidden_phrases=["ask at the branch"]))
    draft = "Thank you for that. You should ask at the branch, please. Good bye."
    gate = Gate(Standard(Context(situations=(6,), language="en"), "en", 0, policy))
    seen = [*gate.feed(draft[:cut]), *gate.feed(draft[cut:]), *gate.finish()]
    held = [each for each in seen if each.action != "release"]
    assert [(each.action, each.reasons) for each in held] == [("hold", ("policy.6",))]
    assert "branch" not in gate.passed
    assert "ask" not in gate.passed


@pytest.mark.parametrize(
    "said", ["ask, at the\n\nbranch", "ask; at; the; branch", "ask **at** the _branch_", "ask. At the branch"]
)
def test_marks_between_its_words_make_a_forbidden_phrase_no_other(said: str) -> None:
    policy = made(2, document(number=9, forbidden_phrases=["ask at the branch"]))
    gate = Gate(Standard(Context(language="en"), "en", 0, policy))
    draft = f"Thank you for that. You should {said}, please. Good bye."
    seen = [window for character in draft for window in gate.feed(character)] + gate.finish()
    assert [each.reasons for each in seen if each.action != "release"] == [("policy.9",)]
    assert "ask" not in gate.passed


def test_a_forbidden_phrase_counts_in_its_situation_only() -> None:
    policy = made(2, document(number=6, forbidden_phrases=["ask at the branch"]))
    draft = "Please ask at the branch."
    assert review_whole(draft, Standard(Context(situations=(6,)), "en", 0, policy)).action == "hold"
    assert review_whole(draft, Standard(Context(situations=()), "en", 0, policy)).action == "release"
    always = made(3, document(number=9, forbidden_phrases=["ask at the branch"]))
    assert review_whole(draft, Standard(Context(situations=()), "en", 0, always)).action == "hold"
