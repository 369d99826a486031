"""The settings of a command that works on a stack: the environment's, or those of the stack that runs here."""

from __future__ import annotations

import json

from pydantic import SecretStr

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.settings import Settings, settings


def reach() -> Settings:
    """Raises `StackError` where neither the environment nor a running stack says where the database is."""
    config = settings()
    if config.postgres_dsn.get_secret_value() and config.root_key.get_secret_value():
        return config
    home = Home(config.home.expanduser().absolute())
    try:
        stack = json.loads(home.stack_file.read_text(encoding="utf-8"))
        key = (home.keys / "root_key").read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise StackError(
            f"No stack runs here ({home.stack_file} is not there). Start one with `make up`, or set "
            "HELIOS_POSTGRES_DSN and HELIOS_ROOT_KEY."
        ) from None
    return config.model_copy(
        update={
            "home": home.root,
            "postgres_dsn": SecretStr(stack["postgres_dsn"]),
            "root_key": SecretStr(key),
            "temporal_address": stack["temporal_address"],
            "temporal_namespace": stack["temporal_namespace"],
        }
    )
