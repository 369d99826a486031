"""Which examples are held out together. Texts that say nearly the same are of one group, and a group is of one fold:
else what is asked would have been learnt in other words.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from helios.detection.features import fold as folded
from helios.detection.features import readable

FOLDS: Final = 5
ALIKE: Final = 0.9
"""The cosine from which two texts say nearly the same. Of scripts that the encoder cannot read only equal ones do."""
_BLOCK: Final = 512

Floats = npt.NDArray[np.float32]


def groups_of(texts: Sequence[str], vectors: Floats) -> list[int]:
    """A number for each text, the same for texts of one group. `vectors`: (n, dimension) of unit length."""
    parent = list(range(len(texts)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        parent[root(place)] = root(first.setdefault(folded(text), place))
    read = np.array([place for place, text in enumerate(texts) if readable(text)], dtype=np.int64)
    for begin in range(0, len(read), _BLOCK):
        block = read[begin : begin + _BLOCK]
        for left, right in np.argwhere(vectors[block] @ vectors[read].T >= ALIKE):
            parent[root(int(block[left]))] = root(int(read[right]))
    return [root(place) for place in range(len(texts))]


def folds_of(texts: Sequence[str], labels: Sequence[str], groups: Sequence[int]) -> npt.NDArray[Any]:
    """(n,): the fold of each text. The examples of a label are spread over the folds as evenly as its groups allow, in
    an order that hangs on the texts alone.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    folds = np.zeros(len(texts), dtype=np.int64)
    held: dict[str, Counter[int]] = defaultdict(Counter)
    for places in sorted(members.values(), key=lambda each: (-len(each), _digest(texts[each[0]]))):
        counts = held[labels[places[0]]]
        chosen = min(range(FOLDS), key=lambda fold: (counts[fold], sum(each[fold] for each in held.values())))
        folds[places] = chosen
        for place in places:
            held[labels[place]][chosen] += 1
    return folds


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
