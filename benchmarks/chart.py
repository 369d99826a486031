"""Bars as SVG, by plain code: readable without a script, on light and dark pages, and by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, BAR, GAP, TOP = 760, 250, 22, 8, 44
COLOURS = ("#1f6feb", "#8b949e")


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    ours: bool


def bars(title: str, unit: str, values: Sequence[Bar]) -> str:
    """One row a bar, longest at full width."""
    height = TOP + len(values) * (BAR + GAP) + GAP
    most = max((bar.value for bar in values), default=1.0) or 1.0
    room = WIDTH - LABEL - 90
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="16" font-weight="600" fill="#1f2328">{escape(title)}</text>',
    ]
    for n, bar in enumerate(values):
        y = TOP + n * (BAR + GAP)
        width = max(round(room * bar.value / most), 1)
        middle = y + BAR - 6
        parts += [
            f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end" fill="#1f2328">{escape(bar.label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{width}" height="{BAR}" rx="3" fill="{COLOURS[0 if bar.ours else 1]}"/>',
            f'<text x="{LABEL + width + 6}" y="{middle}" fill="#1f2328">{bar.value:.1f} {escape(unit)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
