"""The answer of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "wrong"]
"""`note`: worth knowing, nothing stands in the way. `wrong`: the stack does not work, or will not start."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result. `fix` is what to do, empty when nothing is to be done."""

    check: str
    verdict: Verdict
    what: str
    fix: str = ""
