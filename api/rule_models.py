"""Bodies of requests about rules and regulated tickets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr

from api.models import Body, Content, Remark, SourceFile, spoken
from helios.intents.examples import CHARACTERS_MOST, EXAMPLES_MOST, INTENTS_MOST
from helios.rules.policy_document import SituationOverride
from helios.rules.redaction_document import KindRule, OwnPattern
from schema.policy_replay import TURNS_MOST

Reason = Annotated[StrictStr, Field(min_length=1, max_length=2_000, examples=["Refunded."]), AfterValidator(spoken)]
ClockName = Annotated[StrictStr, Field(pattern="^[a-z][a-z_]{0,63}$", max_length=64, examples=["investigation"])]


class TicketResolution(Body):
    reason: Reason


class ClockMet(Body):
    """What the clock asks for was done: an acknowledgement was sent, an answer given."""

    clock: ClockName
    reason: Reason


class ClockExtension(Body):
    """`clock`: the longer period. `provisional_credit`: the customer has it, where the regulation asks for it."""

    clock: ClockName
    reason: Reason
    provisional_credit: StrictBool = False


class NewPolicy(Body):
    """A draft: what is different from the shipped situations. What a version before it changed is not taken over."""

    note: Remark | None = None
    situations: Annotated[
        list[SituationOverride], Field(max_length=27, examples=[[{"number": 6, "queue": "ombudsman"}]])
    ] = []  # noqa: RUF012


class NewPolicyReplay(Body):
    """`turns`: how many of the newest are looked at."""

    version: Annotated[StrictInt, Field(ge=1, le=2**31 - 1, examples=[2])]
    turns: Annotated[StrictInt, Field(ge=1, le=TURNS_MOST)] = 1_000


class NewRedactionRules(Body):
    """A draft: how kinds are taken out where not by typed tokens, and patterns of the tenant's own."""

    note: Remark | None = None
    kinds: Annotated[list[KindRule], Field(max_length=100, examples=[[{"kind": "EMAIL", "operator": "mask"}]])] = []  # noqa: RUF012
    patterns: Annotated[
        list[OwnPattern], Field(max_length=20, examples=[[{"kind": "CUSTOMER_NUMBER", "pattern": "MB-[0-9]{8}"}]])
    ] = []  # noqa: RUF012


class RedactionTrial(Body):
    """`version`: default the one in force. `language`: ISO 639-1, for numbers and names that are written its way."""

    text: Content
    version: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)] | None = None
    language: Annotated[StrictStr, Field(pattern="^[a-z]{2}$")] | None = None


Example = Annotated[StrictStr, Field(min_length=1, max_length=CHARACTERS_MOST), AfterValidator(spoken)]
IntentName = Annotated[StrictStr, Field(min_length=1, max_length=64, examples=["school_fees"])]


class IntentExamples(Body):
    """An intent and what customers say who have it. `out_of_scope`: what the assistant should not try to answer."""

    name: IntentName
    examples: Annotated[list[Example], Field(max_length=EXAMPLES_MOST, examples=[["Can I pay the school fees here?"]])]


class SeveralIntents(Body):
    """A text with more than one intent."""

    text: Example
    intents: Annotated[list[IntentName], Field(min_length=2, max_length=10)]


class NewIntents(Body):
    """Examples to train on: as `intents`, or as a `file` (CSV with the columns `intent` and `text`, or JSON of this
    shape). `base`: `shipped` trains on the product's own examples besides, but for intents of the same name.
    """

    note: Remark | None = None
    base: Literal["shipped", "none"] = "shipped"
    intents: Annotated[list[IntentExamples], Field(max_length=INTENTS_MOST)] = []  # noqa: RUF012
    several: Annotated[list[SeveralIntents], Field(max_length=EXAMPLES_MOST)] = []  # noqa: RUF012
    file: SourceFile | None = None


class Publication(Body):
    """`force`: although a gate is not passed; then `note` says why."""

    note: Remark | None = None
    force: StrictBool = False


class RulePublication(Publication):
    """`replaces`: the number of the version in force, where the draft was not written upon it: what that has changed
    is lost on purpose.
    """

    replaces: Annotated[StrictInt | None, Field(ge=1, le=2**31 - 1)] = None


PARTS: tuple[type[BaseModel], ...] = (SituationOverride, KindRule, OwnPattern)
"""Parts of bodies that are defined elsewhere."""
