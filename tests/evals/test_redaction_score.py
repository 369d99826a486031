from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evals.redaction import finders, section
from evals.redaction.score import Text, score
from helios.detection.spans import Span

SENTENCE = Text("Ann Lee paid 4111", (Span(0, 7, "PERSON"), Span(13, 17, "CREDIT_CARD")))


@pytest.mark.parametrize(
    ("predicted", "f2", "leak", "over"),
    [
        ([Span(0, 7, "PERSON"), Span(13, 17, "CREDIT_CARD")], 1, 0, 0),
        ([], 0, 1, 0),
        ([Span(0, 3, "PERSON"), Span(13, 17, "CREDIT_CARD")], 5 / 9, 4 / 11, 0),  # less than half of the name
        ([Span(0, 4, "PERSON"), Span(5, 7, "PERSON"), Span(13, 17, "CREDIT_CARD")], 1, 1 / 11, 0),
        ([Span(0, 7, "ORGANIZATION"), Span(13, 17, "CREDIT_CARD")], 5 / 10, 0, 0),  # covered, but called otherwise
        ([Span(0, 17, "PERSON")], 5 / 9, 0, 1),
    ],
)
def test_a_finder_is_judged_by_kinds_and_by_characters(
    predicted: list[Span], f2: float, leak: float, over: float
) -> None:
    found = score([SENTENCE], [predicted])
    assert (found.f2(), found.leak(), found.over_redaction()) == pytest.approx((f2, leak, over))


def test_the_one_place_that_a_finder_knows_counts_for_every_kind_of_place() -> None:
    text = Text("Rue Foch, Lyon", (Span(0, 8, "STREET_ADDRESS"), Span(10, 14, "GPE")))
    assert score([text], [[Span(0, 8, "LOCATION"), Span(10, 14, "LOCATION")]]).f2() == 1


def test_the_numbers_tell_recall_from_alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "presidio", lambda texts: None)
    folder = tmp_path / "pii_id_numbers"
    folder.mkdir()
    (folder / "samples.jsonl").write_text(
        '{"text": "my iban DE89370400440532013000", "recognizer": "iban",'
        ' "spans": [{"start": 8, "end": 30, "label": "IBAN_CODE"}]}\n'
        '{"text": "my iban DE88370400440532013000", "recognizer": "iban", "spans": []}\n',
        encoding="utf-8",
    )
    figures = section.numbers(tmp_path).figures
    assert list(figures["ours"].values()) == ["1.000 (1)", "1.000 (1)", "0.000 (1)", "0.000 (1)"]
    assert list(figures["patterns"].values()) == ["1.000 (1)", "1.000 (1)", "1.000 (1)", "1.000 (1)"]


def test_without_presidio_there_is_no_column_of_it_and_a_failing_one_is_told(tmp_path: Path) -> None:
    assert finders.presidio(["text"], tmp_path / "python") is None
    with pytest.raises(subprocess.CalledProcessError):  # the environment of the tests has none
        finders.presidio(["text"], Path(sys.executable))
