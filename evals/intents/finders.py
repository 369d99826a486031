"""What is compared on intents: the product's classifier, and the plain models that anyone would try first.

Each learns from a split and gives the prediction rows of `python -m helios predict intent`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import scipy.sparse

from evals.intents.sets import Split
from evals.prediction import intents
from evals.prediction.rows import Row
from helios.models.embedder import TextEncoder, Vectors

SEVERAL_FROM: Final = 0.0
"""From which distance of the plain linear model on a name is among several."""
Predictions = Sequence[Mapping[str, Any]]


class Remembering:
    """An encoder that reads each text once, however many models learn from it."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, Vectors] = {}
        self.name = encoder.name
        self.dimension = encoder.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encoder.embed([text])[0]
        return np.stack([self._known[text] for text in texts])


def ours(encoder: TextEncoder, split: Split) -> Predictions:
    return list(intents.predictions(encoder, intents.train(encoder, split.learnt), split.asked))


def naive_bayes(_: TextEncoder, split: Split) -> Predictions:
    """Multinomial naive Bayes on counts of words."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    words = CountVectorizer()
    counts = words.fit_transform(_texts(split.learnt))
    model = MultinomialNB().fit(counts, _labels(split))
    shares = model.predict_proba(words.transform(_texts(split.asked)))
    return _best(split.asked, list(model.classes_), shares)


def on_vectors(encoder: TextEncoder, split: Split) -> Predictions:
    """Logistic regression on the same vectors as ours."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=300).fit(encoder.embed(_texts(split.learnt)), _labels(split))
    return _best(split.asked, list(model.classes_), model.predict_proba(encoder.embed(_texts(split.asked))))


def linear(encoder: TextEncoder, split: Split) -> Predictions:
    """A linear support vector machine on the vectors beside TF-IDF of words and characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    learnt, asked = _texts(split.learnt), _texts(split.asked)
    seen = [scipy.sparse.csr_matrix(encoder.embed(learnt)), words.fit_transform(learnt),
            characters.fit_transform(learnt)]  # fmt: skip
    new = [scipy.sparse.csr_matrix(encoder.embed(asked)), words.transform(asked), characters.transform(asked)]
    if "intents" not in split.learnt[0]:
        model = LinearSVC(C=1).fit(_weighed(seen), _labels(split))
        return _best(split.asked, list(model.classes_), model.decision_function(_weighed(new)))
    names = MultiLabelBinarizer()
    model = OneVsRestClassifier(LinearSVC(C=1))
    model.fit(_weighed(seen), names.fit_transform([row["intents"] for row in split.learnt]))
    scores = model.decision_function(_weighed(new))
    found = [[name for name, score in zip(names.classes_, row, strict=True) if score > SEVERAL_FROM] for row in scores]
    return [{"id": row["id"], "intents": several} for row, several in zip(split.asked, found, strict=True)]


def _weighed(parts: Sequence[Any]) -> Any:
    return scipy.sparse.hstack([weight * part for weight, part in zip((1, 0.5, 0.5), parts, strict=True)]).tocsr()


def _texts(rows: Sequence[Row]) -> list[str]:
    return [row["text"] for row in rows]


def _labels(split: Split) -> list[str]:
    return [row["label"] for row in split.learnt]


def _best(rows: Sequence[Row], names: Sequence[str], scores: Any) -> Predictions:
    """The best name of each row; out of scope is what says so most, or is unlikely to be anything else."""
    foreign = [index for index, name in enumerate(names) if name in intents.OUT_OF_SCOPE]
    inside = [index for index in range(len(names)) if index not in foreign]
    return [
        {
            "id": row["id"],
            "label": names[int(found.argmax())],
            "oos_score": float(found[foreign].sum() - found[inside].max()),
        }
        for row, found in zip(rows, scores, strict=True)
    ]


FINDERS: Final[Mapping[str, Callable[[TextEncoder, Split], Predictions]]] = MappingProxyType(
    {"ours": ours, "linear SVM": linear, "logistic regression": on_vectors, "naive Bayes": naive_bayes}
)
OF_SEVERAL: Final = ("ours", "linear SVM")
"""The others give one name a text."""
