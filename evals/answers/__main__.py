"""Measures offline answers: `python -m evals.answers`. Writes docs/answers.md; nothing has to be running."""

from __future__ import annotations

import argparse
from typing import Final

from evals.answers.suites import measure, tell
from helios.settings import PROJECT

PAGE: Final = PROJECT / "docs" / "answers.md"
HEAD: Final = """# Answers

What answers reach without a language model, written by `python -m evals.answers`. How it is made stands in the modules:
`helios/knowledge/extraction.py`, `helios/knowledge/evidence.py`. What retrieval and intents reach stands in
[quality](quality.md).
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(f"{HEAD}\n{tell(measure())}", encoding="utf-8")


if __name__ == "__main__":
    main()
