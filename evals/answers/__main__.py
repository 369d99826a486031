"""Measures offline answers: `python -m evals.answers`. Writes docs/answers.md; nothing has to be running."""

from __future__ import annotations

import argparse
from typing import Final

from evals.answers import calibration, several, suites
from evals.answers.bank import demo_bank
from helios.settings import PROJECT

PAGE: Final = PROJECT / "docs" / "answers.md"
HEAD: Final = """# Answers

What answers reach without a language model, written by `python -m evals.answers`. How it is made stands in the modules:
`helios/knowledge/extraction.py`, `helios/knowledge/evidence.py`. What retrieval and intents reach stands in
[quality](quality.md).
"""


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    judged, as_one = suites.judge_of(demo_bank()), suites.judge_of(demo_bank(), as_one=True)
    parts = [
        HEAD,
        suites.tell(suites.measure(judged)),
        several.tell(several.measure(judged, as_one)),
        calibration.measure(demo_bank()),
    ]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
