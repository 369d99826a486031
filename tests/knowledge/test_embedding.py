import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helios.knowledge.articles import Article
from helios.knowledge.embedding import embed_article
from helios.models.embedder import Vectors

ARTICLE = Article(
    slug="fees",
    title="Fees",
    visibility="public",
    language="en",
    category="fees",
    body="Sending costs 5 dollars. Receiving is free.\n\n## Abroad\nAbroad it costs 10 dollars.",
    effective=dt.date(2026, 1, 1),
)


class LetterEncoder:
    """Counts letters: a vector that shows which text it came from."""

    name = "letters-1"
    dimension = 26

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.seen.extend(texts)
        rows = [[text.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), 26)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def test_a_chunks_vector_knows_title_and_heading_and_each_sentence_has_its_own() -> None:
    encoder = LetterEncoder()
    chunks = embed_article(encoder, ARTICLE)
    assert [chunk.heading for chunk in chunks] == ["", "Abroad"]
    assert np.array_equal(chunks[1].vector, encoder.embed(["Fees. Abroad. Abroad it costs 10 dollars."])[0])
    for chunk in chunks:
        assert np.array_equal(chunk.sentence_vectors, encoder.embed(chunk.sentences))
    assert chunks[0].sentences == ("Sending costs 5 dollars.", "Receiving is free.")


def test_a_second_reading_computes_nothing_and_is_the_same(tmp_path: Path) -> None:
    first_encoder, second_encoder = LetterEncoder(), LetterEncoder()
    first = embed_article(first_encoder, ARTICLE, tmp_path)
    second = embed_article(second_encoder, ARTICLE, tmp_path)
    assert first_encoder.seen
    assert second_encoder.seen == []
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.vector, other.vector)
        assert np.array_equal(one.sentence_vectors, other.sentence_vectors)


def test_another_model_or_a_damaged_file_is_computed_anew(tmp_path: Path) -> None:
    embed_article(LetterEncoder(), ARTICLE, tmp_path)
    renamed = LetterEncoder()
    renamed.name = "letters-2"
    embed_article(renamed, ARTICLE, tmp_path)
    assert renamed.seen

    (cached,) = (tmp_path / "vectors" / "letters-1").iterdir()
    cached.write_bytes(cached.read_bytes()[:50])
    healed, after = LetterEncoder(), LetterEncoder()
    embed_article(healed, ARTICLE, tmp_path)
    embed_article(after, ARTICLE, tmp_path)
    assert healed.seen
    assert after.seen == []


def test_without_a_cache_folder_nothing_is_written(tmp_path: Path) -> None:
    embed_article(LetterEncoder(), ARTICLE)
    assert list(tmp_path.iterdir()) == []
