"""A sealed value opens in its own place only, and only unchanged."""

from __future__ import annotations

import os
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios.crypto import HEADER, CryptoError, RootKey, TenantKeys, UnknownKeyVersion, token_hash
from helios.keyring import root_key

TENANT, ROW = UUID(int=1), UUID(int=7)
KEYS = TenantKeys(TENANT, {1: b"1" * 32, 2: b"2" * 32})
CANARY = "kanarienvogel"


@given(st.text(), st.text(max_size=20), st.uuids())
def test_what_was_sealed_opens_again_and_does_not_show(value: str, where: str, row: UUID) -> None:
    sealed = KEYS.seal_text(value, where, row)
    assert KEYS.open_text(sealed, where, row) == value
    assert len(value) < 8 or value.encode() not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    assert len({KEYS.seal_text(CANARY, "a.b", ROW) for _ in range(500)}) == 500


@pytest.mark.parametrize(
    ("keys", "where", "row"),
    [
        (KEYS, "messages.content_ct", uuid4()),
        (KEYS, "feedback.comment_ct", ROW),
        (KEYS, "messages.content_ct", f"{ROW} "),
        (TenantKeys(UUID(int=2), {1: b"1" * 32, 2: b"2" * 32}), "messages.content_ct", ROW),
        (TenantKeys(TENANT, {1: b"1" * 32, 2: b"3" * 32}), "messages.content_ct", ROW),
    ],
    ids=["another row", "another column", "almost the row", "another tenant", "another key"],
)
def test_a_value_moved_elsewhere_does_not_open(keys: TenantKeys, where: str, row: object) -> None:
    sealed = KEYS.seal_text(CANARY, "messages.content_ct", ROW)
    with pytest.raises(CryptoError) as refused:
        keys.open_text(sealed, where, row)
    assert CANARY not in str(refused.value)


def test_every_bit_counts() -> None:
    sealed = KEYS.seal_text(CANARY, "a.b", ROW)
    for place in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(CryptoError):
            KEYS.open(bytes(changed), "a.b", ROW)
    for length in range(len(sealed)):
        with pytest.raises(CryptoError):
            KEYS.open(sealed[:length], "a.b", ROW)
    with pytest.raises(CryptoError):
        KEYS.open(sealed + b"\0", "a.b", ROW)


def test_an_unknown_version_is_told_as_such() -> None:
    newer = TenantKeys(TENANT, {3: b"3" * 32})
    with pytest.raises(UnknownKeyVersion):
        KEYS.open(newer.seal(b"x", "a.b", ROW), "a.b", ROW)
    # A value of an old version cannot be passed off as one of a newer.
    form, _, nonce = HEADER.unpack_from(KEYS.seal(b"x", "a.b", ROW))
    with pytest.raises(CryptoError):
        KEYS.open(HEADER.pack(form, 1, nonce) + KEYS.seal(b"x", "a.b", ROW)[HEADER.size :], "a.b", ROW)


def test_after_a_rotation_old_values_open_and_new_ones_take_the_new_key() -> None:
    old = TenantKeys(TENANT, {1: b"1" * 32})
    sealed = old.seal_text(CANARY, "a.b", ROW)
    assert KEYS.open_text(sealed, "a.b", ROW) == CANARY
    assert HEADER.unpack_from(KEYS.seal(b"", "a.b", ROW))[1] == 2
    assert KEYS.blind_index("x", "a.b") == old.blind_index("x", "a.b")


def test_a_blind_index_belongs_to_its_column_and_tenant() -> None:
    other = TenantKeys(UUID(int=2), {1: b"9" * 32})
    found = {
        KEYS.blind_index("x", "a.b"),
        KEYS.blind_index("x", "a.c"),
        KEYS.blind_index("y", "a.b"),
        other.blind_index("x", "a.b"),
    }
    assert len(found) == 4
    assert all(len(each) == 32 for each in found)


def test_a_wrapped_key_is_bound_to_its_tenant_version_and_root() -> None:
    root = RootKey(b"r" * 32)
    wrapped = root.new_tenant_key(TENANT, 1)
    assert len(root.unwrap(wrapped, TENANT, 1)) == 32
    for other, tenant, version in ((root, UUID(int=2), 1), (root, TENANT, 2), (RootKey(b"s" * 32), TENANT, 1)):
        with pytest.raises(CryptoError):
            other.unwrap(wrapped, tenant, version)


@pytest.mark.parametrize("bad", ["", "x", "AAAA", "A" * 43, "not base64!", "A" * 88])
def test_a_root_key_that_is_none_is_a_clear_error(bad: str) -> None:
    with pytest.raises(CryptoError, match="HELIOS_ROOT_KEY"):
        root_key(bad)


def test_a_token_is_kept_as_its_hash() -> None:
    token = os.urandom(8).hex()
    assert token_hash(token) == token_hash(token)
    assert token.encode() not in token_hash(token)
