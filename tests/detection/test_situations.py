from pathlib import Path

import pytest
import yaml

from helios.detection import situations

PARAPHRASES: dict[int, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "paraphrases.yaml").read_text("utf-8"))
# Lost with suspected use is handled as unauthorised use, so either number is right for both.
SAME = {1: {1, 2}, 2: {1, 2}}
RECALL_MIN, FALSE_ALARMS_MAX = 0.98, 0.02


def lines(number: int, kind: str) -> list[str]:
    return PARAPHRASES[number].get(kind, "").strip().splitlines()


def numbers(text: str) -> set[int]:
    return {match.number for match in situations.find_situations(text)}


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("number", PARAPHRASES)
def test_paraphrases_are_found(number: int, language: str) -> None:
    texts = lines(number, language)
    missed = [text for text in texts if not numbers(text) & SAME.get(number, {number})]
    assert len(missed) <= (1 - RECALL_MIN) * len(texts), missed


@pytest.mark.parametrize("number", PARAPHRASES)
def test_look_alikes_are_not(number: int) -> None:
    texts = lines(number, "not")
    alarms = [text for text in texts if numbers(text) & SAME.get(number, {number})]
    assert len(alarms) <= FALSE_ALARMS_MAX * len(texts), alarms
