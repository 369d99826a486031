"""A suite: messages as customers write them, and what must come of each. Small, so that a person reads it at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from helios.evaluations.yaml_places import Places, YamlRefused, read_yaml
from helios.rules.policy_document import Wrong
from helios.rules.writing import plain

CASES_MOST = 200
TURNS_MOST = 10
SAID_MOST = 20
NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"

Guarded = Literal["policies", "redaction-rules", "knowledge"]
Outcome = Literal["answered", "declined", "escalated", "held", "blocked"]


def _listed(value: object) -> object:
    """One of them may stand without a list around it."""
    return value if isinstance(value, list | tuple) else (value,)


def _written(value: object) -> object:
    """A figure may stand without quotes."""
    return str(value) if type(value) in (int, float) else value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("one of them stands there twice")
    return values


Words = AfterValidator(plain)
Message = Annotated[StrictStr, Field(min_length=1, max_length=2_000), Words]
Phrase = Annotated[StrictStr, Field(min_length=1, max_length=200), Words, BeforeValidator(_written)]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=20), BeforeValidator(_listed)]
Language = Annotated[StrictStr, Field(pattern="^[a-z]{2}$")]
Label = Annotated[StrictStr, Field(min_length=1, max_length=64), Words]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Gate(_Part):
    """share  the least share of cases that pass with the draft
    worse  how many cases at most may pass as published and fail with the draft; None: it is not asked
    """

    share: Share = 1.0
    worse: Annotated[StrictInt, Field(ge=0, le=CASES_MOST)] | None = None


class Expectation(_Part):
    """What must come of a case's last message. What is left out is not asked.

    cites       keys of articles, all of which the answer cites
    situations  the situations that are found in the message, no more and no fewer
    confidence  the least confidence of the answer
    """

    outcome: Outcome | None = None
    situations: Annotated[
        tuple[Annotated[StrictInt, Field(ge=1, le=27)], ...], Field(max_length=27), BeforeValidator(_listed),
        AfterValidator(_distinct),
    ] | None = None  # fmt: skip
    intent: Label | None = None
    cites: Annotated[
        tuple[Annotated[StrictStr, Field(pattern=NAME, max_length=80)], ...], Field(max_length=10),
        BeforeValidator(_listed),
    ] = ()  # fmt: skip
    must_contain: Phrases = ()
    must_not_contain: Phrases = ()
    language: Language | None = None
    confidence: Share | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expects nothing")
        return self


class Case(_Part):
    """must  it has to pass, whatever the share"""

    name: Annotated[StrictStr, Field(min_length=1, max_length=120), Words]
    messages: Annotated[tuple[Message, ...], Field(min_length=1, max_length=TURNS_MOST)]
    language: Language | None = None
    must: StrictBool = False
    expect: Expectation

    @model_validator(mode="before")
    @classmethod
    def _one_message(cls, value: Any) -> Any:
        """`message` for `messages` with one of them."""
        if isinstance(value, dict) and "message" in value:
            if "messages" in value:
                raise ValueError("has message or messages, not both")
            return {**{name: each for name, each in value.items() if name != "message"}, "messages": [value["message"]]}
        return value


class Suite(_Part):
    """language   what a conversation begins in, where a message does not say
    audiences  whom the customer belongs to: what is for others only is not found
    guards     what may not be published unless this suite has passed over exactly that
    """

    name: Annotated[StrictStr, Field(pattern=NAME, max_length=80)]
    description: Annotated[StrictStr, Field(max_length=1_000), Words] | None = None
    language: Language = "en"
    audiences: Annotated[tuple[Label, ...], Field(max_length=20), BeforeValidator(_listed)] = ()
    guards: Annotated[
        tuple[Guarded, ...], Field(max_length=3), BeforeValidator(_listed), AfterValidator(_distinct)
    ] = ()
    gate: Gate = Gate()
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=CASES_MOST)]

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        names = [case.name for case in self.cases]
        if len(set(names)) < len(names):
            raise ValueError("two cases have the same name")
        return self


class SuiteRefused(Exception):
    """`wrong`: every place that keeps it from being a suite, with its line."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__("not a suite")
        self.wrong = list(wrong)


def read_suite(source: bytes) -> Suite:
    """Raises `SuiteRefused`."""
    try:
        places = read_yaml(source)
    except YamlRefused as error:
        raise SuiteRefused([("", f"line {error.line}: {error.why}" if error.line else error.why)]) from None
    if not isinstance(places.value, dict):
        raise SuiteRefused([("", "line 1: a suite begins with keys such as name and cases")])
    try:
        return Suite.model_validate(places.value)
    except ValidationError as error:
        raise SuiteRefused([_wrong(each, places) for each in error.errors()[:SAID_MOST]]) from None


def _wrong(error: Any, places: Places) -> Wrong:
    """Pydantic's own words repeat no value. Of a name that is not known the place is the line that holds it."""
    path = [str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"]]
    pointer = "".join(f"/{part}" for part in path)
    said = error["msg"].removeprefix("Value error, ")
    what = {"extra_forbidden": "is not known", "missing": "is missing"}.get(error["type"], said)
    return pointer, f"line {places.line(pointer)}: {what}"
