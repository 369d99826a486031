"""What a tenant may say about the situations, and the safety minimum that no tenant goes below.

A document holds overrides only. What it does not mention is as the product ships it (`situations.yaml`), also in later
releases. Forbidden phrases and duties are added to the shipped ones and never replace them.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from helios.detection import learned
from helios.detection.output import Context, check_whole
from helios.detection.phrasebook import read
from helios.detection.situations import Situation, situation
from helios.rules.writing import plain
from helios.texts import template

ALWAYS_ON = frozenset({1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 16, 17, 18, 20, 21, 22, 24, 26})
"""Demanded by law, by a card scheme or by plain safety. The rest depends on the market and on what the bank sells."""
FIXED_TEXTS = frozenset({13, 26})
"""A crisis line that must be named, and a refusal in which any word more could tip somebody off (31 USC 5318(g)(2))."""
HANDS_OVER = ("escalate", "ticket_and_escalate", "hold")

Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", max_length=40, examples=["disputes"])]
Days = Annotated[StrictInt, Field(ge=1, le=366)]


def _template(value: str) -> str:
    try:
        parts = list(string.Formatter().parse(plain(value)))
    except ValueError:
        raise ValueError("braces must hold the name of a field, such as {due}") from None
    # Filled in by `str.format`: a conversion or an attribute could reach further than the text.
    if any(name is not None and (not name.isidentifier() or form or turned) for _, name, form, turned in parts):
        raise ValueError("braces must hold the name of a field and nothing else, such as {due}")
    return value


def _phrase(value: str) -> str:
    words = [word for word, _, _ in read(plain(value)).words if word.strip()]
    if len(words) < 2 or not all(word.replace("'", "").isalnum() for word in words):
        raise ValueError("a phrase has two words or more, of letters and digits")
    return value


Text = Annotated[StrictStr, Field(min_length=1, max_length=1_000), AfterValidator(_template)]
Phrase = Annotated[StrictStr, Field(min_length=3, max_length=120), AfterValidator(_phrase)]
Language = Annotated[StrictStr, Field(pattern=r"^[a-z]{2}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SituationOverride(_Strict):
    """What is different for one situation. What is left out stays as it is shipped."""

    number: Annotated[StrictInt, Field(ge=1, le=27)]
    enabled: StrictBool = True
    priority: Annotated[
        Literal["P0", "P1", "P2", "P3", "P4"] | None, Field(description="How soon a person answers")
    ] = None
    queue: Name | None = None
    escalate: Annotated[StrictBool, Field(description="Hand over to a person what else would only be flagged")] = False
    threshold: Annotated[
        StrictFloat | None, Field(ge=0.01, le=1, description="From which probability on the trained detector counts")
    ] = None
    clocks: Annotated[dict[Name, Days], Field(max_length=8, description="Days by the clock's name: only shorter")] = {}
    duties: Annotated[tuple[Name, ...], Field(max_length=10, description="More for the person who takes it")] = ()
    forbidden_phrases: Annotated[
        tuple[Phrase, ...], Field(max_length=50, description="No draft may hold them meanwhile")
    ] = ()
    texts: Annotated[
        dict[Language, Text], Field(max_length=8, description="By language: what the customer is told")
    ] = {}


class PolicyDocument(_Strict):
    """A tenant's policy: what is different from the shipped one."""

    situations: Annotated[tuple[SituationOverride, ...], Field(max_length=27)] = ()


Wrong = tuple[str, str]
"""A JSON pointer and what is wrong there."""


def below_minimum(document: PolicyDocument) -> list[Wrong]:
    """What of the document cannot be: it lowers the safety minimum, or has no meaning for that situation."""
    numbers = [each.number for each in document.situations]
    found = [("/situations", "a situation stands there twice")] if len(set(numbers)) < len(numbers) else []
    for place, override in enumerate(document.situations):
        shipped = situation(override.number)
        about = f"situation {shipped.number} ({shipped.name})"
        for field, why in _wrong(override, shipped):
            found.append((f"/situations/{place}/{field}", f"{about}: {why}"))
    return found


def _wrong(override: SituationOverride, shipped: Situation) -> Iterator[Wrong]:
    always_on = override.number in ALWAYS_ON
    if always_on and not override.enabled:
        yield "enabled", "it is part of the safety minimum and cannot be switched off"
    if always_on and override.priority is not None and override.priority > shipped.priority:
        yield "priority", f"it is part of the safety minimum and cannot be less urgent than {shipped.priority}"
    if override.escalate and shipped.action != "flag":
        yield "escalate", "only what is shipped as a flag can be handed over besides"
    if override.queue is not None and shipped.action not in HANDS_OVER and not override.escalate:
        yield "queue", "it opens no escalation"
    yield from _wrong_threshold(override, always_on)
    yield from _wrong_clocks(override, shipped)
    yield from _wrong_texts(override, shipped)


def _wrong_threshold(override: SituationOverride, always_on: bool) -> Iterator[Wrong]:
    if override.threshold is None:
        return
    heads = learned.load("situations")
    shipped = dict(zip(heads.names, heads.thresholds.tolist(), strict=True)).get(str(override.number))
    if shipped is None:
        yield "threshold", "it has no trained detector"
    elif always_on and override.threshold > shipped:
        yield "threshold", f"it is part of the safety minimum and cannot be above {shipped:.3f}"


def _wrong_clocks(override: SituationOverride, shipped: Situation) -> Iterator[Wrong]:
    days = {clock.name: clock.days for clock in shipped.ticket.clocks} if shipped.ticket is not None else {}
    for name, wanted in override.clocks.items():
        if name not in days:
            yield "clocks", f"its clocks are {', '.join(days) or 'none'}"
        elif wanted > days[name]:
            yield "clocks", f"{name} has {days[name]} days by regulation and cannot have more"


def _wrong_texts(override: SituationOverride, shipped: Situation) -> Iterator[Wrong]:
    if override.texts and (not shipped.template or override.number in FIXED_TEXTS):
        fixed = override.number in FIXED_TEXTS
        yield "texts", "its text is part of the safety minimum" if fixed else "the customer is told nothing of it"
        return
    for language, text in override.texts.items():
        needed, given = _fields(template(shipped.template, language)), _fields(text)
        if given - needed - {"bank"} or needed - given:
            yield "texts", f"the text in {language} must hold exactly {_named(needed)}; {{bank}} is free"
            continue
        verdict = check_whole(text, Context(passages=(text,), situations=(override.number,), language=language))
        if verdict.action != "release":
            rules = ", ".join(sorted({reason.rule for reason in verdict.reasons}))
            yield "texts", f"the text in {language} does not pass the checks of answers: {rules}"


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _named(fields: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(fields)) or "no field"
