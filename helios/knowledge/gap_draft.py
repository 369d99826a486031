"""A draft article out of a gap: the questions as headings, agents' words where there are some, blanks where not.

No sentence is made up. A draft with a blank in it cannot be approved: somebody must have written the article.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BLANK: Final = "[[To be written"
"""How every blank begins."""
INTRODUCTION: Final = f"{BLANK}: what every customer should know about this, in a sentence or two.]]"
NO_ANSWER: Final = f"{BLANK}: the answer.]]"
FROM_AGENT: Final = f"{BLANK}: an agent answered one customer as follows. Check it, make it true for everybody.]]"


def article(title: str, asked: Sequence[tuple[str, str | None]]) -> str:
    """Markdown. `asked` has each question with what an agent answered to it, if anybody did, both redacted."""
    parts = [f"# {_line(title)}", INTRODUCTION]
    for question, answer in asked:
        parts.append(f"## {_line(question)}")
        parts += [NO_ANSWER] if answer is None else [FROM_AGENT, answer.strip()]
    return "\n\n".join(parts) + "\n"


def unfinished(content: str) -> bool:
    """Whether an article still has blanks."""
    return BLANK in content


def _line(words: str) -> str:
    return " ".join(words.split())
