"""Examples for training: templates written for this repository, and public sets where a folder of them is at hand.

A line of an examples file is a template, `{a|b}` either of both. Each line is a group: validation never has a line's
variants on both sides.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "examples"
NOTHING: Final = "none"
"""The key of what belongs to no situation."""

_CHOICE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Example:
    """`labels` are what it says, `unclear` what it may say: it teaches those heads nothing."""

    text: str
    labels: frozenset[str]
    group: str
    language: str = "en"
    unclear: frozenset[str] = frozenset()


def variants(template: str, most: int, draw: random.Random) -> list[str]:
    """Up to `most` different texts of a template, in a random order."""
    found: dict[str, None] = {}
    for _ in range(3 * most):
        text = _CHOICE.sub(lambda match: draw.choice(match[1].split("|")), template)
        found.setdefault(" ".join(text.split()))
        if len(found) == most or "{" not in template:
            break
    return list(found)


def templates(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(key, language or `not`, template) of the files `names` in the folder of examples."""
    for name in names:
        table = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        for key, by_language in table.items():
            for language, block in by_language.items():
                for line in block.strip().splitlines():
                    yield str(key), language, line


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file, plain or gzipped."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def slip(text: str, draw: random.Random) -> str:
    """One slip of the finger in one word of four letters or more: swapped, doubled, left out or a neighbour's key."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not places:
        return text
    place = draw.choice(places)
    word = words[place]
    at = draw.randrange(1, len(word) - 1)
    words[place] = draw.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + _NEIGHBOURS.get(word[at], word[at]) + word[at + 1 :],
        )
    )
    return " ".join(words)


_NEIGHBOURS: Final[Mapping[str, str]] = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wertyuiopasdfghjklkxcvbnmn", strict=True)
)
