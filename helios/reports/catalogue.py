"""The reports, as a table: what each is for, which rule asks for it, and what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from helios.staff import EMAIL
from schema.privacy import RecordClass

SQL = Path(__file__).with_name("sql")

CASE: Mapping[str, str] = {
    "ticket_id": "The case",
    "kind": "What kind of case it is",
    "conversation_id": "Where the customer said it",
    "customer_id": "Who said it; a name is never in a report",
    "received_at": "When the message was received: clocks run from here",
}
CLOCK: Mapping[str, str] = {
    **CASE,
    "clock": "The deadline's name",
    "days": "How long it is",
    "unit": "In business or calendar days",
    "only_new_accounts": "It applies to accounts of less than 30 days only",
    "due_at": "The deadline",
    "stopped_at": "When what it asks for was done, or the case resolved",
    "state": "running, met, met_late or missed; waiting: a longer period nobody asked for; extended: replaced by one",
}
COMPLAINT: Mapping[str, str] = {
    **CASE,
    "channel": "Where the conversation was held",
    "language": "The customer's language",
    "about": "What it was about, as the turn's intent",
    "priority": "P0 to P4",
    "registered_at": "When the case was opened",
    "acknowledged_at": "When the customer was first answered",
    "status": "open or resolved",
    "closed_at": "When it was resolved",
    "due_at": "The last of its deadlines",
    "overdue": "That deadline passed while it was open",
}


@dataclass(frozen=True)
class Report:
    """`basis` is the rule that asks for it, `kinds` the tickets that it reads."""

    name: str
    title: str
    basis: str
    about: str
    every: Literal["month", "quarter"]
    columns: Mapping[str, str]
    query: str
    record_class: RecordClass
    """For how long one is kept that a schedule made."""
    kinds: tuple[str, ...] = field(default=())
    sealed: Mapping[str, str] = field(default_factory=dict)
    """Columns whose ciphertext the query has as `NAME_ct`, and the column that it was sealed for."""

    @cached_property
    def sql(self) -> str:
        """Selects `columns`, and the ciphertext of those in `sealed`, with the parameters of `making.make`."""
        return (SQL / f"{self.query}.sql").read_text(encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "basis": self.basis,
            "about": self.about,
            "every": self.every,
            "columns": dict(self.columns),
        }


REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        Report(
            "complaints",
            "Complaints register",
            "FCA DISP 1.9 and 1.10; CFPB supervision of complaint management",
            "Every complaint that was received in the period, with its acknowledgement and deadline.",
            "month",
            COMPLAINT,
            "complaints",
            "complaints",
            ("complaint", "securities_complaint"),
        ),
        Report(
            "reg_e_clocks",
            "Electronic transfers: clocks of error resolution",
            "Regulation E, 12 CFR 1005.11(c)",
            "Every deadline of the notices of error that were received in the period, and whether it was kept.",
            "month",
            CLOCK,
            "clocks",
            "disputes",
            ("notice_of_error", "documentation_request"),
        ),
        Report(
            "reg_z_clocks",
            "Credit cards: clocks of billing errors",
            "Regulation Z, 12 CFR 1026.13(c)",
            "Every deadline of the billing errors that were received in the period, and whether it was kept.",
            "month",
            CLOCK,
            "clocks",
            "disputes",
            ("billing_error",),
        ),
        Report(
            "finra_4530",
            "Securities complaints of the quarter",
            "FINRA Rule 4530(d)",
            "The complaints about securities, counted by what they were about. FINRA's product and problem codes are "
            "for a principal to assign.",
            "quarter",
            {
                "about": "What they were about, as the turn's intent",
                "complaints": "How many",
                "still_open": "How many of them were open",
                "first_received_at": "When the first was received",
                "last_received_at": "When the last was received",
                "ticket_ids": "The cases",
            },
            "finra_4530",
            "complaints",
            ("securities_complaint",),
        ),
        Report(
            "ai_oversight",
            "Supervision of the AI",
            "FINRA Rules 2210 and 3110; EU AI Act, Article 14",
            "Every draft and request that a person decided in the period, with what the AI worked by.",
            "month",
            {
                "escalation_id": "What was decided",
                "conversation_id": "Where",
                "turn": "The turn in it",
                "reason": "Why a person was asked",
                "situation": "The number of the situation, if one was found",
                "generator": "Which generator wrote the draft",
                "model": "Its model",
                "prompt_hash": "HMAC-SHA-256 of the prompt, under a key that goes with the customer",
                "policy_version": "The policies that the turn began with",
                "opened_at": "When a person was asked",
                "decided_at": "When it was decided",
                "minutes": "Minutes in between",
                "action": "What was decided",
                "edited": "The draft was changed before it was sent",
                "reviewer_id": "By whom; empty for ops, who decide in the Temporal UI",
            },
            "ai_oversight",
            "books",
        ),
        Report(
            "data_requests",
            "Requests of data subjects",
            "GDPR Articles 12(3), 15 and 17",
            "Every deadline of the requests for access or erasure that were received in the period: those that were "
            "filed, and those that a customer only told the assistant of.",
            "month",
            {
                **CLOCK,
                "ticket_id": "The request that was filed, or the case of one that was only told",
                "kind": "access or erasure; data_request: only told",
                "conversation_id": "Where the customer said it; empty for one that was filed",
                "state": f"{CLOCK['state']}; refused; unknown: an erasure that a restore repeated, of which the time "
                "is known when it was done, and not when it was asked for",
            },
            "clocks",
            "books",
            ("data_request",),
        ),
        Report(
            "access_review",
            "Who had access",
            "PCI DSS 4.0.1, 7.2.4; SOX 404",
            "Everybody of the staff and every API key that existed, with the roles or scopes of that moment. "
            "`/docs/permissions` says what each role may do.",
            "quarter",
            {
                "kind": "user or api_key",
                "id": "Whose access",
                "name": "The address of a user, the name of a key",
                "state": "active, deactivated, deleted or expired",
                "access": "Roles of a user, scopes of a key",
                "second_factor": "An authenticator app was in force",
                "created_at": "Since when",
                "last_used_at": "The last sign-in of a user; of a key, its last use in the period",
                "reads": "Requests let in to what is noted in the access log, in the period",
                "refused": "Requests refused, in the period",
            },
            "access_review",
            "books",
            sealed={"name": EMAIL},
        ),
    )
}
