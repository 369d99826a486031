"""What was found in texts that were read before. It keeps places and labels under a hash of the text, and no words."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Final

from helios.detection.spans import Span

MOST: Final = 20_000
"""Texts, the least recently read one first out: some 10 MB."""


class KnownSpans:
    """Safe to share between threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Sequence[str], find: Callable[[], Sequence[Span]]) -> Sequence[Span]:
        """What `find` has found for this key before, or finds now. `key` is all that its answer depends on."""
        hashed = blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            known = self._known.get(hashed)
            if known is not None:
                self._known.move_to_end(hashed)
                return known
        known = tuple(find())
        with self._lock:
            self._known[hashed] = known
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return known
