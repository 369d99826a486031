"""Every file of a public set of documents and a hostile set of our own, through the process that parses documents."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.formats import hostile
from evals.report import Section, table
from helios.knowledge.parsing import ParsingError, media_type_of
from helios.knowledge.parsing_process import parse_apart
from helios.uploads import UploadRefused, check_upload

FOLDER = "doc_formats/files"
READ = "read"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`became`: `read`, or the code of the refusal; `refused` where the upload's own check said no."""

    name: str
    became: str
    cpu_s: float
    right: bool


def formats(sets: Path | None) -> Section:
    ours = [_outcome(each.name, each.original, each.media_type, each.codes) for each in hostile.files()]
    theirs = _public(sets / FOLDER) if sets is not None else []
    text = "## Documents\n\n" + _ours(ours) + "\n" + _theirs(theirs)
    figures = {
        "hostile": len(ours), "hostile_right": sum(each.right for each in ours),
        "public": len(theirs), "public_read": sum(each.became == READ for each in theirs),
        "slowest_cpu_s": round(max(each.cpu_s for each in [*ours, *theirs]), 1),
    }  # fmt: skip
    return Section("formats", text, figures)


def _public(folder: Path) -> list[Outcome]:
    found = []
    for path in sorted(folder.iterdir()):
        media_type = media_type_of(path.name)
        if media_type is None:
            found.append(Outcome(path.name, "unsupported", 0.0, True))
        else:
            found.append(_outcome(path.name, path.read_bytes(), media_type, frozenset({"empty", READ})))
    return found


def _outcome(name: str, original: bytes, media_type: str, codes: frozenset[str]) -> Outcome:
    """Both the check of an upload and the reading; a refusal by either one is a refusal."""
    before = _children_cpu_s()
    try:
        check_upload(media_type, original)
        asyncio.run(parse_apart(original, media_type))
        became = READ
    except UploadRefused:
        became = "refused"
    except ParsingError as error:
        became = error.code
    spent = _children_cpu_s() - before
    right = became in (codes or {READ}) or (became == "refused" and bool(codes))
    return Outcome(name, became, spent, right)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ours(outcomes: Sequence[Outcome]) -> str:
    wrong = [each for each in outcomes if not each.right]
    counts = {code: sum(each.became == code for each in outcomes) for code in sorted({o.became for o in outcomes})}
    slow = sorted(outcomes, key=lambda each: -each.cpu_s)[:5]
    ends = ", ".join(f"{count} {code}" for code, count in counts.items())
    text = (
        f"{len(outcomes)} hostile files made by `evals/formats/hostile.py`: damaged, protected, bombs of archives and "
        f"of entities, tables of a billion cells, pages that hang. {len(outcomes) - len(wrong)} ended as they should "
        f"and none took anything but its own process along: {ends} (`refused`: before anything was unpacked).\n\n"
    )
    if wrong:
        text += "Not as they should: " + ", ".join(f"{each.name} ({each.became})" for each in wrong) + ".\n\n"
    rows = [(each.name, each.became, f"{each.cpu_s:.1f}") for each in slow]
    return text + "The costliest:\n\n" + table(("file", "became", "CPU s"), rows)


def _theirs(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "The public set was not measured: `HELIOS_EVAL_DATA` is not set.\n"
    rows = [(each.name.partition("__")[2], each.became, f"{each.cpu_s:.1f}") for each in outcomes]
    return f"{len(outcomes)} files of py-pdf/sample-files:\n\n" + table(("file", "became", "CPU s"), rows)
