"""How long work that goes round over all tenants rests: with three hundred of them a round takes a second of a core."""

from __future__ import annotations

SHARE = 0.05
"""Of its time that such work takes at most, as long as nobody waits longer than `LONGEST_S` for it."""
URGENT = 0.15
"""The same, where a customer waits."""
LONGEST_S = 20.0


def rest_s(took_s: float, every_s: float, share: float = SHARE) -> float:
    """Seconds until the next round, after one that took so long: `every_s`, or as many as its share asks for."""
    return max(every_s, min(took_s * (1 - share) / share, LONGEST_S))
