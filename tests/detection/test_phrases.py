import pytest

from helios.detection import lexicon
from helios.detection.phrasebook import PhraseBook, Rule
from helios.detection.phrases import compile_phrases

NAMED = {"thing": "(card|bank account)"}


def book(*phrases: str, unless: tuple[str, ...] = ()) -> PhraseBook:
    return PhraseBook([Rule("r", 1, "en", compile_phrases(phrases, NAMED), compile_phrases(unless, NAMED))])


@pytest.mark.parametrize(
    ("phrase", "text", "matches"),
    [
        ("lost my <thing>", "I lost my bank account number", True),
        ("lost my <thing>", "I lost my keys", False),
        ("lost ..2 card", "lost my old card", True),
        ("lost ..1 card", "lost my old card", False),
        ("lost ..3 card", "I lost it. My card works", False),
        ("lost ~3 card", "I lost it. My card works", True),
        ("agent please? $", "an agent please!", True),
        ("^ agent", "my agent", False),
        ("^ agent", "No. Agent", True),
        ("refund*", "refunding takes long", True),
        ("pay % euros", "pay 12.50 euros", True),
        ("did not make", "I didn’t make it", True),
        ("did not make", "i didnt make it", True),
        ("für mich", "fur mich", True),
        ("unauthorised", "unautorised", True),
        ("agent", "agennt", True),
        ("card", "cart", False),
        ("charge", "change", False),
    ],
)
def test_phrase(phrase: str, text: str, matches: bool) -> None:
    assert bool(book(phrase).find(text)) is matches


def test_unless_holds_within_the_sentence() -> None:
    rules = book("an agent", unless=("travel",))
    assert not rules.find("I am an agent for travel")
    assert rules.find("I travel a lot. Get me an agent")


def test_later_match_stands_when_the_first_is_excused() -> None:
    found = book("an agent", unless=("travel",)).find("A travel firm with an agent. I want an agent")
    assert [match.start for match in found] == [36]


@pytest.mark.parametrize("source", ["(a", "a)", "<unknown>", "didnt go", "what's up", "a ** b"])
def test_malformed_phrase_is_an_error(source: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compile_phrases([source], {})


def test_names_in_a_circle_are_an_error() -> None:
    with pytest.raises(ValueError, match="circle"):
        compile_phrases(["<a>"], {"a": "<b>", "b": "<a>"})


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("we can say that no", "no"),
        ("we can say that no risk", ""),
        ("there is a good", "good"),
        ("there is a good deal of", "good deal of"),
        ("there is a good deal of more or", ""),
        ("nothing", ""),
    ],
)
def test_beginning_of_a_phrase_is_seen_before_it_ends(text: str, begun: str) -> None:
    assert text[book("no risk", "good ..2 luck").begun(text) :] == begun


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [
        ("agent", "agent", 0),
        ("agent", "aegnt", 1),
        ("agent", "agnt", 1),
        ("agent", "agents", 1),
        ("agent", "urgent", 2),
    ],
)
def test_distance(left: str, right: str, edits: int) -> None:
    assert lexicon.distance(left, right) == edits
    assert lexicon.distance(right, left) == edits
