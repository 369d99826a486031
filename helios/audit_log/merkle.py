"""The Merkle tree of RFC 6962 (§ 2.1): roots, inclusion proofs and consistency proofs. Hashes are SHA-256, 32 bytes.

A tree is known by its leaves' hashes in order. The functions that build proofs ask for the roots of ranges of leaves,
so that whoever stores roots of large ranges need not read every leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()

RootOf = Callable[[int, int], bytes]
"""The root of the leaves from `start` to before `end`."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """All that is needed to add leaves: the roots of the perfect subtrees that a tree of `size` leaves is made of."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)
    """Of the largest subtree first: one for each set bit of `size`."""

    def add(self, leaf: bytes) -> list[bytes]:
        """Appends a leaf's hash. The roots of the perfect subtrees that it completes, of 1, 2, 4 … leaves."""
        completed = [leaf]
        for _ in range(_trailing_ones(self.size)):
            completed.append(node_hash(self.roots.pop(), completed[-1]))
        self.roots.append(completed[-1])
        self.size += 1
        return completed

    def root(self) -> bytes:
        if not self.roots:
            return EMPTY_ROOT
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root


def root_of_leaves(leaves: Sequence[bytes]) -> bytes:
    """The root over the leaves' hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proof(index: int, size: int, root_of: RootOf) -> list[bytes]:
    """That the leaf `index` (from 0) is in the tree of the first `size` leaves: § 2.1.1, leaf's sibling first."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, root_of: RootOf) -> list[bytes]:
    """That the tree of the first `old` leaves is the beginning of that of `new`: § 2.1.2."""
    if not 0 < old <= new:
        raise ValueError(f"no proof leads from {old} to {new} leaves")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(root_of(middle, end))
            end = middle
        else:
            path.append(root_of(start, middle))
            start, whole = middle, False
    return [*([] if whole else [root_of(start, end)]), *path[::-1]]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that the proof leads to; None where its length does not fit."""
    if not 0 <= index < size:
        return None
    position, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if position % 2 or position == last:
            root = node_hash(sibling, root)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            root = node_hash(root, sibling)
        position, last = position // 2, last // 2
    return root if last == 0 else None


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `new` leaves begins with that of `old`."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    rest = list(path)
    position, last = old - 1, new - 1
    while position % 2:
        position, last = position // 2, last // 2
    if position:
        if not rest:
            return False
        was = now = rest.pop(0)
    else:
        was = now = old_root
    for sibling in rest:
        if last == 0:
            return False
        if position % 2 or position == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            now = node_hash(now, sibling)
        position, last = position // 2, last // 2
    return last == 0 and (was, now) == (old_root, new_root)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _trailing_ones(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1
