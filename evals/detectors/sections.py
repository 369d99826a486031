"""The sections of docs/quality.md about the guardrail and the situations."""

from __future__ import annotations

from pathlib import Path

from evals.detectors import measure
from evals.report import Section, table
from helios.models.embedder import Embedder
from helios.settings import settings

HEAD = ("", "", "English", "with a typo", "German", "French", "Spanish", "Arabic", "Turkish")


def situations(sets: Path | None) -> Section:
    """Recall by situation on both suites, beside keywords, and alarms on messages in none of them."""
    find = measure.ours(Embedder.load(settings()))
    fresh = measure.fresh_table(find)
    words = {row[0]: row[2] for row in measure.fresh_table(measure.by_keywords)}
    rows = measure.situations_table(find)
    keywords = {row[0]: row[2] for row in measure.situations_table(measure.by_keywords)}
    head = [*HEAD, "keywords, English"]
    text = (
        "## Situations\n\nFound of texts that are hard on purpose, written before the last training and only looked at"
        " as sums (`evals/suites/situations_fresh.yaml`), and alarms on 60 look-alikes of the same kind. Aims: .98 and"
        " .05.\n\n"
    )
    text += table(
        ["", "", "English", "with a typo", "alarms", "keywords, English"], [[*row, words[row[0]]] for row in fresh]
    )
    later = measure.later_table(find)
    text += (
        "\nThe same of a suite that was written after the last training and only looked at as sums"
        " (`evals/suites/situations_later.yaml`): what is told without any word of its matter.\n\n"
    )
    text += table(["", "", "English", "with a typo", "alarms"], later)
    text += (
        "\nFound of the older suite (`evals/suites/situations.yaml`). No text of it was trained on; of what was missed"
        " before the last training its author knew.\n\n"
    )
    text += table(head, [[*row, keywords[row[0]] if int(row[0]) in measure.CRITICAL else ""] for row in rows])
    quiet = {f"look-alikes, {lang}": texts for lang, texts in measure.suite()["none"].items()}
    quiet |= measure.everyday(sets) if sets is not None else {}
    alarms = {name: measure.alarms(find, texts) for name, texts in quiet.items()}
    text += "\nFalse alarms by situation, on messages that are in none of these.\n\n"
    text += table(
        ["", *map(str, measure.CRITICAL)],
        [[name, *(str(shares[number]) for number in measure.CRITICAL)] for name, shares in alarms.items()],
    )
    figures = {
        "fresh": fresh,
        "later": later,
        "found": rows,
        "alarms": {name: {n: str(s) for n, s in each.items()} for name, each in alarms.items()},
    }
    return Section("situations", text, figures)


def guardrail(sets: Path | None) -> Section:
    """Flagged by category, ours beside keywords, and of everyday messages. The public sets are needed."""
    if sets is None:
        return Section("guardrail", "## Guardrail\n\nNot measured: `HELIOS_EVAL_DATA` is not set.\n", {})
    rows = measure.guardrail(sets, Embedder.load(settings()))
    text = (
        "## Guardrail\n\nFlagged by category. The detector was trained on the rows of these categories whose licence"
        " allows it: what it reaches on groups that it did not see stands in [detectors](detectors.md). A bare harmful"
        " question commands nobody and is not among `all attacks`. None of the messages of the `unseen` sets was"
        " trained on. Aims: .98 of all attacks and .92 of each kind, at most .003 of bank messages and .02 of"
        " look-alikes (`benign_hard`).\n\n"
    )
    text += table(["category", "ours", "keywords"], [[kind, str(mine), str(words)] for kind, mine, words in rows])
    return Section("guardrail", text, {kind: [str(mine), str(words)] for kind, mine, words in rows})
