"""The history of a suite as SVG that needs no script, on light and dark pages: the share of cases that pass, run by
run, and which cases the newest draft changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

RUNS_MOST: Final = 40
CASES_MOST: Final = 12
"""Of each kind that are named; of the others the number is told."""
LEFT, TOP, WIDTH, HIGH, LINE = 56, 64, 760, 220, 20
STYLE: Final = (
    "text{fill:#1f2328;font:13px system-ui,sans-serif}.head{font-size:16px;font-weight:600}.page{fill:#fff}"
    ".grid{stroke:#d0d7de}.published{stroke:#6e7781;fill:none;stroke-width:2}.draft{stroke:#0969da;fill:none;"
    "stroke-width:2}.right{fill:#1a7f37}.wrong{fill:#cf222e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.grid{stroke:#30363d}"
    ".published{stroke:#8b949e}.draft{stroke:#58a6ff}.right{fill:#3fb950}.wrong{fill:#f85149}}"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A run that is done. `published` and `draft` are how many of the cases passed; None: there was no draft."""

    at: datetime
    suite_version: int
    cases: int
    published: int
    draft: int | None
    passed: bool

    @property
    def judged(self) -> int:
        return self.published if self.draft is None else self.draft

    def told(self) -> str:
        versus = f", {self.published} as published" if self.draft is not None else ""
        verdict = "passes" if self.passed else "does not pass"
        when = f"{self.at:%Y-%m-%d %H:%M} UTC, version {self.suite_version}"
        return f"{when}: {self.judged} of {self.cases}{versus}; {verdict}"


def history_svg(name: str, points: Sequence[Point], worse: Sequence[str], better: Sequence[str]) -> str:
    """`points`: oldest first; `worse` and `better`: names of the cases that the newest run's draft changes."""
    shown = points[-RUNS_MOST:]
    title = f"Suite {name}: cases that pass, run by run"
    listed = list(_changed(worse, better)) if shown else []
    height = TOP + HIGH + 48 + LINE * len(listed) + 12
    said = shown[-1].told() if shown else "no run is done"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="head" x="12" y="26">{escape(title)}</text>',
        '<text x="12" y="46">blue: with the draft · grey: as published · a red dot does not pass the gate</text>',
        *_grid(), *(_lines(shown) if shown else (f'<text x="{LEFT + 8}" y="{TOP + 24}">{said}</text>',)),
        *(f'<text x="12" y="{TOP + HIGH + 48 + LINE * n}">{escape(line)}</text>' for n, line in enumerate(listed)),
        "</svg>", "",
    ])  # fmt: skip


def _grid() -> Iterator[str]:
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        yield f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - 16}" y2="{y}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{percent} %</text>'


def _lines(points: Sequence[Point]) -> Iterator[str]:
    xs = [_x(n, len(points)) for n in range(len(points))]
    for kind, counts in (
        ("published", [point.published for point in points]),
        ("draft", [point.judged for point in points]),
    ):
        path = " ".join(f"{x},{_y(count / point.cases)}" for x, count, point in zip(xs, counts, points, strict=True))
        yield f'<polyline class="{kind}" points="{path}"/>'
    for x, point in zip(xs, points, strict=True):
        y, kind = _y(point.judged / point.cases), "right" if point.passed else "wrong"
        yield f'<circle class="{kind}" cx="{x}" cy="{y}" r="5"><title>{escape(point.told())}</title></circle>'
    ends = {xs[0]: (points[0], "start"), xs[-1]: (points[-1], "end")}
    for x, (point, anchor) in ends.items():
        yield f'<text x="{x}" y="{TOP + HIGH + 20}" text-anchor="{anchor}">{point.at:%Y-%m-%d %H:%M}</text>'


def _x(place: int, of: int) -> int:
    room = WIDTH - LEFT - 32
    return LEFT + 8 + (room if of == 1 else round(room * place / (of - 1)))


def _y(share: float) -> int:
    return TOP + round(HIGH * (1 - share))


def _changed(worse: Sequence[str], better: Sequence[str]) -> Iterator[str]:
    """The newest run's, worst first."""
    for kind, names in (("worse", worse), ("better", better)):
        yield from (f"{kind} with the newest draft: {name}" for name in names[:CASES_MOST])
        if len(names) > CASES_MOST:
            yield f"{kind} with the newest draft: {len(names) - CASES_MOST} more"
