"""Numbers here are made up, or are the examples that their issuers publish."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.detection import national_ids, personal
from helios.detection.spans import Span, normalise

VALID = {
    "AU_TFN": "tax file number 123 456 782",
    "BR_CPF": "cpf 390.533.447-05",
    "CH_AHV": "AHV-Nummer 756.9217.0769.85",
    "DE_HEALTH_INSURANCE": "Versichertennummer A123456780",
    "DE_TAX_ID": "Steuer-ID 36 574 261 809",
    "DE_VAT_ID": "USt-IdNr. DE136695976",
    "ES_NIF": "mi DNI es 54362315-K",
    "FI_PERSONAL_IDENTITY_CODE": "henkilötunnus 131052-308T",
    "FR_NIR": "numéro de sécurité sociale 2 95 10 99 126 111 93",
    "IN_AADHAAR": "aadhaar 2341 2341 2346",
    "IT_FISCAL_CODE": "codice fiscale RCCMNL83S18D969H",
    "NL_BSN": "mijn BSN is 1112.22.333",
    "PL_PESEL": "PESEL 44051401359",
    "SE_PERSONNUMMER": "mitt personnummer 880320-0016",
    "TR_NATIONAL_ID": "T.C. kimlik no 17291716060",
    "UK_NHS": "my NHS number is 943 476 5870",
    "UK_NINO": "national insurance AB 12 34 56 C",
    "US_NPI": "NPI 1234567893",
    "ZA_ID_NUMBER": "South African ID 7503305044089",
}


def labels(text: str) -> set[str]:
    return {span.label for span in national_ids.find(normalise(text), text)}


@pytest.mark.parametrize(("label", "text"), VALID.items())
def test_a_number_is_found_beside_its_cue(label: str, text: str) -> None:
    assert label in labels(text)


@pytest.mark.parametrize(("label", "text"), [(k, v) for k, v in VALID.items() if k != "UK_NINO"])
def test_with_a_wrong_digit_it_is_no_such_number(label: str, text: str) -> None:
    at = max(index for index, character in enumerate(text) if character.isdigit())
    wrong = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
    assert label not in labels(wrong)


def test_a_plain_number_in_a_sentence_is_nothing_without_a_cue() -> None:
    text = "I have asked three times about the transfer 123456782 that I made in spring and nobody answers"
    assert labels(text) == set()


def test_a_number_alone_is_everything_that_it_may_be() -> None:
    assert {"AU_TFN", "CA_SIN"} <= labels("123456782") | labels("130692544")


def test_a_short_cue_is_a_whole_word() -> None:
    assert "CA_SIN" not in labels("since the year began I wait for reference 130692544 and for a reply from your side")


def test_of_two_readings_the_surer_stands_and_nothing_of_the_other_shows() -> None:
    text = "Anna 4111 1111 1111 1111 Berg"
    found = personal.find_all(text, "en", [Span(0, 12, "PERSON", 0.9), Span(20, 29, "GPE", 0.6)])
    assert [(span.label, text[span.start : span.end]) for span in found] == [
        ("PERSON", "Anna "), ("CARD", "4111 1111 1111 1111"), ("GPE", " Berg"),
    ]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.one_of(st.characters(), st.sampled_from("0123456789-./ ABXYZ١٢")), max_size=60))
def test_no_text_makes_a_check_fail(text: str) -> None:
    for span in personal.readings(text):
        assert 0 <= span.start < span.end <= len(text)
