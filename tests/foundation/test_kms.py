"""Vault keeps the root key: it opens at start, is wrapped anew, and every way to fail says what to do."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from helios import kms
from helios.crypto import CryptoError
from helios.diagnosis.stack import key_service
from helios.keyring import root_key
from helios.kms import KmsError, root_of, wrapped_root
from helios.settings import Settings
from tests.foundation.vault_server import Transit, vault

TOKEN = "hvs.of-a-test"  # of a server that lives as long as one test
ROOT = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kms, "PAUSES_S", (0.0, 0.0))


@pytest.fixture
def server() -> Iterator[Transit]:
    with vault(TOKEN) as running:
        yield running


def settings(server: Transit, root: str, **other: Any) -> Settings:
    return Settings(**{"root_key": root, "vault_url": server.url, "vault_token": TOKEN, **other})


def test_what_was_sealed_before_opens_with_the_key_that_vault_keeps(server: Transit) -> None:
    tenant = uuid4()
    wrapped = root_key(ROOT).new_tenant_key(tenant, 1)
    kept = wrapped_root(settings(server, ROOT))
    assert kept.startswith("vault:v1:")
    assert ROOT not in kept
    assert root_of(settings(server, kept)).unwrap(wrapped, tenant, 1) == root_key(ROOT).unwrap(wrapped, tenant, 1)
    server.rotate()
    anew = wrapped_root(settings(server, kept))
    assert anew.startswith("vault:v2:")
    for each in (kept, anew):
        assert root_of(settings(server, each)).unwrap(wrapped, tenant, 1) == root_key(ROOT).unwrap(wrapped, tenant, 1)
    assert server.asked[-3:] == [f"/v1/transit/{verb}/helioscs" for verb in ("rewrap", "decrypt", "decrypt")]


def test_a_root_key_of_ones_own_asks_nobody(server: Transit) -> None:
    root_of(settings(server, ROOT))
    assert server.asked == []


def test_a_busy_or_faltering_vault_is_asked_again(server: Transit) -> None:
    kept = wrapped_root(settings(server, ROOT))
    server.says = [(429, b'{"errors":["rate limit quota exceeded"]}'), (502, b"<html>")]
    root_of(settings(server, kept))
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("says", "other", "advice"),
    [
        ([(429, b"{}")] * 3, {}, "too many requests"),
        ([(500, b"{}")] * 3, {}, "answers with 500"),
        ([(200, b"<html>Welcome")], {}, "has no plaintext"),
        ([(200, b"[]")], {}, "has no plaintext"),
        ([(200, b'{"data":{"plaintext":7}}')], {}, "has no plaintext"),
        ([(200, b'{"data":{"plaintext":"%%%"}}')], {}, "is not a key"),
        ([(307, b"")], {}, "answers with 307"),
        ([], {"vault_token": "hvs.of-somebody-else"}, "refuses the token"),
        ([], {"vault_key": "another"}, "wrapped by another key"),
        ([], {"vault_mount": "elsewhere"}, "no such engine"),
        ([], {"vault_url": ""}, "must be its https address"),
        ([], {"vault_url": "http://vault.bank.example:8200"}, "must be its https address"),
    ],
)
def test_each_failure_says_what_to_do_and_no_secret(
    server: Transit, says: list[tuple[int, bytes]], other: dict[str, Any], advice: str
) -> None:
    kept = wrapped_root(settings(server, ROOT))
    server.says = list(says)
    config = settings(server, kept, **other)
    with pytest.raises(KmsError, match=advice) as failed:
        root_of(config)
    assert not any(secret in str(failed.value) for secret in (TOKEN, "hvs.", kept, ROOT))
    server.says = list(says)
    (finding,) = key_service(config)
    assert (finding.verdict, advice in finding.fix) == ("wrong", True)


def test_a_sealed_vault_is_told_apart_at_once(server: Transit) -> None:
    kept = wrapped_root(settings(server, ROOT))
    server.sealed = True
    with pytest.raises(KmsError, match="is sealed"):
        root_of(settings(server, kept))
    assert len(server.asked) == 2


def test_a_vault_that_hangs_or_is_gone_is_left(server: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = wrapped_root(settings(server, ROOT))
    monkeypatch.setattr(kms, "TIMEOUT_S", 0.1)
    server.silent.set()
    with pytest.raises(KmsError, match="does not answer"):
        root_of(settings(server, kept))
    with pytest.raises(KmsError, match="does not answer"):
        root_of(settings(server, kept, vault_url="http://127.0.0.1:1"))


def test_what_vault_keeps_must_be_a_key(server: Transit) -> None:
    short = kms.Vault(settings(server, ROOT)).wrap(b"too short")
    with pytest.raises(CryptoError, match="32 bytes"):
        root_of(settings(server, short))
    with pytest.raises(CryptoError):
        wrapped_root(settings(server, "no key"))
