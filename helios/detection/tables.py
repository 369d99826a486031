"""The YAML tables beside the code, each read once."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def load(name: str) -> Any:
    """What ``name``.yaml in this folder holds."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((Path(__file__).parent / f"{name}.yaml").read_text("utf-8"), loader)  # noqa: S506  (safe loader)


def words(entry: str) -> frozenset[str]:
    """A block of words separated by white space, as the tables write them."""
    return frozenset(entry.split())
