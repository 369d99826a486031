"""Bodies of requests about rules and regulated tickets."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr

from api.models import Body, Content, Remark, spoken
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


PARTS: tuple[type[BaseModel], ...] = (SituationOverride, KindRule, OwnPattern)
"""Parts of bodies that are defined elsewhere."""
