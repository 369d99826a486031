"""A process begins: code and models are loaded, and nearly all of it stays to the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """What is loaded in here is never looked through for garbage, neither now (a sixth of a start) nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
