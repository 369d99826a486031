import pytest

from helios.models.language import LanguageIdentifier


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "my card was stolen"),
        ("en", "HOW DO I BLOCK MY CARD"),
        ("de", "Wie sperre ich meine Karte?"),
        ("de", "WIE SPERRE ICH MEINE KARTE"),
        ("es", "¿Cuánto cuesta enviar dinero?"),
        ("fr", "Ma carte est bloquée"),
        ("tr", "Kartımı kaybettim, ne yapmalıyım?"),
        ("ar", "كيف أحظر بطاقتي؟"),
        ("zh", "我的卡丢了怎么办"),
        ("ru", "Я потерял карту"),
    ],
)
def test_messages_are_recognised(identifier: LanguageIdentifier, language: str, text: str) -> None:
    found = identifier.detect(text)
    assert found.code == language
    assert found.confidence >= 0.4


@pytest.mark.parametrize("text", ["", "42", "ok", "<IBAN_1> <EMAIL_2>", "https://meridian.example/hilfe", "😀"])
@pytest.mark.parametrize("default", ["en", "de"])
def test_what_tells_no_language_stays_in_the_conversations(
    identifier: LanguageIdentifier, text: str, default: str
) -> None:
    assert identifier.detect(text, default=default).code == default


def test_two_words_do_not_switch_a_conversation_unless_the_model_is_sure(identifier: LanguageIdentifier) -> None:
    assert identifier.identify("Karte sperren").code == "de"
    assert identifier.detect("Karte sperren", default="en").code == "en"
    assert identifier.detect("¿Cuánto cuesta?", default="en").code == "es"


def test_a_pasted_address_or_token_does_not_change_the_language(identifier: LanguageIdentifier) -> None:
    text = "Meine Überweisung an <PERSON_1> fehlt, siehe https://example.com/the/transfer/page/of/mine"
    assert identifier.detect(text).code == "de"


def test_identify_knows_languages_that_no_conversation_switches_to(identifier: LanguageIdentifier) -> None:
    text = "Salve, quid agis hodie? Ego in urbe cum amicis meis sum et librum lego."
    assert identifier.identify(text).code == "la"
    assert identifier.detect(text).code == "en"
    assert identifier.identify("123").code == "und"
