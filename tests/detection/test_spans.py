import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.detection.spans import Span, merge, normalise


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
def test_every_folded_character_leads_back(text: str) -> None:
    folded = normalise(text)
    for place in range(len(folded.text)):
        start, end = folded.original(place, place + 1)
        assert 0 <= start < end <= len(text)
    if folded.text:
        assert folded.original(0, len(folded.text))[0] <= folded.original(len(folded.text) - 1, len(folded.text))[0]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Visa ４１１１", "visa 4111"),
        ("٤١١١", "4111"),
        ("4\u200b1\u20601\ufeff1", "4111"),
        ("I didn’t", "i didn't"),
        ("a–b—c‑d", "a-b-c-d"),
        ("ﬁne", "fine"),
        ("mu\u0308ller", "müller"),
        ("soft\u00adware", "software"),
        ("", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert normalise(text).text == folded


def test_offsets_point_into_the_original() -> None:
    text = "x\u200b\u200bＡＢc\u0301 y"
    folded = normalise(text)
    start, end = folded.original(folded.text.index("ab"), folded.text.index("ab") + 3)
    assert unicodedata.normalize("NFKC", text[start:end]).lower() == "abć"


def test_longer_span_wins_then_the_surer_one() -> None:
    spans = [Span(0, 4, "A"), Span(2, 10, "B"), Span(12, 14, "C", 0.5), Span(12, 14, "D", 0.9), Span(10, 12, "E")]
    assert [span.label for span in merge(spans)] == ["B", "E", "D"]
