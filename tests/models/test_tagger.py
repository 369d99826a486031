from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.detection import personal
from helios.models import tagger
from helios.models.embedder import Embedder
from helios.models.tagger import TAGS, WEIGHTS, Tagger
from helios.settings import settings as helios_settings

NAMES = [
    ("Oda Bjørnstad sent me 40 euros by mistake", "PERSON", "Oda Bjørnstad"),
    ("please post it to Lindenallee 45, 20259 Hamburg", "STREET_ADDRESS", "Lindenallee 45"),
    ("I will fly to Wellington tomorrow", "GPE", "Wellington"),
    ("my neighbour ferdinand kowalczyk knows you", "PERSON", "ferdinand kowalczyk"),
]


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    return Embedder.load(helios_settings())


@pytest.mark.parametrize(("text", "label", "value"), NAMES)
def test_names_that_no_cue_announces_are_found(encoder: Embedder, text: str, label: str, value: str) -> None:
    start = text.index(value)
    tagged = tagger.tag(encoder, Tagger.load(), text)
    assert any(span.label == label and span.start <= start and start + len(value) <= span.end + 1 for span in tagged), (
        tagged
    )


@pytest.mark.parametrize(
    "text", ["How long does a transfer take?", "The app crashes, PLEASE HELP ME NOW!!", "", "\n \n"]
)
def test_plain_words_are_left_alone(encoder: Embedder, text: str) -> None:
    assert tagger.tag(encoder, Tagger.load(), text) == []


def test_a_long_text_is_read_to_its_end(encoder: Embedder) -> None:
    text = "I would like to know what the monthly fee is, please. " * 60 + "My name is Ferdinand Kowalczyk."
    found = tagger.tag(encoder, Tagger.load(), text)
    assert "Ferdinand Kowalczyk" in [text[span.start : span.end] for span in found if span.label == "PERSON"]


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_gives_ordered_spans_inside_it(text: str) -> None:
    encoder = Embedder.load(helios_settings()) if not _shared else _shared[0]
    _shared[:] = [encoder]
    tagged = tagger.tag(encoder, Tagger.load(), text)
    for spans in (tagged, personal.find_all(text, None, tagged)):
        assert all(0 <= span.start < span.end <= len(text) for span in spans)
        assert all(left.end <= right.start for left, right in pairwise(spans))


_shared: list[Embedder] = []


def test_a_name_goes_on_only_where_one_has_begun() -> None:
    begin, inside = TAGS.index("B-PERSON"), TAGS.index("I-PERSON")
    scores = np.zeros((3, len(TAGS)), np.float32)
    scores[0, inside] = 5  # tempting, and impossible at the beginning
    scores[1, inside] = scores[2, 0] = 3
    tags = tagger.best_tags(scores, np.zeros((len(TAGS) + 1, len(TAGS)), np.float32))
    assert tags.tolist() == [begin, inside, 0]


def test_the_shipped_weights_are_small() -> None:
    assert Path(WEIGHTS).stat().st_size < 3_000_000
