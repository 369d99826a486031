"""Suites as people write them, and as people who mean harm do. Fast: nothing is started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from helios import demo_bank
from helios.evaluations.cleaning import as_written, without_personal_data
from helios.evaluations.judging import Played, failings, report, says
from helios.evaluations.suite import Expectation, Suite, SuiteRefused, read_suite
from helios.evaluations.yaml_places import BYTES_MOST
from helios.models.language import LanguageIdentifier
from helios.rules.redaction import SHIPPED

CASES = "cases:\n  - name: a\n    message: What are the fees?\n    expect: {outcome: answered}\n"
WHOLE = f"name: fees\n{CASES}"
DEMO = Path(demo_bank.__path__[0]) / "suite.yaml"
RIGHT = Played("answered", 1, "en", "fees", (), cites=("fees",), confidence=0.7, answer="It costs 10 dollars.")


def read(source: str) -> Suite:
    return read_suite(source.encode())


def refused(source: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(SuiteRefused) as error:
        read_suite(source if isinstance(source, bytes) else source.encode())
    return error.value.wrong


def test_the_demo_banks_suite_is_one_and_reads_like_one() -> None:
    suite = read_suite(DEMO.read_bytes())
    assert suite.name == "first-questions"
    assert len(suite.cases) >= 8
    assert suite.cases[0].expect.must_contain == ("5 dollars", "0.5 percent", "40 dollars")
    assert suite.cases[2].messages[1] == "How long will it take?"


def test_what_stands_without_quotes_is_what_yaml_1_2_says() -> None:
    case = "  - {name: no, message: yes, language: no, expect: {must_contain: [10, 2.50, 007], situations: 1}}\n"
    suite = read(f"name: fees\ncases:\n{case}")
    assert (suite.cases[0].name, suite.cases[0].messages, suite.cases[0].language) == ("no", ("yes",), "no")
    assert suite.cases[0].expect.situations == (1,)


@pytest.mark.parametrize(
    ("source", "pointer", "line", "why"),
    [
        (f"{WHOLE}gaet: {{share: 1}}\n", "/gaet", 6, "not known"),
        (WHOLE.replace("outcome: answered", "outcome: maybe"), "/cases/0/expect/outcome", 5, "answered"),
        (WHOLE.replace("outcome: answered", ""), "/cases/0/expect", 5, "expects nothing"),
        (WHOLE.replace("message:", "mesage:"), "/cases/0/messages", 3, "missing"),
        (f"{WHOLE}gate: {{share: 1.5}}\n", "/gate/share", 6, "less than or equal to 1"),
        (f"{WHOLE}gate: {{share: true}}\n", "/gate/share", 6, "number"),
        (f"{WHOLE}{CASES.removeprefix('cases:')}", "", 1, "same name"),
        (WHOLE.replace("What are the fees?", '"\\u0007"'), "/cases/0/messages/0", 3, "control characters"),
        (WHOLE.replace("fees\n", "Fees and more\n", 1), "/name", 1, "pattern"),
        (f"{WHOLE}guards: [everything]\n", "/guards/0", 6, "policies"),
        ("- a\n", "", 1, "begins with keys"),
        ("", "", None, "empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_line(source: str, pointer: str, line: int | None, why: str) -> None:
    (found, *_) = refused(source)
    assert found[0] == pointer
    assert found[1].startswith(f"line {line}: " if line else "is ")
    assert why in found[1]


BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "a bomb of aliases": (BOMB, "anchors"),
    "a tag that makes an object": ("name: !!python/object/apply:os.system [id]\n", "tags"),
    "an own tag": ("name: !secret x\n", "tags"),
    "a merge": ("<<: {name: x}\nname: y\n", "not known"),
    "a key twice": ("name: a\nname: b\n", "twice"),
    "a key that is a list": ("? [a]\n: b\n", "short word"),
    "two documents": (f"{WHOLE}---\n{WHOLE}", "more than one"),
    "depth": ("a: " + "[" * 5_000, "too much"),
    "depth by keys": ("{a: " * 5_000, "too much"),
    "breadth": ("a: [" + "x, " * 30_000 + "]\n", "too much"),
    "size": ("a: " + "x" * BYTES_MOST, "larger"),
    "no text": (b"\xff\xfe\x00", "not UTF-8"),
    "bytes that may not be": ("name: \x00", "not YAML"),
    "half of a pair": ('name: "\\ud800"\n', ""),
    "a tab": ("name:\n\t- a\n", "not YAML"),
    "no end": ("name: 'a\n", "not YAML"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_document_is_refused_at_once(kind: str) -> None:
    source, why = HOSTILE[kind]
    began = time.perf_counter()
    assert any(why in told for _, told in refused(source))
    assert time.perf_counter() - began < 3


def test_the_largest_suite_is_read_in_time() -> None:
    case = "  - {{name: case {n}, message: What does number {n} cost{pad}, expect: {{outcome: answered}}}}\n"
    source = "name: large\ncases:\n" + "".join(case.format(n=n, pad=" and more" * 50) for n in range(200))
    began = time.perf_counter()
    assert len(read(source).cases) == 200
    assert time.perf_counter() - began < 3


def test_secrets_and_personal_data_are_taken_out_before_anything_is_kept() -> None:
    source = WHOLE.replace("What are the fees?", "My card is 4111 1111 1111 1111, write to jo@x.example.")
    cleaned = without_personal_data(
        read(source.replace("{outcome: answered}", "{must_contain: 'Call 1-800-555-0100'}")), SHIPPED,
        LanguageIdentifier.load(),
    )  # fmt: skip
    said = str(as_written(cleaned.suite))
    assert "4111 1111" not in said
    assert "jo@x.example" not in said
    assert "1-800-555-0100" in said
    assert cleaned.secrets == {(0, 0): ("CARD",)}
    assert set(cleaned.kinds) == {"CARD", "EMAIL"}


@pytest.mark.parametrize(
    ("answer", "phrase", "is_said"),
    [
        ("It costs 10 dollars.", "10 dollars", True),
        ("It costs 10 dollars.", "10", True),
        ("It costs 100 dollars.", "10", False),
        ("It costs 10.50 dollars.", "10", False),
        ("It costs 1,010 dollars.", "10", False),
        ("It costs 10.", "10", True),
        ("The fee is FREE of\ncharge.", "free of charge", True),
        ("A freely chosen card.", "free", False),
        ("It is 2 %.", "2 %", True),
        ("الرسوم 10 دولارات", "10 دولارات", True),
    ],
)
def test_a_phrase_is_whole_words_and_whole_figures(answer: str, phrase: str, is_said: bool) -> None:
    assert says(answer, phrase) is is_said


def test_each_expectation_can_fail_and_pass() -> None:
    right = {"outcome": "answered", "language": "en", "intent": "fees", "situations": [], "cites": "fees",
             "must_contain": 10, "must_not_contain": "free", "confidence": 0.7}  # fmt: skip
    wrong = {"outcome": "declined", "language": "de", "intent": "cards", "situations": [1], "cites": ["fees", "cards"],
             "must_contain": "12", "must_not_contain": "10 dollars", "confidence": 0.71}  # fmt: skip
    assert failings(Expectation.model_validate(right), RIGHT) == []
    for name, value in wrong.items():
        found = failings(Expectation.model_validate({**right, name: value}), RIGHT)
        assert [each["expected"] for each in found] == [name]


def test_the_gate_asks_for_a_share_for_some_cases_and_for_no_loss() -> None:
    cases = "".join(CASES.removeprefix("cases:\n").replace("name: a", f"name: c{n}") for n in range(4))
    suite = read(
        f"name: fees\ngate: {{share: 0.75, worse: 0}}\ncases:\n{cases}".replace("c0\n", "c0\n    must: true\n")
    )

    def told(published: str, draft: str = "") -> dict[str, object]:
        sides = {"published": published, "draft": draft}
        return report(suite, {(side, n): mark == "+" for side, marks in sides.items() for n, mark in enumerate(marks)})

    assert told("+++-")["failed_because"] == []
    assert told("++--")["failed_because"] == ["share"]
    assert told("-+++")["failed_because"] == ["must"]
    assert told("--++", "+++-")["failed_because"] == ["worse"]
    found = told("--++", "+++-")
    assert (found["published"], found["draft"], found["better"], found["worse"]) == (2, 3, [0, 1], [3])
    assert told("----", "++++")["failed_because"] == []
