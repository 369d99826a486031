"""Who may do what: these tables. `api.authentication.caller` is the one dependency that enforces them."""

from __future__ import annotations

from collections.abc import Collection

STAFF = frozenset({"admin", "supervisor", "agent", "compliance_officer", "auditor"})
AGENTS = frozenset({"admin", "supervisor", "agent"})
KNOWLEDGE = frozenset({"knowledge_editor", "knowledge_approver"})
ROLES = (
    "platform_admin",
    "admin",
    "supervisor",
    "agent",
    "knowledge_editor",
    "knowledge_approver",
    "compliance_officer",
    "auditor",
    "analyst",
    "customer",
)

PERMISSIONS: dict[str, frozenset[str]] = {
    "conversations.create": frozenset({"customer"}),
    "conversations.read": STAFF | {"customer"},
    "conversations.write": frozenset({"customer"}),
    "conversations.escalate": AGENTS | {"customer"},
    "conversations.close": AGENTS | {"customer"},
    "provenance.read": STAFF,
    "escalations.read": STAFF,
    "escalations.decide": AGENTS,
    "knowledge.read": STAFF | KNOWLEDGE | {"analyst"},
    "knowledge.search": STAFF | KNOWLEDGE | {"analyst", "customer"},
    "knowledge.write": frozenset({"admin", "knowledge_editor"}),
    "knowledge.approve": frozenset({"admin", "knowledge_approver"}),
    "knowledge.withdraw": frozenset({"admin", "knowledge_approver", "compliance_officer"}),
    "knowledge.follow_up": frozenset({"admin", "knowledge_approver", "compliance_officer"}),
    "embedder.change": frozenset({"admin"}),
    "analytics.read": KNOWLEDGE | {"admin", "supervisor", "analyst", "compliance_officer", "auditor"},
    "tickets.read": STAFF,
    "tickets.change": AGENTS | {"compliance_officer"},
    "rules.read": frozenset({"admin", "supervisor", "compliance_officer", "auditor"}),
    "rules.write": frozenset({"admin", "compliance_officer"}),
    "rules.publish": frozenset({"compliance_officer"}),
    "evaluations.read": KNOWLEDGE | {"admin", "supervisor", "compliance_officer", "auditor"},
    "evaluations.write": KNOWLEDGE | {"admin", "compliance_officer"},
    "evaluations.guard": frozenset({"admin", "compliance_officer", "knowledge_approver"}),
    "escalations.assign": frozenset({"admin", "supervisor"}),
    "audit.verify": frozenset({"auditor", "compliance_officer"}),
    "account.own": frozenset(ROLES),
    "tenants.manage": frozenset({"platform_admin"}),
    "tenants.read": frozenset({"platform_admin", "admin"}),
    "tenants.change": frozenset({"platform_admin", "admin"}),
    "settings.read": frozenset({"platform_admin", "admin", "supervisor", "compliance_officer", "auditor"}),
    "settings.change": frozenset({"platform_admin", "admin"}),
    "users.read": frozenset({"admin", "supervisor", "compliance_officer", "auditor"}),
    "users.manage": frozenset({"admin"}),
    "api_keys.manage": frozenset({"admin"}),
    "customer_tokens.end": frozenset({"admin"}),
    "privacy.read": frozenset({"admin", "compliance_officer", "auditor"}),
    "privacy.manage": frozenset({"admin", "compliance_officer"}),
    "records.read": frozenset({"compliance_officer"}),
    "audit.read": frozenset({"admin", "compliance_officer", "auditor"}),
    "reports.read": frozenset({"admin", "supervisor", "compliance_officer", "auditor"}),
    "workflows.read": frozenset({"admin", "compliance_officer", "auditor"}),
}

_EVERYDAY = ("account", "knowledge")
SENSITIVE = frozenset(name for name in PERMISSIONS if name.partition(".")[0] not in _EVERYDAY)
"""Their use by staff is noted in the access log, not only its refusal: all that shows or changes what is a customer's,
or what others may."""

GRANTS: dict[str, frozenset[str]] = {
    "platform_admin": frozenset({"platform_admin", "admin"}),
    "admin": frozenset(ROLES) - {"platform_admin", "customer"},
}
"""Which roles a role may give to others and take from them. Nobody changes his own."""

CHANGING = frozenset({"platform_admin", "admin", "supervisor", "agent", "knowledge_editor", "knowledge_approver"})
SEPARATE: dict[str, frozenset[str]] = {
    "compliance_officer": frozenset({"platform_admin", "admin"}),
    "auditor": CHANGING | {"compliance_officer"},
}
"""Separation of duties: a role that checks, and those whose work it checks. No account holds both (COSO, SOX 404)."""

WATCHED = frozenset({"admin", "compliance_officer", "auditor"})
"""Whoever gets one of these roles, or is invited to one, is told to the tenant's other admins."""

KEPT = ("admin", "platform_admin")
"""Roles whose last active holder in a tenant stays: without one nobody could let anybody in again."""

OPERATORS_SETTINGS = frozenset({"limits", "hours", "languages"})
"""What a platform admin may change of a tenant that has an active admin. Any other setting would open a way to the
tenant's data, or belongs to its own people."""

SCOPES: dict[str, str] = {
    "customer_tokens": "Sign the tenant's customers in with `POST /v1/customer-tokens`, and end their access with "
    "`DELETE /v1/customer-tokens/{customer_id}`"
}
"""What an API key may be for."""


def grantable(roles: frozenset[str]) -> frozenset[str]:
    """The roles that somebody with these roles may give and take."""
    return frozenset().union(*(GRANTS.get(role, frozenset()) for role in roles))


def allows(permission: str, roles: frozenset[str]) -> bool:
    return not PERMISSIONS[permission].isdisjoint(roles)


def not_separate(roles: Collection[str]) -> tuple[str, str] | None:
    """The first role that checks, and the one that it checks, where these roles hold both."""
    held = set(roles)
    return next(((one, other) for one in SEPARATE if one in held for other in sorted(SEPARATE[one] & held)), None)
