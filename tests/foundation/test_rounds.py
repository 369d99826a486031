"""Work over all tenants leaves the machine to the others, and nobody waits for it without end."""

from __future__ import annotations

import pytest

from helios.rounds import LONGEST_S, SHARE, rest_s


@pytest.mark.parametrize("took_s", [0.0, 0.01, 0.2, 0.5, 1.0])
def test_it_takes_its_share_at_most(took_s: float) -> None:
    assert took_s / (took_s + rest_s(took_s, 2.0)) <= SHARE + 1e-9


@pytest.mark.parametrize(
    ("took_s", "every_s", "rests_s"), [(0.01, 2.0, 2.0), (0.01, 10.0, 10.0), (60.0, 2.0, LONGEST_S)]
)
def test_it_rests_as_asked_while_it_is_quick_and_never_too_long(took_s: float, every_s: float, rests_s: float) -> None:
    assert rest_s(took_s, every_s) == rests_s
