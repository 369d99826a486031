"""Fills the slots of templates.txt with made-up people, places and companies of many countries."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from evals.tagger.values import Maker
from helios.detection.spans import Span

LATIN: Final = tuple(
    """
    en_US en_GB en_IE en_AU en_IN en_PK en_NG en_KE de_DE de_AT de_CH fr_FR fr_CH es_ES es_MX it_IT pt_PT pt_BR nl_NL
    nl_BE sv_SE no_NO da_DK fi_FI is_IS pl_PL cs_CZ sk_SK hu_HU hr_HR sl_SI ro_RO sq_AL tr_TR id_ID vi_VN zu_ZA sw lt_LT
    lv_LV et_EE fil_PH yo_NG ha_NG az_AZ
    """.split()  # noqa: SIM905 - a table of codes reads better than quotes around each
)
OTHER_SCRIPTS: Final = ("ar_SA", "ar_EG", "el_GR", "ru_RU", "uk_UA", "bg_BG", "he_IL", "hi_IN", "zh_CN", "ja_JP")
LOCALES_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "german": ("de_DE", "de_AT", "de_CH", "tr_TR", "pl_PL", "hr_HR"),
        "french": ("fr_FR", "fr_CH", "fr_BE", "pt_PT", "vi_VN"),
        "spanish": ("es_ES", "es_MX", "es_CO", "es_AR", "ro_RO"),
        "turkish": ("tr_TR", "az_AZ", "sq_AL"),
        "arabic": ("ar_SA", "ar_EG", "ar_AE", "ar_PS"),
    }
)
OTHER_SCRIPTS_SHARE, LOWER_SHARE, UPPER_SHARE = 0.03, 0.12, 0.03
LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("name", "first", "last"), "PERSON"),
        **dict.fromkeys(("title", "job"), "TITLE"),
        **dict.fromkeys(("city", "country"), "GPE"),
        **dict.fromkeys(("street", "street_name", "bnum", "unit", "address", "pobox", "corner"), "STREET_ADDRESS"),
        **dict.fromkeys(("date", "datetime", "year", "month", "weekday"), "DATE_TIME"),
        **dict.fromkeys(("nat", "nats"), "NRP"),
        **{"org": "ORGANIZATION", "zip": "ZIP_CODE", "age": "AGE", "phone": "PHONE"},
    }
)
"""What each kind of slot is called; kinds that are not here are found by patterns and count as plain words."""
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    group: str
    text: str

    @property
    def number(self) -> int:
        """The same on every machine: what is held out does not move when a line is added."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:4], "big")


@dataclass(frozen=True, slots=True)
class Sentence:
    template: Template
    text: str
    spans: tuple[Span, ...]


def read_templates() -> list[Template]:
    templates: list[Template] = []
    group = ""
    for line in Path(__file__).with_name("templates.txt").read_text("utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif line and not line.startswith("# "):
            templates.append(Template(group, line.replace("\\n", "\n")))
    return templates


def fill(template: Template, count: int, seed: int) -> Iterator[Sentence]:
    """``count`` sentences of a template; the same for the same seed."""
    for index in range(count if _SLOT.search(template.text) else max(1, count // 8)):
        yield _fill_once(template, random.Random(f"{seed}/{template.number}/{index}"))  # noqa: S311 - no secret


def _fill_once(template: Template, chance: random.Random) -> Sentence:
    locales = LOCALES_OF.get(template.group, LATIN)
    if template.group not in LOCALES_OF and chance.random() < OTHER_SCRIPTS_SHARE:
        locales = OTHER_SCRIPTS
    case = _case(chance)
    pieces: list[str] = []
    spans: list[Span] = []
    length = position = 0
    for slot in _SLOT.finditer(template.text):
        before = case(template.text[position : slot.start()])
        maker = Maker(chance, chance.choice(locales), native=template.group in LOCALES_OF)
        value = case(maker.make(slot[1]))
        start = length + len(before)
        if slot[1] in LABELS:
            spans.append(Span(start, start + len(value), LABELS[slot[1]]))
        pieces += [before, value]
        length, position = start + len(value), slot.end()
    pieces.append(case(template.text[position:]))
    text = "".join(pieces)
    return Sentence(template, text, tuple(_join_names(text, spans)))


def _join_names(text: str, spans: list[Span]) -> Iterator[Span]:
    """A first name and the last name behind it are one name."""
    held: Span | None = None
    for span in spans:
        if held and held.label == span.label == "PERSON" and text[held.end : span.start] == " ":
            held = Span(held.start, span.end, span.label)
            continue
        if held:
            yield held
        held = span
    if held:
        yield held


def _case(chance: random.Random) -> Callable[[str], str]:
    draw = chance.random()
    if draw < LOWER_SHARE:
        return str.lower
    return str.upper if draw < LOWER_SHARE + UPPER_SHARE else str
