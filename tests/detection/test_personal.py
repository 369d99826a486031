import pytest

from helios.detection import personal
from helios.detection.redaction import Tokens, redact_output, restore, tokenise

FOUND = [
    ("my name is john smith and I need help", "en", [("PERSON", "john smith")]),
    ("This is Maria Lopez calling about a fee", "en", [("PERSON", "Maria Lopez")]),
    ("I'm Anna, call me at 212-555-0187", "en", [("PERSON", "Anna"), ("PHONE", "212-555-0187")]),
    ("I am Peter O'Neill speaking", "en", [("PERSON", "Peter O'Neill")]),
    ("Mr. Brown told me", "en", [("PERSON", "Brown")]),
    ("Kind regards,\nJane Roe", "en", [("PERSON", "Jane Roe")]),
    ("3 Nisan 1981 doğumluyum", "tr", [("DATE_OF_BIRTH", "3 Nisan 1981")]),
    ("ولدت في ٣ أبريل ١٩٨١", "ar", [("DATE_OF_BIRTH", "٣ أبريل ١٩٨١")]),
    ("Ich heiße Hans Müller.", "de", [("PERSON", "Hans Müller")]),
    ("Mein Name ist Jürgen von der Heide", "de", [("PERSON", "Jürgen von der Heide")]),
    ("Frau Schmidt hat angerufen", "de", [("PERSON", "Schmidt")]),
    ("me llamo José García Pérez y quiero", "es", [("PERSON", "José García Pérez")]),
    ("mi nombre es Ana", "es", [("PERSON", "Ana")]),
    ("write to bob.x+y@mail.example.com.", "en", [("EMAIL", "bob.x+y@mail.example.com")]),
    ("bob at example dot com", "en", [("EMAIL", "bob at example dot com")]),
    ("IBAN DE89 3704 0044 0532 0130 00 ok", "de", [("IBAN", "DE89 3704 0044 0532 0130 00")]),
    ("gb29nwbk60161331926819", "en", [("IBAN", "gb29nwbk60161331926819")]),
    ("ssn 536-22-1234", "en", [("US_SSN", "536-22-1234")]),
    ("my social security number is 536221234", "en", [("US_SSN", "536221234")]),
    ("my account number is 123456789", "en", [("ACCOUNT", "123456789")]),
    ("Kontonummer: 1234567890", "de", [("ACCOUNT", "1234567890")]),
    ("card 4111 1111 1111 1111", "en", [("CARD", "4111 1111 1111 1111")]),
    ("ruf an: 030 901820 55", "de", [("PHONE", "030 901820 55")]),
    ("call me on 450 0840 please", "en", [("PHONE", "450 0840")]),
    ("+1-984-182-0190 mobile", "en", [("PHONE", "+1-984-182-0190")]),
    ("user@xn--80ak6aa92e.xn--p1ai", "en", [("EMAIL", "user@xn--80ak6aa92e.xn--p1ai")]),
    ("+34 912 34 56 78", None, [("PHONE", "+34 912 34 56 78")]),
]


@pytest.mark.parametrize(("text", "language", "expected"), FOUND)
def test_found(text: str, language: str | None, expected: list[tuple[str, str]]) -> None:
    assert [(span.label, text[span.start : span.end]) for span in personal.find(text, language)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "this is urgent",
        "this is VERY URGENT",
        "I am German and I'm Calling from abroad",
        "my name is wrong on the card",
        "the name is on the statement",
        "This is a test",
        "I paid 300 to Visa on 2024-01-15 at 10:30",
        "it costs 1,250.00 euros",
        "order 20240115103045",
        "Ich bin Kunde bei Ihnen",
        "soy cliente",
        "DE89 3704 0044 0532 0130 01",
        "the account has 12000 dollars",
    ],
)
def test_look_alikes(text: str) -> None:
    assert personal.find(text, None) == []


def test_equal_values_get_equal_tokens_over_several_texts() -> None:
    tokens = Tokens()
    first = "I am Bob Stone, bob@x.example, +1 212 555 0187"
    second = "again: BOB@X.example and ann@x.example, 1-212-555-0187"
    one = tokenise(first, personal.find(first, "en"), tokens)
    two = tokenise(second, personal.find(second, "en"), tokens)
    assert one.text == "I am <PERSON_1>, <EMAIL_1>, <PHONE_1>"
    assert two.text == "again: <EMAIL_1> and <EMAIL_2>, <PHONE_1>"
    assert restore(one.text, one.tokens) == first


def test_restore_does_not_confuse_longer_numbers() -> None:
    assert restore("<EMAIL_12> <EMAIL_1>", {"<EMAIL_1>": "a", "<EMAIL_12>": "b"}) == "b a"


def test_output_keeps_the_banks_own_contacts_and_nothing_else() -> None:
    passages = ["Call us on 0800-1234567 or write to help@bank.example."]
    redacted = redact_output(
        "Call 0800 123 4567 or help@bank.example; Bob's is bob@x.example, card 4111111111111111", passages, "en"
    )
    assert redacted.text == (
        "Call 0800 123 4567 or help@bank.example; Bob's is [email address removed], card [card ending 1111]"
    )
    assert redacted.labels == ("EMAIL", "CARD")


def test_card_number_never_passes_even_when_a_passage_holds_it() -> None:
    assert "4111111111111111" not in redact_output("it is 4111111111111111", ["4111111111111111"]).text


def test_text_without_personal_data_is_untouched() -> None:
    assert redact_output("A card costs 5 euros.", []).text == "A card costs 5 euros."
