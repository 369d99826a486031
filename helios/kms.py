"""The root key, and who keeps it: HELIOS_ROOT_KEY is the key itself, or what Vault's Transit engine made of it.

`vault:v1:…` is opened by Vault once, when a process starts, and lives in its memory only: a copy of the settings opens
nothing, Vault decides which machine may, and a Vault that goes away later stops nobody. Protocol:
developer.hashicorp.com/vault/api-docs/secret/transit (encrypt, decrypt, rewrap).
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from helios.crypto import RootKey
from helios.embedded.errors import StackError
from helios.keyring import root_key
from helios.settings import Settings

WRAPPED: Final = "vault:"
TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.2, 1.0)
"""Between tries, where another may help."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
TOO_MANY, SEALED = 429, 503


class KmsError(StackError):
    """The key service did not open the root key. The text says why and what to do, and holds no key and no token."""


class _Again(KmsError):
    """Another try may help."""


class Vault:
    """Vault's Transit engine, asked as one named key."""

    def __init__(self, config: Settings) -> None:
        at = urlsplit(config.vault_url)
        if not at.hostname or (at.scheme != "https" and at.hostname not in LOOPBACK):
            raise KmsError("HELIOS_ROOT_KEY is wrapped by Vault: HELIOS_VAULT_URL must be its https address.")
        self._base = f"{config.vault_url.rstrip('/')}/v1/{quote(config.vault_mount)}"
        self._key = quote(config.vault_key, safe="")
        self._headers = {"X-Vault-Token": config.vault_token.get_secret_value(), "X-Vault-Request": "true"}

    def wrap(self, key: bytes) -> str:
        return self._text("encrypt", "ciphertext", plaintext=base64.b64encode(key).decode())

    def unwrap(self, wrapped: str) -> bytes:
        try:
            return base64.b64decode(self._text("decrypt", "plaintext", ciphertext=wrapped), validate=True)
        except binascii.Error:
            raise KmsError("Vault's answer is not a key: is HELIOS_VAULT_URL a Vault?") from None

    def rewrap(self, wrapped: str) -> str:
        """Under the newest version of Vault's key; the root key stays in Vault meanwhile."""
        return self._text("rewrap", "ciphertext", ciphertext=wrapped)

    def _text(self, operation: str, field: str, **body: str) -> str:
        for pause_s in (*PAUSES_S, None):
            try:
                return self._ask(operation, field, body)
            except _Again:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError

    def _ask(self, operation: str, field: str, body: dict[str, str]) -> str:
        try:
            url = f"{self._base}/{operation}/{self._key}"
            answer = httpx.post(url, json=body, headers=self._headers, timeout=TIMEOUT_S, follow_redirects=False)
        except httpx.HTTPError as error:
            raise _Again(f"Vault does not answer ({type(error).__name__}): see HELIOS_VAULT_URL.") from None
        if answer.status_code != 200:
            raise _refusal(answer.status_code)
        try:
            found: Any = answer.json()["data"][field]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, str):
            raise KmsError(f"Vault's answer to {operation} has no {field}: is HELIOS_VAULT_URL a Vault?")
        return found


def _refusal(status: int) -> KmsError:
    if status == SEALED:
        return KmsError("Vault is sealed: its operators must unseal it.")
    if status == TOO_MANY:
        return _Again("Vault has too many requests: raise its quota for this token, or try again later.")
    if status == 403:
        return KmsError("Vault refuses the token: see HELIOS_VAULT_TOKEN, and whether its policy allows the key's use.")
    if status == 400:
        return KmsError("Vault cannot open HELIOS_ROOT_KEY: it was wrapped by another key than HELIOS_VAULT_KEY.")
    if status == 404:
        return KmsError("Vault has no such engine or key: see HELIOS_VAULT_MOUNT and HELIOS_VAULT_KEY.")
    return (_Again if status >= 500 else KmsError)(f"Vault answers with {status}.")


def root_of(config: Settings) -> RootKey:
    """The root key of these settings. Raises `KmsError`, and `CryptoError` for what is no key."""
    return root_key(plain_root(config))


def plain_root(config: Settings) -> str:
    """Base64, as HELIOS_ROOT_KEY has it where no service keeps it."""
    kept = config.root_key.get_secret_value()
    return base64.b64encode(Vault(config).unwrap(kept)).decode() if kept.startswith(WRAPPED) else kept


def wrapped_root(config: Settings) -> str:
    """HELIOS_ROOT_KEY as it should stand in the settings from now on: under the newest version of Vault's key."""
    kept, vault = config.root_key.get_secret_value(), Vault(config)
    if kept.startswith(WRAPPED):
        return vault.rewrap(kept)
    root_key(kept)
    return vault.wrap(base64.b64decode(kept))
