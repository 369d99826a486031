"""The public sets of intents, each split into what is learnt from and what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from evals.detectors.examples import rows
from evals.prediction.rows import Row

HELD_OUT_FOLDS: Final = frozenset({"10", "11", "12", "13"})
"""Of NLU++'s folds; its authors cut them so that none repeats another's sentences."""
ARABIC_SHARE: Final = 12
"""Every twelfth Arabic sentence: an English encoder cuts each into many tokens, and reading them all takes long."""


@dataclass(frozen=True, slots=True)
class Split:
    """Rows `{"id", "text", "label"}`, or with `intents` where a text has several."""

    learnt: Sequence[Row]
    asked: Sequence[Row]


def banking77(sets: Path) -> Split:
    """All examples but those asked: about 106 a class."""
    asked = rows(sets / "banking77" / "check.jsonl")
    ids = {row["id"] for row in asked}
    return Split([row for row in rows(sets / "banking77" / "train.jsonl") if row["id"] not in ids], asked)


def ten_a_class(sets: Path) -> Split:
    return Split(rows(sets / "banking77" / "train_10shot.jsonl"), rows(sets / "banking77" / "check.jsonl"))


def finance(sets: Path) -> Split:
    """CLINC150's 30 intents of banking and credit cards, and what is out of scope."""
    asked = rows(sets / "clinc150" / "val_finance.jsonl")
    kept = {row["label"] for row in asked}
    return Split([row for row in rows(sets / "clinc150" / "train.jsonl") if row["label"] in kept], asked)


def several(sets: Path) -> Split:
    """NLU++: several intents in a sentence, by fold."""
    every = rows(sets / "nlupp_banking" / "folds0-13.jsonl")
    held = [row["id"].split("-")[1] in HELD_OUT_FOLDS for row in every]
    return Split(
        [row for row, asked in zip(every, held, strict=True) if not asked],
        [row for row, asked in zip(every, held, strict=True) if asked],
    )


def arabic(sets: Path) -> Split:
    folder = sets / "arbanking77"
    return Split(
        rows(folder / "train_msa_pal.jsonl.gz")[::ARABIC_SHARE], rows(folder / "val_msa_pal.jsonl")[::ARABIC_SHARE]
    )


SPLITS: Final[Mapping[str, Callable[[Path], Split]]] = MappingProxyType(
    {
        "banking77, all examples": banking77,
        "banking77, ten a class": ten_a_class,
        "clinc150, finance": finance,
        "nlupp_banking": several,
        "arbanking77": arabic,
    }
)
