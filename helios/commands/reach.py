"""The settings of a command that works on a stack: the environment's, or those of the stack that runs here."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from pydantic import SecretStr

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keys import load_keys, root_key_file
from helios.embedded.postgres import roles
from helios.settings import Settings, settings


def reach(config: Settings | None = None) -> Settings:
    """Raises `StackError` where neither the environment nor a running stack says where the database is.

    `config`: in place of the environment.
    """
    config = config or settings()
    if config.postgres_dsn.get_secret_value() and (config.root_key.get_secret_value() or config.root_key_file):
        return config
    home = Home(config.home.expanduser().absolute())
    try:
        stack = json.loads(home.stack_file.read_text(encoding="utf-8"))
        keys = load_keys(home, has_data=True)
    except (OSError, ValueError):
        raise StackError(
            f"No stack runs here ({home.stack_file} is not there). Start one with `make up`, or set "
            "HELIOS_POSTGRES_DSN and HELIOS_ROOT_KEY."
        ) from None
    return config.model_copy(
        update={
            "home": home.root,
            "postgres_dsn": SecretStr(stack["postgres_dsn"]),
            "postgres_owner_dsn": SecretStr(roles(keys, urlsplit(stack["postgres_dsn"]).port or 0).owner),
            "root_key": SecretStr(keys.root_key),
            "root_key_file": root_key_file(home),
            "temporal_address": stack["temporal_address"],
            "temporal_namespace": stack["temporal_namespace"],
        }
    )
