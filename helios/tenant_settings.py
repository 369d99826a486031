"""What each tenant decides for itself: one typed document, with a default for every part, checked strictly.

It is stored in `tenants.settings`, numbered by `tenants.settings_version`. Steps of a turn read it in the transaction
in which they read the conversation, so that a change holds from the next step on; the API reads it through
`helios.tenants`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

import holidays
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

SAYS_AI = {
    "en": re.compile(r"\bA\.?I\b|artificial|automated|virtual assistant", re.IGNORECASE),
    "de": re.compile(r"\bKI\b|künstlich|automatisch", re.IGNORECASE),
    "es": re.compile(r"\bIA\b|inteligencia artificial|automátic", re.IGNORECASE),
}
"""A disclosure must disclose: known by one of these words, in the languages that we read."""
DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$"
ORIGIN = r"^https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9][0-9]{0,4})?$"
ISSUER = r"^https?://[A-Za-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?$"
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

Staff = Literal["admin", "supervisor", "agent", "knowledge_editor", "knowledge_approver", "compliance_officer",
                "auditor", "analyst"]  # fmt: skip


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("no time zone of the IANA database")
    return value


def _country(value: str) -> str:
    if value not in holidays.list_supported_countries():
        raise ValueError("no country (ISO 3166) whose holidays we know")
    return value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("one of them stands there twice")
    return values


def _plain(value: str) -> str:
    if not value.strip() or any(character < " " and character != "\n" for character in value):
        raise ValueError("must be text without control characters")
    # Filled in by `str.format`: anything but the one field would fail in the middle of a conversation.
    if set(re.findall(r"\{[^}]*\}?|\}", value)) - {"{bank}"}:
        raise ValueError("the only field in braces is {bank}")
    return value


Language = Annotated[StrictStr, Field(pattern=r"^[a-z]{2}$", description="ISO 639-1")]
Domain = Annotated[StrictStr, Field(pattern=DOMAIN, max_length=253, description="A host; its subdomains are meant too")]
Origin = Annotated[StrictStr, Field(pattern=ORIGIN, max_length=268, description="Scheme, host and port, no path")]
Clock = Annotated[StrictStr, Field(pattern=CLOCK, description="HH:MM, the tenant's time")]
Disclosure = Annotated[StrictStr, Field(min_length=1, max_length=1_000), AfterValidator(_plain)]
Years = Annotated[StrictInt, Field(ge=1, le=30, description="Years after the conversation was closed")]
Every = Literal["month", "quarter", "never"]
PerMinute = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Issuer = Annotated[StrictStr, Field(pattern=ISSUER, max_length=512, description="As the provider writes it, exactly")]
Named = Annotated[StrictStr, Field(min_length=1, max_length=256, pattern=r"^[!-~]([ -~]*[!-~])?$")]
Roles = Annotated[tuple[Staff, ...], Field(min_length=1, max_length=8), AfterValidator(_distinct)]

IN_HOUSE = frozenset({"offline"})
"""Generators that read in this process: what they read goes nowhere."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfficeHours(_Strict):
    """When people answer. Deadlines of P0 and P1 run day and night."""

    zone: Annotated[StrictStr, Field(max_length=64), AfterValidator(_zone)] = "America/New_York"
    opens: Clock = "08:00"
    closes: Clock = "18:00"
    weekdays: Annotated[
        tuple[Annotated[StrictInt, Field(ge=0, le=6)], ...],
        Field(min_length=1, max_length=7, description="0 is Monday"),
        AfterValidator(_distinct),
    ] = (0, 1, 2, 3, 4)
    country: Annotated[StrictStr, Field(max_length=2), AfterValidator(_country)] = "US"
    closed_on: Annotated[
        tuple[date, ...], Field(max_length=366, description="Days off besides the country's holidays")
    ] = ()

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("must open before it closes, on the same day")
        return self

    @property
    def span(self) -> tuple[time, time]:
        return time.fromisoformat(self.opens), time.fromisoformat(self.closes)


class Retention(_Strict):
    """How long records are kept. Lower bounds: SEC 17a-4, FINRA 4511 and 4513, Reg E 1005.13, BSA."""

    communications: Annotated[Years, Field(ge=3)] = 3
    complaints: Annotated[Years, Field(ge=4)] = 4
    disputes: Annotated[Years, Field(ge=2)] = 2
    money_laundering: Annotated[Years, Field(ge=5)] = 5
    books: Annotated[Years, Field(ge=6)] = 6


class ReportSchedule(_Strict):
    """How often each report is made and kept without anybody asking, by its name. See `helios.reports.catalogue`."""

    complaints: Every = "month"
    reg_e_clocks: Every = "month"
    reg_z_clocks: Every = "month"
    finra_4530: Every = "quarter"
    ai_oversight: Every = "month"
    data_requests: Every = "month"
    access_review: Every = "quarter"


class IntentGate(_Strict):
    """What a version of the tenant's intents must reach on held-out examples to be published without `force`."""

    margin: Annotated[
        Share,
        Field(description="How far each figure may stay behind the published version's"),
    ] = 0.02
    accuracy_least: Annotated[Share, Field(description="The least share of its own examples that it names right")] = 0.5


class SemanticCache(_Strict):
    """Answers of a remote model that are given again to whoever asks the same: docs/semantic-cache.md."""

    enabled: StrictBool = False
    nearness_least: Annotated[
        float, Field(ge=0.7, le=1, description="Cosine of two questions in other words that may share an answer")
    ] = 0.85
    kept_days: Annotated[StrictInt, Field(ge=1, le=90)] = 30


class Limits(_Strict):
    """Requests a minute. Unset: the platform's own limit, which none of these can exceed."""

    tenant: PerMinute | None = None
    user: PerMinute | None = None
    customer: PerMinute | None = None
    api_key: PerMinute | None = None


class SingleSignOn(_Strict):
    """The identity provider at which the staff signs in. Its client secret is no setting: it is set apart, sealed."""

    issuer: Issuer
    client_id: Named
    role_claim: Annotated[
        Named | None,
        Field(description="The claim that names a person's groups. Unset: roles are given here, by invitation"),
    ] = None
    roles: Annotated[
        dict[Named, Roles], Field(max_length=100, description="By a value of that claim: the roles that it gives")
    ] = {}
    default_role: Annotated[Staff | None, Field(description="Of whoever is in no known group. Unset: refused")] = None
    provisioning: Annotated[StrictBool, Field(description="Accounts are opened at the first sign-in")] = False
    required: Annotated[StrictBool, Field(description="Passwords are refused, but for `break_glass`")] = False
    break_glass: Annotated[
        tuple[UUID, ...],
        Field(max_length=5, description="Admins who may use their password when the provider is away"),
        AfterValidator(_distinct),
    ] = ()

    @model_validator(mode="after")
    def _has_a_way_back(self) -> Self:
        if self.required and not self.break_glass:
            raise ValueError("passwords may only be refused where `break_glass` names an admin who may use his")
        return self

    def roles_for(self, claims: Mapping[str, Any]) -> tuple[Staff, ...] | None:
        """The roles that the provider's word gives, none where it gives none. None: it is not asked about roles."""
        if self.role_claim is None:
            return None
        told = claims.get(self.role_claim)
        groups = told if isinstance(told, list) else [told]
        given = {role for group in groups if isinstance(group, str) for role in self.roles.get(group, ())}
        return tuple(sorted(given)) or self.fallback()

    def fallback(self) -> tuple[Staff, ...]:
        return () if self.default_role is None else (self.default_role,)


class TenantSettings(_Strict):
    """A tenant's settings."""

    languages: Annotated[
        tuple[Language, ...],
        Field(min_length=1, max_length=16, description="What the tenant serves; the first where a customer's is none"),
        AfterValidator(_distinct),
    ] = ("en", "de", "es")
    hours: OfficeHours = OfficeHours()
    disclosure: Annotated[
        dict[Language, Disclosure],
        Field(max_length=16, description="By language: the notice that an AI answers. `{bank}` is the tenant's name"),
    ] = {}
    retention: Retention = Retention()
    reports: ReportSchedule = ReportSchedule()
    link_domains: Annotated[
        tuple[Domain, ...],
        Field(max_length=100, description="Hosts that an answer may link to"),
        AfterValidator(_distinct),
    ] = ()
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Field(max_length=100, description="Web pages that may call the API from a browser (CORS)"),
        AfterValidator(_distinct),
    ] = ()
    generators: Annotated[
        tuple[Literal["anthropic", "openai", "offline"], ...],
        Field(
            max_length=3, description="The only generators that see this tenant's text, in order. Empty: the platform's"
        ),
        AfterValidator(_distinct),
    ] = ()
    confidence_least: Annotated[
        Share,
        Field(description="Below it nothing is generated: the customer is asked what is meant, or offered a person"),
    ] = 0.0
    limits: Limits = Limits()
    intents: IntentGate = IntentGate()
    semantic_cache: SemanticCache = SemanticCache()
    corrections: Annotated[
        Literal["message", "person"],
        Field(description="Who tells customers whose answers rest on withdrawn knowledge, where a message may"),
    ] = "message"
    self_registration: StrictBool = False
    sso: Annotated[SingleSignOn | None, Field(description="Single sign-on of the staff (OpenID Connect)")] = None
    mfa_required_roles: Annotated[tuple[Staff, ...], Field(max_length=8), AfterValidator(_distinct)] = ()
    privacy_four_eyes: Annotated[
        StrictBool, Field(description="A second person approves requests of customers for their data, and legal holds")
    ] = False
    demo: Annotated[StrictBool, Field(description="The demo bank, whose visitors need no backend. Set by its seed")] = (
        False
    )

    @model_validator(mode="after")
    def _disclosures_disclose(self) -> Self:
        for language, text in self.disclosure.items():
            if language in SAYS_AI and not SAYS_AI[language].search(text):
                raise ValueError("a disclosure must say that it is an AI that answers")
        return self

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """From `tenants.settings`: what is not set has its default."""
        return cls.model_validate(dict(stored))

    def language_for(self, wanted: str | None) -> str:
        """The customer's language where the tenant serves it, else the tenant's first."""
        language = (wanted or "")[:2].lower()
        return language if language in self.languages else self.languages[0]

    def chain(self, available: tuple[str, ...]) -> list[str]:
        """Generators in the order in which this tenant wants them tried; one that it does not name sees nothing."""
        return [name for name in self.generators or available if name in available]

    @property
    def in_house(self) -> bool:
        """Whether none of the tenant's texts may leave: the only generators that it names run here."""
        return bool(self.generators) and set(self.generators) <= IN_HOUSE

    def stored(self) -> dict[str, Any]:
        """As JSON, with the defaults left out: a new default reaches whoever has not chosen."""
        return self.model_dump(mode="json", exclude_defaults=True)


PARTS: tuple[type[BaseModel], ...] = tuple(_Strict.__subclasses__())
"""The settings and what they are made of: a body may be any of them."""
