"""The confusion picture: which intents were taken for which, as SVG that needs no script, on light and dark pages.

Few intents are a matrix; of many only the pairs that were confused are shown, the most frequent first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

MATRIX_MOST: Final = 15
"""More intents than these make a matrix that nobody reads."""
PAIRS_MOST: Final = 30
CELL, LABEL, TOP, BAR, WIDTH = 34, 210, 64, 24, 760
STYLE: Final = (
    "text{fill:#1f2328;font:13px system-ui,sans-serif}.head{font-size:16px;font-weight:600}.page{fill:#fff}"
    ".right{fill:#1a7f37}.wrong{fill:#cf222e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.right{fill:#3fb950}.wrong{fill:#f85149}}"
)


def confusion_svg(version: int, report: Mapping[str, Any]) -> str:
    """`report`: of a version, as training leaves it."""
    names = list(report["intents"])
    title = f"Confused intents of version {version}: {report['examples']} examples, held out in {report['folds']} folds"
    matrix = len(names) <= MATRIX_MOST
    parts = list(_matrix(names, report) if matrix else _pairs(report))
    height = TOP + (len(names) * CELL + LABEL if matrix else max(1, _shown(report)) * BAR) + 16
    width = max(WIDTH, LABEL + len(names) * CELL + 20) if matrix else WIDTH
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(_said(report))}</desc><style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="head" x="12" y="26">{escape(title)}</text>',
        *parts, "</svg>", "",
    ])  # fmt: skip


def _matrix(names: Sequence[str], report: Mapping[str, Any]) -> Iterator[str]:
    """Rows are what an example is, columns what it was taken for; a cell is as dark as its share of the row."""
    times = {(pair["is"], pair["said"]): pair["times"] for pair in report["confused"]}
    yield '<text x="12" y="48">rows: what an example is · columns: what it was taken for</text>'
    for row, truth in enumerate(names):
        y = TOP + row * CELL
        yield f'<text x="{LABEL - 8}" y="{y + 22}" text-anchor="end">{escape(truth)}</text>'
        of, recall = report["intents"][truth]["examples"], report["intents"][truth]["recall"]
        for column, said in enumerate(names):
            share = (recall or 0.0) if truth == said else times.get((truth, said), 0) / max(1, of)
            if share:
                yield from _cell(LABEL + column * CELL, y, share, "right" if truth == said else "wrong")
    below = TOP + len(names) * CELL + 10
    for column, said in enumerate(names):
        x = LABEL + column * CELL + 22
        yield f'<text transform="translate({x} {below}) rotate(-60)" text-anchor="end">{escape(said)}</text>'


def _cell(x: int, y: int, share: float, kind: str) -> Iterator[str]:
    yield (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" rx="3" '
        f'fill-opacity="{0.15 + 0.55 * min(1.0, share):.2f}"/>'
    )
    yield f'<text x="{x + CELL // 2 - 1}" y="{y + 21}" text-anchor="middle">{100 * share:.0f}</text>'


def _pairs(report: Mapping[str, Any]) -> Iterator[str]:
    yield '<text x="12" y="48">what an example is → what it was taken for, and how many of its examples</text>'
    most = max((pair["times"] for pair in report["confused"]), default=1)
    for n, pair in enumerate(report["confused"][:PAIRS_MOST]):
        y = TOP + n * BAR
        of = report["intents"][pair["is"]]["examples"]
        length = max(2, round((WIDTH - 2 * LABEL - 120) * pair["times"] / most))
        told = f"{pair['is']} → {pair['said']}"
        yield f'<text x="{2 * LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(told)}</text>'
        yield f'<rect class="wrong" x="{2 * LABEL}" y="{y}" width="{length}" height="{BAR - 6}" fill-opacity=".7"/>'
        yield f'<text x="{2 * LABEL + length + 6}" y="{y + 16}">{pair["times"]} of {of}</text>'
    if not report["confused"]:
        yield f'<text x="12" y="{TOP + 16}">none</text>'


def _shown(report: Mapping[str, Any]) -> int:
    return min(PAIRS_MOST, len(report["confused"]))


def _said(report: Mapping[str, Any]) -> str:
    """For whoever listens: the three most frequent."""
    pairs = [f"{pair['is']} was taken for {pair['said']} {pair['times']} times" for pair in report["confused"][:3]]
    return "; ".join(pairs) or "No example was taken for another intent"
