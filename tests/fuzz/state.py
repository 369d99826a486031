"""How far a run of `make fuzz` is: a file, and the page that is made of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.engine import Thrown
from tests.fuzz.operations import OUT_OF_REACH, Operation

INTRODUCTION = """\
# What was thrown at the API

`make fuzz` writes this page. It makes cases out of the OpenAPI document with schemathesis, right ones and wrong ones,
and throws them at a stack of its own: as nobody, a customer, an API key, staff and the platform's operator, at things
that exist and things that do not. An answer is wrong when it is a 5xx, is not described in the document, or is an error
that is no problem with a published code. Where a password is hashed on the way, a tenth of the cases is thrown. The
test suite throws four at each operation (`tests/fuzz/test_document.py`).
"""


@dataclass(slots=True)
class Done:
    """`commits`: that were running, each with the day of its last cases. `answers`: by class, e.g. `2xx`."""

    fingerprint: str
    cases: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)

    def add(self, cases: int, thrown: Thrown, commit: str, day: str) -> None:
        """Cases of which one went wrong do not count: they are thrown again by the next run."""
        self.wrong = thrown.wrong
        if not thrown.wrong:
            self.cases += cases
            by_class = Counter(self.answers)
            for status, count in thrown.answers.items():
                by_class[f"{status // 100}xx"] += count
            self.answers = dict(sorted(by_class.items()))
            self.commits[commit] = day


class State:
    """Written after each throw. An operation that has changed since begins again; one that went wrong goes on."""

    def __init__(self, file: Path, operations: Mapping[str, Operation]) -> None:
        self._file = file
        known = json.loads(file.read_text()) if file.exists() else {}
        self.all = {label: _done(known.get(label), each.fingerprint) for label, each in operations.items()}

    def write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({label: asdict(done) for label, done in self.all.items()}, indent=1))
        draft.replace(self._file)


def _done(known: dict[str, object] | None, fingerprint: str) -> Done:
    if known is None or known["fingerprint"] != fingerprint:
        return Done(fingerprint)
    return Done(**{**known, "wrong": []})  # type: ignore[arg-type]


def page(state: State, wanted: Mapping[str, int]) -> str:
    """Markdown. `wanted`: cases by operation."""
    return "\n".join([INTRODUCTION, *_summary(state, wanted), "", *_table(state, wanted), "", *_unreached(state), ""])


def unexplained(state: State, wanted: Mapping[str, int]) -> list[str]:
    """Operations of which no case ended well though nothing is known to be in the way: only their doors were tried."""
    return [
        label for label, done in state.all.items()
        if done.cases >= wanted[label] and not done.answers.get("2xx") and label not in OUT_OF_REACH
    ]  # fmt: skip


def _unreached(state: State) -> Iterator[str]:
    yield "Where no case ended well, and what is in the way:"
    yield ""
    for label, done in state.all.items():
        if not done.answers.get("2xx"):
            yield f"- `{label}`: {OUT_OF_REACH.get(label, '**not known**')}"


def _summary(state: State, wanted: Mapping[str, int]) -> Iterator[str]:
    done = state.all.values()
    whole = sum(each.cases >= wanted[label] for label, each in state.all.items())
    wrong = sum(bool(each.wrong) for each in done)
    yield f"{sum(each.cases for each in done):,} cases were thrown; {whole} of {len(done)} operations have all of"
    yield f"theirs, and {wrong} went wrong. Commits: {', '.join(_commits(state))}."


def _commits(state: State) -> list[str]:
    days: dict[str, set[str]] = {}
    for each in state.all.values():
        for commit, day in each.commits.items():
            days.setdefault(commit, set()).add(day)
    return [f"`{commit}` ({min(when)})" for commit, when in sorted(days.items(), key=lambda item: min(item[1]))]


def _table(state: State, wanted: Mapping[str, int]) -> Iterator[str]:
    yield "| operation | cases | of | 2xx | 4xx | wrong |"
    yield "| --- | --: | --: | --: | --: | --: |"
    for label, done in state.all.items():
        counts = " | ".join(f"{done.answers.get(name, 0):,}" for name in ("2xx", "4xx"))
        yield f"| `{label}` | {done.cases:,} | {wanted[label]:,} | {counts} | {len(done.wrong)} |"
