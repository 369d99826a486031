"""A change that the state of things, or the rules about who decides, do not allow."""

from __future__ import annotations


class Refused(Exception):
    """`code` is one of the published problems; `detail` says what stands in the way."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
