"""What a tenant may say about redaction: how each kind of personal data is taken out, and patterns of its own.

Card numbers, security codes, PINs, passwords, one-time codes and track data are masked before anything is stored, for
every tenant and in every version (PCI DSS 4, requirement 3): a document cannot speak of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from helios.detection import national_ids, personal
from helios.detection.redaction import ALWAYS_MASKED, NAMED
from helios.rules.patterns import LENGTH_MAX, compile_pattern
from helios.rules.writing import plain

KINDS = frozenset({*NAMED, *national_ids.labels(), personal.PERSON, "GPE"}) - ALWAYS_MASKED

Operator = Literal["token", "mask", "hash", "encrypt"]
Kind = Annotated[StrictStr, Field(pattern=r"^[A-Z][A-Z0-9_]{1,39}$", max_length=40, examples=["EMAIL"])]


def _compiles(source: str) -> str:
    compile_pattern(plain(source))
    return source


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KindRule(_Strict):
    """How a kind is taken out of what a model reads."""

    kind: Kind
    operator: Operator


class OwnPattern(_Strict):
    """A kind of the tenant's own. It is also masked in what a model writes."""

    kind: Kind
    pattern: Annotated[
        StrictStr, Field(min_length=3, max_length=LENGTH_MAX, examples=["MB-[0-9]{8}"]), AfterValidator(_compiles)
    ]
    operator: Operator = "token"


class RedactionDocument(_Strict):
    kinds: Annotated[tuple[KindRule, ...], Field(max_length=100)] = ()
    patterns: Annotated[tuple[OwnPattern, ...], Field(max_length=20)] = ()


def not_allowed(document: RedactionDocument) -> list[tuple[str, str]]:
    """Places of the document, as JSON pointers, that cannot be, and why."""
    found: list[tuple[str, str]] = []
    for place, rule in enumerate(document.kinds):
        if rule.kind in ALWAYS_MASKED:
            found.append((f"/kinds/{place}/kind", f"{rule.kind} is always masked before it is stored"))
        elif rule.kind not in KINDS:
            found.append((f"/kinds/{place}/kind", f"the kinds are {', '.join(sorted(KINDS))}"))
    taken = {*KINDS, *ALWAYS_MASKED}
    for place, own in enumerate(document.patterns):
        if own.kind in taken:
            found.append((f"/patterns/{place}/kind", f"{own.kind} is the name of another kind"))
        taken.add(own.kind)
    kinds = [rule.kind for rule in document.kinds]
    return found if len(set(kinds)) == len(kinds) else [*found, ("/kinds", "a kind stands there twice")]


def effective(document: RedactionDocument) -> dict[str, Any]:
    """All that is in force with a document: the operator of each kind, and the tenant's own patterns."""
    chosen = {rule.kind: rule.operator for rule in document.kinds}
    return {
        "kinds": {
            **dict.fromkeys(sorted(ALWAYS_MASKED), "mask"),
            **{kind: chosen.get(kind, "token") for kind in sorted(KINDS)},
        },
        "patterns": {own.kind: {"pattern": own.pattern, "operator": own.operator} for own in document.patterns},
    }
