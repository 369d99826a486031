"""Who may do what: this one table."""

from __future__ import annotations

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
    "escalations.assign": frozenset({"admin", "supervisor"}),
    "audit.verify": frozenset({"auditor", "compliance_officer"}),
    "account.own": frozenset(ROLES),
}


def allows(permission: str, roles: frozenset[str]) -> bool:
    return not PERMISSIONS[permission].isdisjoint(roles)
