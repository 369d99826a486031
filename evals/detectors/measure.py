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
FRESH: Final = SUITE.with_name("situations_fresh.yaml")
LATER: Final = SUITE.with_name("situations_later.yaml")
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


def fresh_table(find: Find) -> list[list[str]]:
    """Rows of the fresh suite: number, name, found in English, with a slip in each text, alarms on look-alikes."""
    held = suite(FRESH)
    quiet = alarms(find, held["none"]["en"])
    return [
        [
            str(number),
            situation(number).name,
            str(recall(find, held[number]["en"], number)),
            str(recall(find, held[number]["en"], number, typos=True)),
            str(quiet[number]),
        ]
        for number in CRITICAL
    ]


def later_table(find: Find) -> list[list[str]]:
    """Rows of the newest suite: number, name, found, with a slip in each text, alarms on its look-alikes."""
    held = suite(LATER)
    quiet = [find(text) for text in held["none"]["en"]]
    table = []
    for number in (key for key in held if isinstance(key, int)):
        shares = [recall(find, held[number]["en"], number, typos) for typos in (False, True)]
        alarms_of = Share(sum(number in found for found in quiet), len(quiet))
        table.append([str(number), situation(number).name, *map(str, (*shares, alarms_of))])
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


Flagged = list[tuple[str, Share, Share]]
"""(category, ours, keywords): the share flagged of each."""


def guardrail(sets: Path, encoder: Any) -> Flagged:
    """All attacks, then each category of the guardrail set, then bank messages of sets that training never saw."""
    categories: dict[str, list[str]] = defaultdict(list)
    for row in rows(sets / "guardrail" / "prompts.jsonl.gz"):
        categories[row["category"]].append(row["text"])
    found = {kind: _flagged(texts, encoder) for kind, texts in sorted(categories.items())}
    found |= {f"unseen: {name}": _flagged(texts, encoder) for name, texts in unseen(sets).items()}
    attacks = [shares for kind, shares in found.items() if kind.startswith(ATTACK_KINDS)]
    every = (_sum(mine for mine, _ in attacks), _sum(words for _, words in attacks))
    return [(kind, mine, words) for kind, (mine, words) in {"all attacks": every, **found}.items()]


def unseen(sets: Path) -> dict[str, list[str]]:
    """Everyday messages of public sets, by set; no training text among them."""
    files = {
        "banking77": sets / "banking77" / "check.jsonl",
        "clinc150": sets / "clinc150" / "val.jsonl",
        "arbanking77, Arabic": sets / "arbanking77" / "val_msa_pal.jsonl",
    }
    draw = random.Random(SEED)
    found = {name: [row["text"] for row in draw.sample(rows(path), EVERYDAY_MAX)] for name, path in files.items()}
    said = rows(sets / "tau2_banking" / "queries.jsonl")
    return {**found, "tau-Banking, long": [row["text"] for row in said if row["kind"] == "utterances"]}


def _sum(shares: Iterable[Share]) -> Share:
    each = list(shares)
    return Share(sum(share.hits for share in each), sum(share.texts for share in each))


def _flagged(texts: Sequence[str], encoder: Any) -> tuple[Share, Share]:
    """By ours, by keywords."""
    mine = [find_injection(text, Seen(vector=encoder.embed([text])[0])) is not None for text in texts]
    words = [any(word in f" {text.lower()} " for word in ATTACK_WORDS) for text in texts]
    return Share(sum(mine), len(texts)), Share(sum(words), len(texts))
