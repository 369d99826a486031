import pytest

from helios.knowledge.terms import fold, match, terms, tokens, words_of


@pytest.mark.parametrize(
    ("left", "right", "language", "least", "most"),
    [
        ("fee", "fee", "en", 1, 1),
        ("fee", "fees", "en", 0.9, 1),
        ("transfer", "transferring", "en", 0.9, 1),
        ("international", "internal", "en", 0, 0),
        ("card", "care", "en", 0, 0),
        ("stolen", "lost", "en", 0.5, 0.9),
        ("abroad", "international", "en", 0.5, 0.9),
        ("karten", "karte", "de", 0.9, 1),
        ("kreditkarte", "karte", "de", 0.5, 0.9),
        ("uberweisung", "uberweisen", "de", 0.9, 1),
        ("transferencias", "transferencia", "es", 0.9, 1),
        ("stolen", "lost", "fr", 0, 0),
    ],
)
def test_words_match_but_for_endings_compounds_and_synonyms(
    left: str, right: str, language: str, least: float, most: float
) -> None:
    assert least <= match(left, right, language) <= most
    assert match(left, right, language) == match(right, left, language)


def test_terms_are_the_words_that_carry_the_topic() -> None:
    assert terms("How much does the transfer cost, and the TRANSFER fee?", "en") == ("transfer", "cost", "fee")
    assert terms("Wie lösche ich meine Überweisung?", "de") == ("losche", "uberweisung")
    assert terms("¿Cuánto cuesta la transferencia?", "es") == ("cuesta", "transferencia")


def test_redaction_tokens_are_no_words() -> None:
    assert tokens("Write to <EMAIL_1> about <CARD_NUMBER_2> now") == ["write", "to", "about", "now"]


def test_folding_joins_spellings() -> None:
    assert fold("ÜBERWEISUNG") == fold("überweisung") == "uberweisung"
    assert fold("İPTAL") == fold("iptal")
    assert fold("ışık") == "isik"


def test_a_language_without_words_of_its_own_takes_english() -> None:
    assert words_of("ja") is words_of("en")
