"""The root key, and who keeps it: HELIOS_ROOT_KEY is the key itself, or what Vault's Transit engine made of it. While
it is rotated it is two of them with a comma between, the newer first. HELIOS_ROOT_KEY_FILE names a file with the same,
which is read again when it has changed: so the embedded stack takes a new one without a restart.

`vault:v1:…` is opened by Vault once, when a process starts, and lives in its memory only: a copy of the settings opens
nothing, Vault decides which machine may, and a Vault that goes away later stops nobody. Protocol:
developer.hashicorp.com/vault/api-docs/secret/transit (encrypt, decrypt, rewrap, rotate).
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from helios.crypto import CryptoError, RootKey
from helios.embedded.errors import StackError
from helios.keyring import root_bytes
from helios.settings import Settings

WRAPPED: Final = "vault:"
TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.2, 1.0)
"""Between tries, where another may help."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
DONE, TOO_MANY, SEALED = (200, 204), 429, 503
Said = TypeVar("Said")


class KmsError(StackError):
    """The key service did not open the root key. The text says why and what to do, and holds no key and no token."""


class _Again(KmsError):
    """Another try may help."""


class Vault:
    """Vault's Transit engine, asked as one named key."""

    def __init__(self, config: Settings) -> None:
        at = urlsplit(config.vault_url)
        if not at.hostname or (at.scheme != "https" and at.hostname not in LOOPBACK):
            raise KmsError("HELIOS_VAULT_URL must be the https address of the Vault that wraps HELIOS_ROOT_KEY.")
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

    def rotate(self) -> None:
        """Vault's key gets a version more, which wraps from now on."""
        self._patiently(lambda: self._post(f"keys/{self._key}/rotate", {}))

    def _text(self, operation: str, field: str, **body: str) -> str:
        return self._patiently(lambda: self._ask(operation, field, body))

    @staticmethod
    def _patiently(ask: Callable[[], Said]) -> Said:
        for pause_s in (*PAUSES_S, None):
            try:
                return ask()
            except _Again:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError

    def _ask(self, operation: str, field: str, body: dict[str, str]) -> str:
        answer = self._post(f"{operation}/{self._key}", body)
        try:
            found: Any = answer.json()["data"][field]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, str):
            raise KmsError(f"Vault's answer to {operation} has no {field}: is HELIOS_VAULT_URL a Vault?")
        return found

    def _post(self, path: str, body: dict[str, str]) -> httpx.Response:
        try:
            url = f"{self._base}/{path}"
            answer = httpx.post(url, json=body, headers=self._headers, timeout=TIMEOUT_S, follow_redirects=False)
        except httpx.HTTPError as error:
            raise _Again(f"Vault does not answer ({type(error).__name__}): see HELIOS_VAULT_URL.") from None
        if answer.status_code not in DONE:
            raise _refusal(answer.status_code)
        return answer


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
    opened = Opened(config)
    return RootKey(*opened.read(), again=opened.again if config.root_key_file else None)


class Opened:
    """The root keys, newest first. Who keeps them is asked once for each."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._known: dict[str, bytes] = {}
        self._keys: Sequence[bytes] = ()
        self._seen: tuple[int, ...] | None = None

    def read(self) -> Sequence[bytes]:
        """Raises `KmsError` and `CryptoError`."""
        seen = self._stamp()
        if not self._keys or seen != self._seen:
            kept = kept_roots(self._config)
            self._known = {each: self._known.get(each) or _opened(self._config, each) for each in kept}
            self._keys = list(self._known.values())
            self._seen = seen
        return self._keys

    def again(self) -> Sequence[bytes]:
        """In a process that runs: raises `CryptoError` only."""
        try:
            return self.read()
        except KmsError as error:
            raise CryptoError(str(error)) from None

    def _stamp(self) -> tuple[int, ...] | None:
        """What differs where the file is another one."""
        try:
            about = self._config.root_key_file.stat() if self._config.root_key_file else None
        except OSError:
            return self._seen  # it is being mounted anew: what was read holds
        return None if about is None else (about.st_ino, about.st_mtime_ns, about.st_size)


def kept_roots(config: Settings) -> list[str]:
    """HELIOS_ROOT_KEY's parts as they are kept, the newest first; those of the file where there is one."""
    text = config.root_key.get_secret_value()
    if config.root_key_file is not None:
        try:
            text = config.root_key_file.read_text(encoding="utf-8")
        except OSError as error:
            raise KmsError(f"HELIOS_ROOT_KEY_FILE cannot be read: {error.strerror}.") from None
    return [each.strip() for each in text.split(",")]


def new_root(config: Settings) -> str:
    """A fresh root key, kept as these settings keep theirs."""
    key = os.urandom(32)
    return Vault(config).wrap(key) if kept_roots(config)[0].startswith(WRAPPED) else base64.b64encode(key).decode()


def wrapped_root(config: Settings) -> str:
    """HELIOS_ROOT_KEY as it should stand in the settings from now on: under the newest version of Vault's key."""
    vault = Vault(config)
    return ",".join(
        vault.rewrap(kept) if kept.startswith(WRAPPED) else vault.wrap(_opened(config, kept))
        for kept in kept_roots(config)
    )


def _opened(config: Settings, kept: str) -> bytes:
    key = Vault(config).unwrap(kept) if kept.startswith(WRAPPED) else root_bytes(kept)
    if len(key) != 32:
        raise CryptoError("HELIOS_ROOT_KEY must be the base64 of exactly 32 bytes")
    return key
