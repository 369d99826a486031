"""What the system says exists in every language, with the same places to fill in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
import yaml

from activities.promises import MONTHS
from helios import texts
from helios.detection.situations import find_situations

PERSON_WANTED = 20
FOLDER = Path(texts.__file__).parent
TABLES = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.yaml"))}


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_six_languages_are_there_wherever_a_customer_is_spoken_to() -> None:
    offline = yaml.safe_load((FOLDER.parent / "offline_texts.yaml").read_text(encoding="utf-8"))["texts"]
    assert {"en", "de", "fr", "es", "ar", "tr"} <= TABLES.keys() & MONTHS.keys() & offline.keys()
    assert {len(months.split()) for months in MONTHS.values()} == {12}
    assert {frozenset(said) for said in offline.values()} == {frozenset(offline["en"])}


@pytest.mark.parametrize("language", TABLES)
def test_the_word_that_a_customer_is_told_to_write_brings_a_person(language: str) -> None:
    told = re.search(r"[\"„«“]\s?(\w+)\s?[\"”»“]", TABLES[language]["offer_human"])
    assert told is not None
    assert PERSON_WANTED in {match.number for match in find_situations(told[1])}


@pytest.mark.parametrize("language", TABLES)
def test_every_text_is_there_with_the_same_places(language: str) -> None:
    english = TABLES["en"]
    assert TABLES[language].keys() == english.keys()
    for key, template in TABLES[language].items():
        assert places(template) == places(english[key]), key
        filled = texts.text(key, language, **dict.fromkeys(places(template), "X"))
        assert filled
        assert "{" not in filled


def test_every_text_that_is_asked_for_exists() -> None:
    """Keys named in the code are in the table."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("api", "activities")
        for path in (FOLDER.parent.parent / folder).glob("*.py")
    )
    asked = set(re.findall(r"\bsay\(\s*\"(\w+)\"", source))
    assert asked
    assert asked <= TABLES["en"].keys()


@pytest.mark.parametrize("language", ["pt", "", None, "..", "../en", "\x00\x00", "EN-US", "zz", "41", "💳"])
def test_another_language_falls_back_to_english(language: str | None) -> None:
    assert texts.text("disclosure", language, bank="B") == texts.text("disclosure", "en", bank="B")


def test_a_region_does_not_matter() -> None:
    assert texts.text("disclosure", "de-AT", bank="B") == texts.text("disclosure", "de", bank="B")


def test_an_unknown_text_is_an_error() -> None:
    with pytest.raises(KeyError):
        texts.text("no_such_text", "en")
