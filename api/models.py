"""Bodies of requests: strict, with nothing extra."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    create_model,
)

from helios.tenant_settings import TenantSettings
from helios.tenants import SLUG
from schema.privacy import RequestKind, Verification

CONTROLS_ALLOWED = frozenset("\t\n\r")


def readable(value: str) -> str:
    """No control characters, no half of a surrogate pair: neither can be shown, and both hide things."""
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in CONTROLS_ALLOWED:
            raise ValueError("control characters are not allowed")
    return value


def spoken(value: str) -> str:
    if not value.strip():
        raise ValueError("the text is empty")
    return readable(value)


def _flat(value: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
    for key, entry in value.items():
        if not 1 <= len(key) <= 64 or (isinstance(entry, str) and len(entry) > 64):
            raise ValueError("keys and texts have at most 64 characters")
        readable(key)
        if isinstance(entry, str):
            readable(entry)
    return value


def written(value: object) -> object:
    """A time as text: a number could be seconds or milliseconds."""
    if not isinstance(value, str):
        raise ValueError("a time is a text such as 2026-01-31T09:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(written)]


def _in_the_past(value: datetime) -> datetime:
    if not datetime.now(UTC) - timedelta(days=3_650) < value <= datetime.now(UTC) + timedelta(minutes=5):
        raise ValueError("must be in the last ten years")
    return value


Remark = Annotated[StrictStr, Field(max_length=2_000), AfterValidator(readable)]
Content = Annotated[StrictStr, Field(min_length=1, max_length=8_000), AfterValidator(spoken)]
Label = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(readable)]
Key = Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(readable)]
Metadata = Annotated[dict[str, StrictStr | StrictInt | float | StrictBool], Field(max_length=32), AfterValidator(_flat)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NewConversation(Body):
    channel: Label | None = None
    locale: Label | None = None
    metadata: Metadata | None = None


class NewMessage(Body):
    """`client_message_id` is the client's own id of the message: sent again, it never makes a second turn."""

    content: Content
    client_message_id: Key | None = None


class NewFeedback(Body):
    rating: Annotated[StrictInt, Field(ge=1, le=5)]
    comment: Annotated[StrictStr, Field(max_length=2_000), AfterValidator(readable)] | None = None
    message_id: UUID | None = None
    helpful: StrictBool | None = None


class Nothing(Body):
    """A body may be left out; what is sent must be an empty object."""


class EscalationRequest(Body):
    reason: Annotated[StrictStr, Field(max_length=500), AfterValidator(readable)] | None = None


class NewDecision(Body):
    action: Literal["approve", "edit", "reject", "respond", "resolve", "hand_back"]
    content: Content | None = None
    note: Annotated[StrictStr, Field(max_length=2_000), AfterValidator(readable)] | None = None


class Assignment(Body):
    agent_id: UUID


Email = Annotated[StrictStr, Field(min_length=3, max_length=254), AfterValidator(readable)]
MailAddress = Annotated[
    StrictStr,
    Field(max_length=254, pattern=r"^[^@\s<>,;:\"\\]+@[^@\s<>,;:\"\\]+$", examples=["alex@bank.example"]),
    AfterValidator(readable),
]
# Any Unicode, uncut; what makes a new one good is decided by `helios.identity.strength`.
Password = Annotated[StrictStr, Field(min_length=1, max_length=256, json_schema_extra={"format": "password"})]
Otp = Annotated[StrictStr, Field(pattern=r"^[0-9A-Za-z -]{6,32}$", description="Of the app, or a recovery code")]
Token = Annotated[StrictStr, Field(min_length=1, max_length=256), AfterValidator(readable)]


class SignIn(Body):
    tenant: Key
    email: Email
    password: Password
    otp: Otp | None = None


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class FactorBegin(Body):
    """Without the password a recent sign-in is needed."""

    password: Password | None = None


class FactorConfirmation(Body):
    otp: Otp


class FactorRemoval(Body):
    otp: Otp


class SsoCode(Body):
    """`verifier`: of the `challenge` that the page began with (RFC 7636 §4.1)."""

    code: Token
    verifier: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$", examples=["v" * 43])]
    otp: Otp | None = None


Page = Annotated[StrictStr, Field(min_length=1, max_length=1_024), AfterValidator(readable)]


class SsoLink(Body):
    """`return_to`: a path here, or a page of an origin in `allowed_origins`."""

    return_to: Page


class SsoReturn(Body):
    """As in `SsoLink`; without it the browser stays at the provider."""

    return_to: Page | None = None


class ClientSecret(Body):
    client_secret: Annotated[StrictStr, Field(min_length=1, max_length=512, json_schema_extra={"format": "password"}),
                             AfterValidator(spoken)]  # fmt: skip


class ResetRequest(Body):
    tenant: Key
    email: Email


class PasswordReset(Body):
    token: Token
    new_password: Password


class Registration(Body):
    """Either `invitation`, `display_name` and `password`, or `tenant` and `email`: then an invitation is mailed."""

    invitation: Token | None = None
    display_name: Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(spoken)] | None = None
    password: Password | None = None
    tenant: Key | None = None
    email: MailAddress | None = None


class Refresh(Body):
    refresh_token: Token


class CustomerToken(Body):
    external_id: Annotated[StrictStr, Field(min_length=1, max_length=256), AfterValidator(spoken)]
    display_name: Annotated[StrictStr, Field(max_length=128), AfterValidator(readable)] | None = None
    locale: Label | None = None
    attributes: Metadata | None = None


class SourceFile(Body):
    """A file in base64. As a form (`multipart/form-data`) it is sent as it is, in the field `file`."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(readable)]
    content: Annotated[StrictStr, Field(min_length=1)]


class NewSource(Body):
    """A new source, or with `source_id` or a known `slug` the next version of one. Either `text` or `file`, each with a
    `title`, or `url` alone: a page to fetch, now and again and again."""

    title: Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(spoken)] | None = None
    text: Annotated[StrictStr, Field(min_length=1, max_length=60_000), AfterValidator(spoken)] | None = None
    file: SourceFile | None = None
    source_id: UUID | None = None
    slug: Annotated[StrictStr, Field(max_length=80, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")] | None = None
    language: Annotated[StrictStr, Field(pattern="^[a-z]{2}$")] | None = None
    visibility: Literal["public", "internal"] | None = None
    category: Label | None = None
    tags: Annotated[list[Label], Field(max_length=20)] | None = None
    audiences: Annotated[list[Label], Field(max_length=20)] | None = None
    url: (
        Annotated[StrictStr, Field(max_length=2_000, pattern="^(https?://|/)[^\\s]*$"), AfterValidator(readable)] | None
    ) = None
    effective_at: Moment | None = None
    expires_at: Moment | None = None


class NewSitemap(Body):
    """What holds for every page that it lists. Without `language` each page's text says its own."""

    url: Annotated[StrictStr, Field(max_length=2_000, pattern="^https?://[^\\s]+$"), AfterValidator(readable)]
    language: Annotated[StrictStr, Field(pattern="^[a-z]{2}$")] | None = None
    visibility: Literal["public", "internal"] = "public"
    category: Label | None = None
    tags: Annotated[list[Label], Field(max_length=20)] = []


class Review(Body):
    """`publish_at`: a time to come; without it an approved version is published at once. `force`: although a suite that
    guards knowledge has not passed; then `note` says why."""

    publish_at: Moment | None = None
    note: Remark | None = None
    force: StrictBool = False


class Remarks(Body):
    note: Remark | None = None


class NewFollowUp(Body):
    dry_run: Annotated[StrictBool, Field(description="Only say how many it would be")] = False


class NewEmbedderChange(Body):
    embedder: Annotated[StrictStr, Field(pattern="^[a-z][a-z0-9-]{0,31}$", description="One of `available`")]


class SearchFilters(Body):
    source_ids: Annotated[list[UUID], Field(max_length=100)] | None = None
    tags: Annotated[list[Label], Field(max_length=20)] | None = None
    category: Label | None = None
    audiences: Annotated[list[Label], Field(max_length=20)] | None = None
    language: Annotated[StrictStr, Field(pattern="^[a-z]{2}$")] | None = None
    visibility: Literal["public", "internal"] | None = None
    changed_since: Moment | None = None


class KnowledgeSearch(Body):
    """`as_of`: a moment in the past, for staff: what was in force then, also where it was withdrawn since."""

    query: Annotated[StrictStr, Field(min_length=1, max_length=1_000), AfterValidator(spoken)]
    top_k: Annotated[StrictInt, Field(ge=1, le=50)] = 8
    filters: SearchFilters | None = None
    as_of: Moment | None = None


def _in_two_years(value: datetime) -> datetime:
    if not datetime.now(UTC) < value <= datetime.now(UTC) + timedelta(days=731):
        raise ValueError("must be in the future, and within two years")
    return value


RoleName = Literal["platform_admin", "admin", "supervisor", "agent", "knowledge_editor", "knowledge_approver",
                   "compliance_officer", "auditor", "analyst"]  # fmt: skip
Roles = Annotated[list[RoleName], Field(min_length=1, max_length=9, examples=[["agent"]])]
PersonName = Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(spoken)]


class NewTenant(Body):
    """A business, with the settings and rules that the product ships."""

    slug: Annotated[StrictStr, Field(pattern=SLUG, max_length=63, examples=["harbour"])]
    name: PersonName


class TenantChange(Body):
    name: PersonName


class NewAdmin(Body):
    """The admin of a tenant that has none."""

    email: MailAddress


class NewUser(Body):
    email: MailAddress
    roles: Roles


class UserChange(Body):
    """What is left out stays as it is."""

    display_name: PersonName | None = None
    roles: Roles | None = None


class NewApiKey(Body):
    name: Label
    scopes: Annotated[
        list[Literal["customer_tokens"]], Field(min_length=1, max_length=8, examples=[["customer_tokens"]])
    ]
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_two_years)] | None = None


def _optional() -> dict[str, Any]:
    """Each setting, but the mark of the demo bank, as one that may be left out. Null sets its default again."""
    fields = {name: each for name, each in TenantSettings.model_fields.items() if name != "demo"}
    return {
        name: (Annotated[each.rebuild_annotation() | None, Field(description=each.description)], None)
        for name, each in fields.items()
    }


SettingsChange = create_model("SettingsChange", __base__=Body, **_optional())
SettingsChange.__doc__ = "The settings to change, each as a whole; null sets the default again."


class Verified(Body):
    """How the person who asks was known to be the customer."""

    method: Verification


class NewPrivacyRequest(Body):
    """The customer by `customer_id`, or by the `external_id` that the tenant's backend signs them in with."""

    kind: RequestKind
    customer_id: UUID | None = None
    external_id: Key | None = None
    received_at: Annotated[Moment, AfterValidator(_in_the_past)] | None = None
    verification: Verified | None = None


class Refusal(Body):
    reason: Literal["not_verified", "unfounded", "excessive", "withdrawn"]


class NewLegalHold(Body):
    customer_id: UUID
    matter: Annotated[Remark, Field(min_length=1, examples=["Case 26-1029"])]


class GapChange(Body):
    status: Annotated[Literal["dismissed", "open"], Field(examples=["dismissed"])]
