"""A tenant's own patterns: regular expressions out of a part of the language in which none can be slow.

Nothing repeats without an end, nothing that repeats holds more than one character, and the number of ways in which the
repetitions of a pattern can share a text is bounded; so a search costs at most `WAYS_MAX` looks at each place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from math import prod
from typing import Any

_parser: Any = import_module("re._parser")  # the standard library's own, which no stub names

LENGTH_MAX = 200
WIDTH_MIN = 3
REPEATS_MAX = 64
WAYS_MAX = 1_024

_PLAIN = frozenset({"LITERAL", "IN", "AT"})


def compile_pattern(source: str) -> re.Pattern[str]:
    """Raises `ValueError` that says what is not allowed."""
    if len(source) > LENGTH_MAX:
        raise ValueError(f"a pattern has at most {LENGTH_MAX} characters")
    try:
        parsed = _parser.parse(source)
        compiled = re.compile(source)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("it is not a regular expression") from None
    if parsed.state.flags & ~re.UNICODE.value:
        raise ValueError("it cannot set flags")
    if parsed.getwidth()[0] < WIDTH_MIN:
        raise ValueError(f"what it matches must have at least {WIDTH_MIN} characters")
    if _ways(parsed) > WAYS_MAX:
        raise ValueError("its repetitions can share a text in too many ways: use fixed numbers, such as \\d{8}")
    return compiled


def _ways(parts: Iterable[tuple[Any, Any]]) -> int:
    return prod((_ways_of(str(operation), about) for operation, about in parts), start=1)


def _ways_of(operation: str, about: Any) -> int:
    if operation in _PLAIN:
        return 1
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in about[1])
    if operation == "SUBPATTERN":
        return _ways(about[3])
    if operation == "MAX_REPEAT":
        least, most, repeated = about
        # REPEATS_MAX is below what the parser has for "without an end".
        if most > REPEATS_MAX:
            raise ValueError(f"each repetition needs an end of at most {REPEATS_MAX}, such as {{1,10}}")
        if len(repeated) != 1 or str(repeated[0][0]) not in ("LITERAL", "IN"):
            raise ValueError("only a single character or a set of them can repeat")
        return int(most - least + 1)
    raise ValueError("it may hold characters, sets, groups, alternatives, counted repetitions, \\b, ^ and $ only")
