"""The page of quality figures: one section a measurement, each rewritten by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD = """# Quality

What detectors, intents and retrieval reach and cost, written by `make eval`, which installs stock Presidio in an
environment of its own. `make eval ARGS="NAME …"` or `python -m helios eval NAME …` measures single sections, the latter
without installing anything. Sections on public sets are measured where `HELIOS_EVAL_DATA` names their folder. A share
is followed by how many texts it is of.
"""
_SECTION = re.compile(r"<!-- section (\w+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """`text` is Markdown that begins with its heading; `figures` what a program would read."""

    name: str
    text: str
    figures: Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write(path: Path, sections: Sequence[Section]) -> None:
    """Puts the sections into the page; those that were not measured stay as they are."""
    old = dict(_SECTION.findall(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    texts = {**old, **{section.name: section.text.rstrip() + "\n" for section in sections}}
    body = "".join(f"\n<!-- section {name} -->\n{text}<!-- end -->\n" for name, text in sorted(texts.items()))
    path.write_text(HEAD + body, encoding="utf-8")
