"""Vault keeps the root key: it opens at start, is wrapped anew, and every way to fail says what to do."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helios import kms
from helios.crypto import CryptoError
from helios.diagnosis.stack import key_service
from helios.embedded.keys import write_secret
from helios.keyring import root_key
from helios.kms import KmsError, Vault, new_root, root_of, wrapped_root
from helios.settings import Settings
from tests.foundation.vault_server import Transit, vault

TOKEN = "hvs.of-a-test"  # of a server that lives as long as one test
TENANT = UUID(int=7)
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


def test_vaults_own_key_is_rotated(server: Transit, tmp_path: Path) -> None:
    file = tmp_path / "root_key"
    file.write_text(wrapped_root(settings(server, ROOT)))
    config = settings(server, "", root_key_file=file)
    wrapped = root_of(config).new_tenant_key(TENANT, 1)
    Vault(config).rotate()
    anew = wrapped_root(config)
    assert anew.startswith("vault:v2:")
    file.write_text(anew)
    assert root_of(config).unwrap(wrapped, TENANT, 1)
    assert len(Vault(config).unwrap(new_root(config))) == 32


def test_a_process_takes_a_new_root_key_from_its_file(server: Transit, tmp_path: Path) -> None:
    """By the values that it meets, and before it wraps any; Vault is asked once for each key."""
    file, other = tmp_path / "root_key", base64.b64encode(os.urandom(32)).decode()
    write_secret(file, wrapped_root(settings(server, ROOT)))
    config = settings(server, "", root_key_file=file)
    process, kept = root_of(config), file.read_text()
    old = process.new_tenant_key(TENANT, 1)
    write_secret(file, f"{wrapped_root(settings(server, other))},{kept}")
    asked = len(server.asked)
    new = root_key(other).new_tenant_key(TENANT, 1)
    assert process.unwrap(new, TENANT, 1)
    assert process.unwrap(old, TENANT, 1)
    assert len(server.asked) == asked + 1
    assert process.new_tenant_key(TENANT, 2).startswith(root_key(other).mark)
    write_secret(file, other)
    assert process.new_tenant_key(TENANT, 2).startswith(root_key(other).mark)
    with pytest.raises(CryptoError):
        process.unwrap(old, TENANT, 1)
    file.write_text("vault:v1:unknown")
    with pytest.raises(CryptoError, match="Vault cannot open"):
        process.new_tenant_key(TENANT, 2)


def test_a_rotation_that_broke_off_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert list(key_service(Settings(home=home))) == []
    (home / "keys").mkdir(parents=True)
    for kept, verdict in ((ROOT, "ok"), (f"{base64.b64encode(bytes(32)).decode()},{ROOT}", "wrong"), ("x", "wrong")):
        write_secret(home / "keys" / "root_key", kept)
        (finding,) = key_service(Settings(home=home))
        assert (finding.verdict, "keys rotate --root" in finding.fix) == (verdict, "," in kept)


def test_what_was_wrapped_before_root_keys_had_names_opens() -> None:
    plain = base64.b64decode(ROOT)
    nonce, key = os.urandom(12), os.urandom(32)
    wrapped = nonce + AESGCM(plain).encrypt(nonce, key, f"{TENANT}|1".encode())
    for ring in (ROOT, f"{base64.b64encode(bytes(32)).decode()},{ROOT}"):
        assert root_key(ring).unwrap(wrapped, TENANT, 1) == key
    with pytest.raises(CryptoError):
        root_key(ROOT).unwrap(b"short", TENANT, 1)


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
        ([], {"vault_url": ""}, "must be the https address"),
        ([], {"vault_url": "http://vault.bank.example:8200"}, "must be the https address"),
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
