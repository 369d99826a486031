"""Checks that may be slow or fail: what they did not pass in time is held, and nothing of it is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from activities.review import Gate, Reviewed, Standard, cleaned, review_held, review_whole

log = logging.getLogger(__name__)
T = TypeVar("T")

CHECK_S_MAX: Final = 5.0
CHECK_FAILED: Final = "check_failed"
"""The reason of a draft that waits for a person because a check did not answer."""


async def check_piece(gate: Gate, delta: str) -> list[Reviewed]:
    """What `delta` completes, judged. Cutting is cheap and done here; judging asks the encoder, in a thread."""
    return await _windows(gate, lambda: gate.cutter.feed(delta))


async def check_rest(gate: Gate) -> list[Reviewed]:
    """What is left at the end of an answer, judged."""
    return await _windows(gate, gate.cutter.flush)


async def check_whole(text: str, standard: Standard) -> Reviewed:
    """The last look at an answer."""
    try:
        return await _in_time(lambda: review_whole(text, standard))
    except Exception as error:
        return _held(text, error)


async def check_held(text: str, standard: Standard) -> Reviewed:
    """The look at a draft that is kept for a person. What cannot be cleaned is not kept: it may hold a card number."""
    try:
        return await _in_time(lambda: review_held(text, standard))
    except Exception as error:
        failed = _held("", error)
    try:
        return replace(failed, text=(await _in_time(lambda: cleaned(text, standard))).text)
    except Exception as error:
        return _held("", error)


async def _windows(gate: Gate, cut: Callable[[], Sequence[str]]) -> list[Reviewed]:
    windows: Sequence[str] = []
    try:
        windows = cut()
        return await _in_time(lambda: gate.review(windows)) if windows else []
    except Exception as error:
        return [_held("".join(windows), error)]


async def _in_time(check: Callable[[], T]) -> T:
    return await asyncio.wait_for(asyncio.to_thread(check), CHECK_S_MAX)


def _held(text: str, error: Exception) -> Reviewed:
    # The error's kind only: its words may repeat the draft's.
    log.error("a check of a draft failed: %s", type(error).__name__)
    return Reviewed("hold", text, (CHECK_FAILED,))
