import random
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.detection import situations
from helios.settings import PROJECT

EXAMPLES = PROJECT / "evals" / "detectors" / "examples"
PARAPHRASES: dict[int, dict[str, str]] = yaml.safe_load((EXAMPLES / "paraphrases.yaml").read_text("utf-8"))
# Lost with suspected use is handled as unauthorised use, so either number is right for both.
SAME = {1: {1, 2}, 2: {1, 2}}
RECALL_MIN, FALSE_ALARMS_MAX = 0.98, 0.02
RECALL_WITH_TYPOS_MIN = 0.88


def lines(number: int, *kinds: str) -> list[str]:
    return [line for kind in kinds for line in PARAPHRASES[number].get(kind, "").strip().splitlines()]


def numbers(text: str) -> set[int]:
    return {match.number for match in situations.find_situations(text)}


def is_found(number: int, text: str) -> bool:
    return bool(numbers(text) & SAME.get(number, {number}))


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("number", PARAPHRASES)
def test_paraphrases_are_found(number: int, language: str) -> None:
    texts = lines(number, language)
    missed = [text for text in texts if not is_found(number, text)]
    assert len(missed) <= (1 - RECALL_MIN) * len(texts), missed


@pytest.mark.parametrize("number", PARAPHRASES)
def test_look_alikes_are_not(number: int) -> None:
    texts = lines(number, "not")
    alarms = [text for text in texts if is_found(number, text)]
    assert len(alarms) <= FALSE_ALARMS_MAX * len(texts), alarms


def mistyped(text: str, draw: random.Random) -> str:
    """One slip in one long word: letters swapped, one doubled or one left out, never the first."""
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) >= 6 and word.isalpha()]
    if not long:
        return text
    place = draw.choice(long)
    word = words[place]
    at = draw.randrange(1, len(word) - 1)
    slips = (word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at:][0] * 2 + word[at + 1 :],
             word[:at] + word[at + 1 :])  # fmt: skip
    words[place] = draw.choice(slips)
    return " ".join(words)


def test_most_paraphrases_survive_a_slip_of_the_finger() -> None:
    draw = random.Random(20)
    cases = [(number, mistyped(text, draw)) for number in (1, 12, 13, 20) for text in lines(number, "en")]
    missed = [text for number, text in cases if not is_found(number, text)]
    assert len(missed) <= (1 - RECALL_WITH_TYPOS_MIN) * len(cases), missed


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda text: text.replace("'", "’"),
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace("i", "i\u200b"),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text),
    ],
    ids=["upper", "title", "curly", "spaces", "zero-width", "full width"],
)
def test_way_of_writing_does_not_matter(change: Callable[[str], str]) -> None:
    for number in (1, 12, 13, 20):
        for text in lines(number, "en")[:20]:
            assert is_found(number, change(text)), change(text)


def test_letters_set_apart_are_read_together() -> None:
    assert 20 in numbers("A G E N T")
    assert 20 in numbers("h.u.m.a.n please")


def test_most_urgent_comes_first_and_each_once() -> None:
    found = situations.find_situations("someone used my card, i want to kill myself, agent please. AGENT PLEASE")
    assert [match.number for match in found] == [13, 1, 20]


def test_secrets_and_masked_secrets_are_situation_18() -> None:
    assert 18 in numbers("my card is 4111 1111 1111 1111")
    assert 18 in numbers("my card is [card ending 1111]")
    assert 18 in numbers("my pin is [PIN removed]")
    assert 18 not in numbers("my card is new")


def test_language_chooses_the_rules_and_english_always_runs() -> None:
    german = "Ich möchte mit einem Menschen sprechen"
    assert {match.number for match in situations.find_situations(german, "de")} == {20}
    assert situations.find_situations(german, "es") == ()
    assert {match.number for match in situations.find_situations("agent please", "de")} == {20}
    assert {match.number for match in situations.find_situations(german, "fr")} == {20}


def test_span_is_where_the_words_stand() -> None:
    text = "Héllo “there”. There is an unauthori\u200bsed charge! Thanks"
    match = next(match for match in situations.find_situations(text) if match.number == 1)
    assert text[match.span.start : match.span.end] == "There is an unauthori\u200bsed charge"


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(text: str) -> None:
    for match in situations.find_situations(text):
        assert 0 <= match.span.start < match.span.end <= len(text)


def test_notice_of_error_has_the_clocks_of_regulation_e() -> None:
    for number in (1, 2):
        entry = situations.situation(number)
        assert entry.action == "ticket_and_escalate"
        assert entry.priority == "P1"
        assert entry.ticket is not None
        assert entry.ticket.kind == "notice_of_error"
        assert entry.ticket.offer_card_block
        assert {(clock.days, clock.unit, clock.only_new_accounts) for clock in entry.ticket.clocks} == {
            (10, "business", False),
            (20, "business", True),
            (45, "calendar", False),
            (90, "calendar", False),
        }


def test_danger_and_running_fraud_are_the_most_urgent() -> None:
    assert {s.number for s in situations.all_situations() if s.priority == "P0"} == {12, 13}


def test_unknown_situation_is_an_error() -> None:
    with pytest.raises(KeyError):
        situations.situation(99)
