"""The tree against RFC 6962's own definition, and proofs of every size against what they must and must not prove."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from helios.audit_log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_of_leaves,
)

MOST = 40
LEAVES = [leaf_hash(str(number).encode()) for number in range(MOST)]


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of § 2.1, as it is written there."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def root_of(start: int, end: int) -> bytes:
    return defined_root(LEAVES[start:end])


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_roots_are_those_that_others_compute() -> None:
    """Of the tree over the eight test inputs of Google's Certificate Transparency."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in entries]
    assert root_of_leaves(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of_leaves(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_a_tree_that_grows_leaf_by_leaf_has_the_defined_root_at_each_size() -> None:
    frontier = Frontier()
    assert frontier.root() == defined_root([])
    for size, leaf in enumerate(LEAVES, start=1):
        completed = frontier.add(leaf)
        assert frontier.root() == defined_root(LEAVES[:size])
        assert len(frontier.roots) == size.bit_count()
        assert completed == [root_of(size - 2**level, size) for level in range(len(completed))]


def test_every_leaf_of_every_tree_is_proven_and_nothing_else_is() -> None:
    for size in range(1, MOST + 1):
        root = root_of(0, size)
        for index in range(size):
            path = inclusion_proof(index, size, root_of)
            assert root_from_inclusion(LEAVES[index], index, size, path) == root
            assert root_from_inclusion(flipped(LEAVES[index]), index, size, path) != root
            assert root_from_inclusion(LEAVES[index], index, size, [*path, root]) is None
            if path:
                assert root_from_inclusion(LEAVES[index], index, size, path[:-1]) != root
                assert root_from_inclusion(LEAVES[index], index, size, [flipped(path[0]), *path[1:]]) != root


def test_every_tree_is_the_beginning_of_every_larger_one() -> None:
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            path = consistency_proof(old, new, root_of)
            was, now = root_of(0, old), root_of(0, new)
            assert is_consistent(old, new, was, now, path)
            assert not is_consistent(old, new, flipped(was), now, path)
            assert not is_consistent(old, new, was, flipped(now), path)
            assert not is_consistent(old, new, was, now, [*path, now])
            if path:
                assert not is_consistent(old, new, was, now, path[:-1])


@given(st.integers(1, MOST), st.integers(0, MOST - 1), st.integers(0, MOST - 1))
def test_a_proof_holds_for_no_other_place(size: int, index: int, other: int) -> None:
    index, other = index % size, other % size
    path = inclusion_proof(index, size, root_of)
    if index != other:
        assert root_from_inclusion(LEAVES[index], other, size, path) != root_of(0, size)
