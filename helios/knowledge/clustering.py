"""Questions that ask the same: average linkage over the cosines of their vectors.

Two groups become one while the mean cosine between their questions is at least a threshold, the nearest pair first, so
the same questions make the same groups in whatever order they come. By chains of nearest neighbours (Benzécri, 1982),
which takes time and memory in the square of how many there are: 2,000 questions are 32 MB.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SAME_QUESTION: Final = 0.45
"""Mean cosine from which on two groups are one: chosen on one public set, measured on another in docs/quality.md."""


def grouped(vectors: npt.NDArray[np.floating], threshold: float = SAME_QUESTION) -> list[list[int]]:
    """Rows of (n, d) of length 1, as lists of their places: each in order, the groups by their first."""
    near = np.array(vectors @ vectors.T, dtype=np.float64)
    np.fill_diagonal(near, -np.inf)
    members = {place: [place] for place in range(len(vectors))}
    done: list[list[int]] = []
    chain: list[int] = []
    while members:
        chain = chain or [min(members)]
        tip = chain[-1]
        nearest = int(near[tip].argmax())
        if near[tip, nearest] < threshold:
            # Only ever at the chain's beginning, and for good: what else merges comes no nearer to it.
            done.append(members.pop(chain.pop()))
            near[tip, :] = near[:, tip] = -np.inf
        elif len(chain) > 1 and near[tip, chain[-2]] >= near[tip, nearest]:
            _merge(near, members, *sorted((chain.pop(), chain.pop())))
        else:
            chain.append(nearest)
    return sorted(sorted(group) for group in done)


def _merge(near: npt.NDArray[np.float64], members: dict[int, list[int]], kept: int, gone: int) -> None:
    """Lance and Williams' formula for the mean of all pairs."""
    share = len(members[kept]) / (len(members[kept]) + len(members[gone]))
    row = share * near[kept] + (1 - share) * near[gone]
    row[[kept, gone]] = -np.inf
    near[kept, :] = near[:, kept] = row
    near[gone, :] = near[:, gone] = -np.inf
    members[kept] += members.pop(gone)
