"""The steps of `helios keys rotate --root` and `--vault`: which one is next shows in the settings and in the tables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from helios.crypto import CryptoError
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.keys import write_secret
from helios.kms import WRAPPED, Vault, kept_roots, new_root, root_of, wrapped_root
from helios.root_keys import alone, nothing_left, rewrap_everything
from helios.settings import Settings
from helios.token_keys import tell_every_tenant


@dataclass(frozen=True, slots=True)
class Told:
    """`settings`: HELIOS_ROOT_KEY as it must be set now by whoever keeps it; None where that is done."""

    said: str
    keys: int = 0
    settings: str | None = None

    @property
    def text(self) -> str:
        return f"  {self.said}" + ("" if self.settings is None else f"\n\nHELIOS_ROOT_KEY={self.settings}")

    def as_json(self) -> dict[str, object]:
        return {"said": self.said, "keys": self.keys, "HELIOS_ROOT_KEY": self.settings}


async def rotate_root(config: Settings) -> Told:
    """The next step of a rotation, or with a file of ours all of them. Raises `StackError`."""
    owner = _owner(config)
    try:
        async with alone(owner):
            kept = kept_roots(config)
            if len(kept) == 1:
                kept = [new_root(config), *kept]
                if not _is_ours(config):
                    return Told(
                        "Set this, start every process again one by one, then say `keys rotate --root` once more.",
                        settings=",".join(kept),
                    )
                _keep(config, kept)
            return await _rewrap(config, owner, kept)
    except CryptoError as error:
        raise StackError(f"Not all keys are wrapped anew, and the old root key stays: {error}.") from None
    finally:
        await owner.close()


async def _rewrap(config: Settings, owner: Database, kept: list[str]) -> Told:
    """With both keys known everywhere."""
    root, count = root_of(config), 0
    while True:
        count += await rewrap_everything(owner, root)
        async with nothing_left(owner, root) as done:
            if done and _is_ours(config):
                _keep(config, kept[:1])
        if done:
            break
    if _is_ours(config):
        return Told(f"A new root key wraps {count} keys; the old one is retired. Older backups need their own.", count)
    said = f"The new root key wraps {count} keys. Set this and start every process again: the old one opens nothing."
    return Told(said, count, kept[0])


async def rotate_vault(config: Settings) -> Told:
    """Vault's key gets a version, which wraps the root key from now on. Raises `StackError`."""
    if not all(each.startswith(WRAPPED) for each in kept_roots(config)):
        raise StackError("Vault does not keep the root key: put it there first, with `helios keys wrap-root`.")
    owner = _owner(config)
    try:
        async with alone(owner):
            Vault(config).rotate()
            wrapped = wrapped_root(config)
            async with owner.platform() as connection:
                version = wrapped.split(":")[1]
                await tell_every_tenant(connection, "root_key.rewrapped", ("root_key", None), {"vault_key": version})
            if not _is_ours(config):
                said = "Set this, and start the processes again one by one: the older one opens meanwhile."
                return Told(said, settings=wrapped)
            _keep(config, wrapped.split(","))
            return Told(f"Vault's key {version} wraps the root key.")
    finally:
        await owner.close()


def _owner(config: Settings) -> Database:
    dsn = config.postgres_owner_dsn.get_secret_value()
    if not dsn:
        raise StackError("Wrapping keys anew is the work of the schema's owner: set HELIOS_POSTGRES_OWNER_DSN.")
    return Database(dsn, pool_size=1, max_overflow=1, statement_timeout_s=120)


def _is_ours(config: Settings) -> bool:
    """Whether the root key is in a file that may be written; a mounted secret, say, may not."""
    file = config.root_key_file
    return file is not None and os.access(file.parent, os.W_OK)


def _keep(config: Settings, kept: list[str]) -> None:
    assert config.root_key_file is not None
    write_secret(config.root_key_file, ",".join(kept))
