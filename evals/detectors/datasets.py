"""What the detectors learn from: the written examples and, where the folder of public sets is at hand, those.

Of the public sets only the ones whose licence lets weights ship are read (see docs/detectors.md): CC BY and MIT, none
that is share-alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from evals.detectors.examples import NOTHING, Example, rows, slip, templates, variants
from helios import demo_bank
from helios.detection.windows import WindowCutter

SEED: Final = 27
DRAFTS: Final = Path(__file__).parents[1] / "drafts"
SLIPS: Final = 0.4
"""How many forbidden sentences are learned from once more with a slip of the finger."""
LONG: Final = 800
LONG_OF: Final = (4, 40)
"""How many long messages are put together, and of how many sentences."""
ATTACK: Final = "attack"
ATTACK_FILES: Final = ("attacks", "attacks_planted", "attacks_abroad")
INJECTION: Final = "24"
"""The situation that has a detector of its own."""

SITUATION_FILES: Final = (
    "01_02", "06_07", "12", "13", "16_18", "20", "others", "everyday", "paraphrases", "chatty", "voices",
    "oblique",
)  # fmt: skip
ABROAD: Final = "everyday_abroad"
UNCLEAR: Final[dict[str, frozenset[str]]] = {
    "1": frozenset({"2", "12", "5"}),
    "2": frozenset({"1"}),
    "3": frozenset(),
    "4": frozenset(),
    "5": frozenset({"1", "6"}),
    "6": frozenset({"19", "20"}),
    "7": frozenset({"6", "1"}),
    "10": frozenset({"6"}),
    "12": frozenset({"1"}),
    "13": frozenset({"14"}),
    "14": frozenset({"13", "16"}),
    "15": frozenset({"27"}),
    "16": frozenset({"14", "17", "19"}),
    "17": frozenset({"6", "19", "16"}),
    "19": frozenset({"6", "17"}),
    "20": frozenset({"6"}),
    "22": frozenset({"6"}),
    "23": frozenset(),
    "27": frozenset({"15"}),
}
"""What a customer in a situation may be in besides: their examples teach those heads nothing."""

SURELY: Final = {"person_asked_for": "20", "death_notified": "15"}
"""Keys of examples that are in one situation and surely in no other: they teach every head."""

SAME_IN_BANKING77: Final = {
    "card_payment_not_recognised": "1",
    "cash_withdrawal_not_recognised": "1",
    "direct_debit_payment_not_recognised": "1",
}
LIKE_SITUATIONS: Final = {
    "compromised_card": frozenset({"1", "2", "12"}),
    "lost_or_stolen_card": frozenset({"1", "2"}),
    "lost_or_stolen_phone": frozenset({"1", "2"}),
    "extra_charge_on_statement": frozenset({"1", "5"}),
    "transaction_charged_twice": frozenset({"1", "5"}),
    "request_refund": frozenset({"1", "5", "10"}),
    "age_limit": frozenset({"23"}),
    "Refund_not_showing_up": frozenset({"3"}),
    "balance_not_updated_after_bank_transfer": frozenset({"3"}),
    "transfer_not_received_by_recipient": frozenset({"3"}),
    "report_fraud": frozenset({"1", "12"}),
    "report_lost_card": frozenset({"1", "2"}),
    "are_you_a_bot": frozenset({"20"}),
}
"""Intents of public sets of which some messages say what a situation does."""

_BEFORE = ("hi, ", "hello ", "hey ", "good morning, ", "um ", "ok so ", "pls help ", "Hi there. ", "urgent: ", "hiya ")
_BEHIND = (
    " thanks",
    " please help",
    " asap",
    "!!",
    "??",
    " what do I do",
    ", can you help",
    " pls",
    " :(",
    "...",
    " ty",
)


def situations(sets: Path | None) -> list[Example]:
    draw = random.Random(SEED)
    found = list(_written(draw))
    if sets is not None:
        found += _banking77(sets, draw)
        found += _clinc150(sets, draw)
    return found


def attacks(sets: Path | None) -> list[Example]:
    draw = random.Random(SEED)
    found: list[Example] = []
    for number, (kind, language, line) in enumerate(templates(ATTACK_FILES)):
        labels = frozenset() if kind == "not" else frozenset({ATTACK, kind})
        for text in variants(line, 6, draw):
            found.append(Example(text, labels, f"line {number}", language))
    # Who is in trouble, or writes in another language, commands nobody.
    for number, (key, language, line) in enumerate(templates(SITUATION_FILES)):
        labels = frozenset({ATTACK, "injection"}) if key == INJECTION and language != "not" else frozenset()
        found += [Example(text, labels, f"customer {number}", language) for text in variants(line, 4, draw)]
    found += _abroad(draw)
    if sets is not None:
        found += _guardrail(sets)
        found += _long(sets, draw)
        found += [e for e in _banking77(sets, draw) + _clinc150(sets, draw) + _nlupp(sets) if not e.labels]
    return found


def drafts() -> list[Example]:
    """Sentences of drafts by the list that forbids them, and what the demo bank says."""
    draw = random.Random(SEED)
    forbidden: dict[str, list[str]] = yaml.safe_load((DRAFTS / "phrases.yaml").read_text(encoding="utf-8"))
    sound: dict[str, list[str]] = yaml.safe_load((DRAFTS / "sound.yaml").read_text(encoding="utf-8"))
    found: list[Example] = []
    for name, lines in forbidden.items():
        others = frozenset(forbidden) - {name}
        for number, line in enumerate(lines):
            for text in variants(line, 8, draw):
                found += [
                    Example(version, frozenset({name}), f"line {name} {number}", unclear=others)
                    for version in (text, *([slip(text, draw)] if draw.random() < SLIPS else []))
                ]
    for name, lines in sound.items():
        for number, line in enumerate(lines):
            found += [Example(t, frozenset(), f"line not {name} {number}") for t in variants(line, 6, draw)]
    for path in sorted((Path(demo_bank.__path__[0]) / "knowledge").rglob("*.md")):
        cutter, text = WindowCutter(), path.read_text(encoding="utf-8").split("---", 2)[-1]
        windows = (*cutter.feed(text), *cutter.flush())
        found += [Example(window, frozenset(), f"article {path.stem}", path.parent.name) for window in windows]
    return found


def _written(draw: random.Random) -> Iterator[Example]:
    for number, (key, language, line) in enumerate(templates((*SITUATION_FILES, ABROAD))):
        if key == INJECTION:
            continue
        positive = key != NOTHING and not key.startswith("none_of") and language != "not"
        labels = frozenset({SURELY.get(key, key)}) if positive else frozenset()
        unclear = UNCLEAR.get(key, frozenset()) if positive else frozenset()
        for text in variants(line, 6 if positive else 4, draw):
            for version in _versions(text, draw):
                yield Example(version, labels, f"line {number}", language, unclear)


def _abroad(draw: random.Random) -> Iterator[Example]:
    """Everyday messages in other languages, alone and by twos, as long messages are put together."""
    lines = [line for _, _, line in templates([ABROAD])]
    for number, two in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        one, other = (variants(line, 8, draw) for line in two)
        both = [f"{first}. {second}" for first, second in zip(one, other, strict=False)]
        yield from (Example(text, frozenset(), f"customer abroad {number}", "not") for text in (*one, *other, *both))


def _versions(text: str, draw: random.Random) -> Iterator[str]:
    """The text, and sometimes as somebody in a hurry types it."""
    yield text
    if draw.random() < 0.4:
        changed = slip(text, draw)
        if draw.random() < 0.4:
            changed = slip(changed, draw)
        if draw.random() < 0.5:
            changed = changed.lower().replace("'", "")
        if draw.random() < 0.35:
            changed = draw.choice(_BEFORE) + changed
        if draw.random() < 0.35:
            changed = changed + draw.choice(_BEHIND)
        yield changed


def _banking77(sets: Path, draw: random.Random) -> list[Example]:
    found = []
    for row in rows(sets / "banking77" / "train.jsonl"):
        same = SAME_IN_BANKING77.get(row["label"])
        if same or draw.random() < 0.18:
            labels = frozenset({same} if same else ())
            unclear = UNCLEAR.get(same or "", LIKE_SITUATIONS.get(row["label"], frozenset()))
            found.append(Example(row["text"], labels, f"banking77 {row['label']}", "en", unclear))
    return found


def _clinc150(sets: Path, draw: random.Random) -> list[Example]:
    return [
        Example(
            row["text"], frozenset(), f"clinc150 {row['label']}", "en", LIKE_SITUATIONS.get(row["label"], frozenset())
        )
        for row in rows(sets / "clinc150" / "train.jsonl")
        if draw.random() < (0.3 if row.get("domain") in ("banking", "credit_cards") else 0.06)
    ]


def _nlupp(sets: Path) -> list[Example]:
    return [
        Example(row["text"], frozenset(), f"nlupp {number % 20}")
        for number, row in enumerate(rows(sets / "nlupp_banking" / "folds0-13.jsonl"))
        if number % 3 == 0
    ]


def _long(sets: Path, draw: random.Random) -> Iterator[Example]:
    """Everyday messages one after another: where only attacks are long, a long story looks like one."""
    files = (("banking77", "train"), ("clinc150", "train"), ("nlupp_banking", "folds0-13"))
    texts = [row["text"] for folder, name in files for row in rows(sets / folder / f"{name}.jsonl")]
    for number in range(LONG):
        said = draw.sample(texts, draw.randrange(*LONG_OF))
        text = " ".join(sentence if sentence[-1] in ".!?" else f"{sentence}." for sentence in said)
        yield Example(text, frozenset(), f"customer long {number}")


def _guardrail(sets: Path) -> Iterator[Example]:
    for row in rows(sets / "guardrail" / "prompts.jsonl.gz"):
        # A bare harmful question is no attack on the assistant, and one set is share-alike.
        if row["category"] == "harmful_request" or "SA" in row["licence"]:
            continue
        labels = frozenset({ATTACK, row["category"]}) if row["label"] else frozenset()
        yield Example(row["text"], labels, f"guardrail {row['source']}", row["lang"])
