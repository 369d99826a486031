"""What may be trained on, and what a file of examples says. Nothing is started."""

from __future__ import annotations

import pytest

from helios.intents.drafting import without_personal_data
from helios.intents.examples import Example, distinct, shipped, wrongs
from helios.intents.files import FileRefused, examples_of_csv
from helios.models.intent import shipped_examples
from helios.models.language import LanguageIdentifier
from helios.rules.redaction import made
from helios.rules.redaction_document import OwnPattern, RedactionDocument

FEES = [Example(f"pay the fee number {n}", ("fees",), f"/intents/0/examples/{n}") for n in "abcde"]
TREES = [Example(f"plant the tree number {n}", ("trees",), f"/intents/1/examples/{n}") for n in "abcde"]


def test_a_sound_set_is_not_refused() -> None:
    assert wrongs([*FEES, *TREES]) == []


@pytest.mark.parametrize(
    ("more", "pointer", "said"),
    [
        (Example("Pay the  FEE number a", ("trees",), "/x"), "/x", "of fees and of trees"),
        (Example("hello", ("Fees!",), "/x"), "/x", "small letters"),
        (Example("hello", ("pin_4111111111111111",), "/x"), "/x", "small letters"),
        (Example("hello", ("other",), "/x"), "/x", "out_of_scope"),
        (Example("hello", (), "/x"), "/x", "has an intent"),
        (Example("hello", ("fees", "out_of_scope"), "/x"), "/x", "stands alone"),
        (Example("x" * 501, ("fees",), "/x"), "/x", "500 characters"),
        (Example("a loan please", ("loans",), "/x"), "", "loans has 1 different examples"),
    ],
)
def test_each_place_that_is_wrong_is_named(more: Example, pointer: str, said: str) -> None:
    found = wrongs([*FEES, *TREES, more])
    assert [(place, said in why) for place, why in found if said in why] == [(pointer, True)]


def test_one_intent_is_none_unless_the_shipped_ones_are_there_too() -> None:
    assert [why for _, why in wrongs(FEES)] == ["at least 2 intents are needed, besides out_of_scope"]
    assert wrongs(FEES, shipped(FEES)) == []


def test_what_a_tenant_brings_itself_takes_the_place_of_what_is_shipped() -> None:
    name, said = "card_block", shipped_examples()["card_lost_or_stolen"][0]
    own = [Example(f"freeze it {n}", (name,)) for n in "abcd"] + [Example(said.upper(), (name,))]
    base = shipped(own)
    assert name not in {intent for each in base for intent in each.intents}
    assert said not in {each.text for each in base}
    assert len(base) == sum(map(len, shipped_examples().values())) - len(shipped_examples()[name]) - 1


def test_a_file_names_its_lines() -> None:
    found = examples_of_csv('\ufeffintent;text\nfees|trees;"Fees, and\na tree"\nfees;x\n'.encode())
    assert [(each.text, each.intents) for each in found] == [("Fees, and\na tree", ("fees", "trees")), ("x", ("fees",))]
    assert found[1].place == "line 4: "


@pytest.mark.parametrize(
    "content", [b"text\nx\n", b"\xff\xfe", b"intent,text\nfees,\n", b"intent,text\nfees," + b"x" * 501]
)
def test_a_file_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefused):
        examples_of_csv(content)


def test_what_customers_wrote_is_taken_out_before_it_is_stored() -> None:
    said = "My card 4111 1111 1111 1111 and MB-00412345, write to kim@example.com"
    rules = made(2, RedactionDocument(patterns=(OwnPattern(kind="CUSTOMER_NUMBER", pattern="MB-[0-9]{8}"),)))
    (cleaned,) = without_personal_data([Example(said, ("fees",))], rules, LanguageIdentifier.load())
    assert not any(secret in cleaned.text for secret in ("4111 1111", "00412345", "kim@"))
    assert "<CUSTOMER_NUMBER_1>" in cleaned.text
    assert len(distinct([cleaned, cleaned])) == 1
