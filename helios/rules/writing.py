"""What may stand in a rule's text."""

from __future__ import annotations

import unicodedata


def plain(value: str) -> str:
    """Raises `ValueError` for text that is empty, or holds control characters or half of a surrogate pair."""
    if not value.strip() or any(unicodedata.category(each) in ("Cc", "Cs") and each != "\n" for each in value):
        raise ValueError("must be text without control characters")
    return value
