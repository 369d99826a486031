"""A customer's key opens what is theirs, and nothing else; destroyed, it seals and opens nothing."""

from __future__ import annotations

import os
from uuid import UUID, uuid4

import pytest

from helios.crypto import CryptoError, Shredded, TenantKeys
from helios.customer_keys import CustomerKeys

TENANT, ROW = TenantKeys(UUID(int=1), {1: b"1" * 32}), UUID(int=7)
KEY, KEY_ID, CUSTOMER = b"k" * 32, UUID(int=3), UUID(int=2)
KEYS = CustomerKeys(TENANT, CUSTOMER, KEY_ID, KEY)
CANARY = "kanarienvogel"


def test_what_was_sealed_opens_again_and_names_its_key() -> None:
    sealed = KEYS.seal_text(CANARY, "messages.content_ct", ROW)
    assert KEYS.open_text(sealed, "messages.content_ct", ROW) == CANARY
    assert CANARY.encode() not in sealed
    assert sealed[1:17] == KEY_ID.bytes


@pytest.mark.parametrize(
    ("keys", "where", "row"),
    [
        (KEYS, "messages.content_ct", uuid4()),
        (KEYS, "feedback.comment_ct", ROW),
        (CustomerKeys(TENANT, CUSTOMER, KEY_ID, os.urandom(32)), "messages.content_ct", ROW),
        (CustomerKeys(TENANT, UUID(int=4), UUID(int=5), KEY), "messages.content_ct", ROW),
        (CustomerKeys(TenantKeys(UUID(int=9), {1: b"1" * 32}), CUSTOMER, KEY_ID, KEY), "messages.content_ct", ROW),
        (CustomerKeys(TENANT, CUSTOMER, KEY_ID, None), "messages.content_ct", ROW),
        (TENANT, "messages.content_ct", ROW),
    ],
    ids=["row", "column", "key", "customer", "tenant", "destroyed", "the tenant's own key"],
)
def test_a_value_does_not_open_with_another(keys: CustomerKeys, where: str, row: object) -> None:
    sealed = KEYS.seal_text(CANARY, "messages.content_ct", ROW)
    with pytest.raises(CryptoError) as refused:
        keys.open_text(sealed, where, row)
    assert CANARY not in str(refused.value)


def test_every_byte_counts() -> None:
    sealed = KEYS.seal_text(CANARY, "a.b", ROW)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CryptoError):
            KEYS.open(bytes(changed), "a.b", ROW)
        with pytest.raises(CryptoError):
            KEYS.open(sealed[:place], "a.b", ROW)


def test_what_the_tenants_key_sealed_before_still_opens() -> None:
    assert KEYS.open_text(TENANT.seal_text(CANARY, "a.b", ROW), "a.b", ROW) == CANARY


def test_a_destroyed_key_seals_nothing() -> None:
    for key_id in (KEY_ID, None):
        with pytest.raises(Shredded):
            CustomerKeys(TENANT, CUSTOMER, key_id, None).seal_text("late", "a.b", ROW)
