"""What the detectors reach: on texts set aside in this repository, and on public sets where their folder is at hand."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from activities.screening import screen
from evals.detectors.examples import rows, slip
from helios.detection.injection import Seen, find_injection
from helios.detection.situations import all_situations, situation

SUITE: Final = Path(__file__).parents[1] / "suites" / "situations.yaml"
CRITICAL: Final = (1, 2, 6, 12, 13, 16, 18, 20)
SAME: Final = {1: {1, 2}, 2: {1, 2}}
"""Lost with suspected use is handled as unauthorised use: either number is right for both."""
SEED: Final = 11
ATTACK_KINDS: Final = ("jailbreak", "prompt_injection", "prompt_extraction", "indirect_injection")

SITUATION_WORDS: Final = {
    1: ("unauthorised", "unauthorized", "fraud", "not me", "didn't make"),
    2: ("lost card", "stolen"),
    6: ("complain", "complaint", "unacceptable"),
    12: ("scam", "scammer", "fraudster"),
    13: ("suicide", "kill myself", "want to die"),
    16: ("bankrupt", "bankruptcy", "insolvent"),
    18: ("pin is", "password is", "cvv"),
    20: ("agent", "human", "real person", "representative"),
}
ATTACK_WORDS: Final = (
    "ignore all", "ignore previous", "previous instructions", "system prompt", "jailbreak", "developer mode",
    "do anything now", " dan ", "you are now", "pretend", "act as",
    "no restrictions", "unfiltered", "instructions above",
)  # fmt: skip
"""The keyword lists that stand beside ours: what a first afternoon would write down."""


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `texts`."""

    hits: int
    texts: int

    def __str__(self) -> str:
        return f"{self.hits / self.texts:.3f} ({self.texts})" if self.texts else "–"


Find = Callable[[str], set[int]]


def ours(encoder: Any) -> Find:
    return lambda text: set(screen(text, (), encoder.embed([text])[0]).situations)


def by_keywords(text: str) -> set[int]:
    lower = text.lower()
    return {number for number, words in SITUATION_WORDS.items() if any(word in lower for word in words)}


def suite(path: Path = SUITE) -> dict[int | str, dict[str, list[str]]]:
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: {lang: block.strip().splitlines() for lang, block in texts.items()} for key, texts in table.items()}


def recall(find: Find, texts: Sequence[str], number: int, typos: bool = False) -> Share:
    draw = random.Random(SEED)
    wanted = SAME.get(number, {number})
    return Share(sum(bool(find(slip(text, draw) if typos else text) & wanted) for text in texts), len(texts))


def alarms(find: Find, texts: Iterable[str]) -> dict[int, Share]:
    """For each critical situation how many of `texts` it was seen in."""
    found = [find(text) for text in texts]
    return {number: Share(sum(number in each for each in found), len(found)) for number in CRITICAL}


def situations_table(find: Find) -> list[list[str]]:
    """Rows: number, name, then the shares found: English, English with a slip in each text, de, fr, es, ar, tr."""
    held = suite()
    table = []
    for listed in all_situations():
        texts = held.get(listed.number)
        if texts is None:
            continue
        english = texts.get("en", [])
        cells = [recall(find, english, listed.number), recall(find, english, listed.number, typos=True)]
        cells += [recall(find, texts.get(lang, []), listed.number) for lang in ("de", "fr", "es", "ar", "tr")]
        table.append([str(listed.number), situation(listed.number).name, *map(str, cells)])
    return table


def everyday(sets: Path) -> dict[str, list[str]]:
    """Messages of public sets that are in none of the critical situations, by set; no training text among them."""
    files = {"banking77": sets / "banking77" / "check.jsonl", "clinc150": sets / "clinc150" / "val.jsonl"}
    return {
        name: [row["text"] for row in rows(path) if not any(word in row["label"] for word in LIKE)][:EVERYDAY_MAX]
        for name, path in files.items()
    }


LIKE: Final = ("not_recognised", "compromised", "lost_or_stolen", "report_fraud", "report_lost", "are_you_a_bot")
"""Parts of the names of intents whose messages are in a critical situation."""
EVERYDAY_MAX: Final = 600


def guardrail(sets: Path, encoder: Any) -> list[tuple[str, Share, Share]]:
    """(category, ours, keywords): the share flagged of each category of the guardrail set."""
    mine: dict[str, list[bool]] = defaultdict(list)
    words: dict[str, list[bool]] = defaultdict(list)
    for row in rows(sets / "guardrail" / "prompts.jsonl.gz"):
        vector = encoder.embed([row["text"]])[0]
        mine[row["category"]].append(find_injection(row["text"], Seen(vector=vector)) is not None)
        words[row["category"]].append(any(word in f" {row['text'].lower()} " for word in ATTACK_WORDS))
    return [
        (kind, Share(sum(mine[kind]), len(mine[kind])), Share(sum(words[kind]), len(words[kind])))
        for kind in sorted(mine)
    ]
