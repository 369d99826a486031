"""Measures offline answers, and where HELIOS_EVAL_DATA names the public sets also retrieval: `python -m evals.answers`.

Writes docs/answers.md and docs/answers.json; nothing has to be running. `--only NAME` leaves the rest as it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from evals.answers.sections import SECTIONS
from helios.settings import PROJECT, settings

PAGE: Final = PROJECT / "docs" / "answers.md"
FIGURES: Final = PROJECT / "docs" / "answers.json"
HEAD: Final = """# Answers

What answers reach without a language model, written by `python -m evals.answers`. Retrieval is measured on a public set
where `HELIOS_EVAL_DATA` names its folder. How it is made stands in the modules: `helios/knowledge/extraction.py`,
`helios/knowledge/fusion.py`, `helios/models/intent.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS)
    only = parser.parse_args().only
    figures = _read(FIGURES)
    for name, (measure, _) in SECTIONS.items():
        if only in (None, name):
            figures[name] = measure(settings().eval_data) or figures.get(name)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    told = [tell(figures[name]) for name, (_, tell) in SECTIONS.items() if figures.get(name)]
    PAGE.write_text("\n".join([HEAD, *told]), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


if __name__ == "__main__":
    main()
