"""What a tenant may say about redaction, and which patterns are safe to run. Nothing is started."""

from __future__ import annotations

import time
from typing import Any

import pytest

from activities.review import Gate, Standard
from helios.detection.output import Context
from helios.detection.redaction import ALWAYS_MASKED
from helios.rules.patterns import compile_pattern
from helios.rules.redaction import made
from helios.rules.redaction_document import RedactionDocument, effective, not_allowed

CPU_S_MOST = 1.0


def document(**body: Any) -> RedactionDocument:
    return RedactionDocument.model_validate(body)


@pytest.mark.parametrize("kind", sorted(ALWAYS_MASKED))
def test_card_data_and_secrets_are_masked_whatever_is_written(kind: str) -> None:
    lowered = document(kinds=[{"kind": kind, "operator": "token"}])
    assert [pointer for pointer, _ in not_allowed(lowered)] == ["/kinds/0/kind"]
    assert effective(lowered)["kinds"][kind] == "mask"
    assert made(2, lowered).operator(kind) == "mask"


def test_what_is_unknown_or_taken_is_named() -> None:
    wrong = document(
        kinds=[{"kind": "SHOE_SIZE", "operator": "mask"}, *[{"kind": "EMAIL", "operator": "mask"}] * 2],
        patterns=[{"kind": "CARD", "pattern": "XX-[0-9]{4}"}, *[{"kind": "MINE", "pattern": "XX-[0-9]{4}"}] * 2],
    )
    places = [pointer for pointer, _ in not_allowed(wrong)]
    assert places == ["/kinds/0/kind", "/patterns/0/kind", "/patterns/2/kind", "/kinds"]


@pytest.mark.parametrize("source", ["MB-[0-9]{8}", r"(?:AB|CD)-\d{6,10}[xy]?\b", r"\bK\d{2} ?\d{4}\b", "müller"])
def test_a_plain_pattern_is_taken(source: str) -> None:
    assert compile_pattern(source).pattern == source


@pytest.mark.parametrize(
    "source",
    ["(a+)+b", "a*b*c*", r"(\d{1,9}){1,9}", r"(x)\1yz", "(?=abc)abc", "(?i)abc", "ab", "[0-9]{3,}", "abc(", "a{1,65}bc",
     "(?:a|b|ab){5}", "[0-9]{1,40}[0-9]{1,40}x", "(?>abc)", "abc.+?", "x" * 201],
)  # fmt: skip
def test_a_pattern_that_could_be_slow_or_reaches_further_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compile_pattern(source)


def test_the_worst_that_is_allowed_costs_little() -> None:
    worst = compile_pattern(r"[0-9]{1,32}[0-9]{1,32}x")
    began = time.process_time()
    assert worst.search("1" * 8_000) is None
    assert time.process_time() - began < CPU_S_MOST


def test_a_pattern_of_the_tenants_own_is_masked_in_what_is_sent() -> None:
    rules = made(2, document(patterns=[{"kind": "CUSTOMER_NUMBER", "pattern": "MB-[0-9]{8}"}]))
    asked = Context(question="Is my number MB-00412345?", language="en")
    gate = Gate(Standard(asked, "en", 0, redaction=rules))
    windows = [*gate.feed("Your number is MB-00412345."), *gate.finish()]
    assert [each.action for each in windows] == ["release"]
    assert gate.redacted == {"CUSTOMER_NUMBER"}
    assert "00412345" not in gate.passed
