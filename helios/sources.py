"""A hash of the code itself: what was made by other code is told apart by it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from helios import VERSION
from helios.settings import PROJECT

COMPILED = ".pyc"


@cache
def build_id() -> str:
    """Which code runs, as Temporal's histories keep it: `RELEASE+HASH`, 16 hexadecimal digits of the sources."""
    return f"{VERSION}+{sources_hash('activities', 'helios', 'schema', 'workflows')[:16]}"


def sources_hash(*folders: str, project: Path = PROJECT) -> str:
    """SHA-256 (hex) of the names and contents of all files in these folders of the project. Takes 20 ms."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((project / folder).rglob("*")):
            if file.is_file() and file.suffix != COMPILED:
                content = file.read_bytes()
                digest.update(f"{file.relative_to(project)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
