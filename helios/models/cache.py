"""What both caches under `HELIOS_MODEL_DIR` need: a key of the content, and a write that no reader sees half done."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def content_key(*parts: str) -> str:
    """SHA-256 (hex) of the parts, each preceded by its length so that no two lists of parts share a key."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Writes `path` so that a reader sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
