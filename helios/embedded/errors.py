"""What may go wrong with the embedded stack, said to a person."""

from __future__ import annotations


class StackError(Exception):
    """The embedded stack cannot start or go on. The message is for the terminal: what, why, and what to do."""
