"""The secrets of one stack: made once, kept in files that only this account may read."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from helios.embedded.errors import StackError
from helios.embedded.home import Home

SECRET_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets as text. None of them shows in a `repr`."""

    postgres_admin: str = field(repr=False)
    postgres_owner: str = field(repr=False)
    postgres_app: str = field(repr=False)
    valkey: str = field(repr=False)
    root_key: str = field(repr=False)
    """Base64 of 32 bytes: wraps each tenant's key. While it is rotated two of them, with a comma between."""
    token_key: str = field(repr=False)
    """PEM of the Ed25519 private key that signs access tokens."""


def write_secret(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all, also when the machine stops in the middle."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET_MODE)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), SECRET_MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _password() -> str:
    return secrets.token_urlsafe(24)


def _root_key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


def _token_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


_MAKERS: dict[str, Callable[[], str]] = {
    "postgres_admin": _password,
    "postgres_owner": _password,
    "postgres_app": _password,
    "valkey": _password,
    "root_key": _root_key,
    "token_key": _token_key,
}


def root_key_file(home: Home) -> Path:
    return home.keys / "root_key"


def load_keys(home: Home, *, has_data: bool) -> Keys:
    """The stack's secrets; those that are missing are made, unless `has_data`: they would not open what is stored.

    Raises:
        StackError: data is there without the keys to it.
    """
    found: dict[str, str] = {}
    for name, make in _MAKERS.items():
        path = home.keys / name
        if path.exists():
            path.chmod(SECRET_MODE)
            found[name] = path.read_text()
        elif has_data:
            raise StackError(
                f"The key {path} is missing, but {home.root} holds data that needs it. Restore the folder "
                f"{home.keys} from a backup; without it, remove {home.root} to start again with nothing in it."
            )
        else:
            found[name] = make()
            write_secret(path, found[name])
    return Keys(**found)
