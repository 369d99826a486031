"""The API's document, made once in a process: it takes most of a second, and tests of several kinds are made of it."""

from __future__ import annotations

from functools import cache
from typing import Any

from api.app import create_app
from helios.settings import Settings


@cache
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()
