"""The nouns as tables. Every table of a tenant has the key `(tenant_id, …)`: no foreign key can cross tenants.

Columns that end in `_ct` are ciphertext (`helios.crypto`): text of customers and agents is readable nowhere in the
database. Facts, turns and audit events hold ids, enums and scores only.
"""

from __future__ import annotations

from sqlmodel import SQLModel

from schema.tables.audit import Audit, AuditAnchored, AuditBlock, AuditCheckpoint, AuditKey, AuditLeaf
from schema.tables.cache import CachedAnswer
from schema.tables.conversations import ConversationEvent, Feedback, Message, Thread, Turn
from schema.tables.escalations import Decision, Escalation, Ticket, TicketEvent
from schema.tables.evaluations import Evaluation, EvaluationResult, EvaluationSuite
from schema.tables.follow_ups import FollowUp, FollowUpConversation
from schema.tables.gaps import GapQuestion, KnowledgeGap
from schema.tables.intents import IntentChunk, IntentModel, IntentSet
from schema.tables.knowledge import (
    EMBEDDING_DIMENSION,
    Chunk,
    ChunkVector,
    Citation,
    EmbedderChange,
    KnowledgePage,
    KnowledgeSource,
    KnowledgeVersion,
    Publication,
)
from schema.tables.people import (
    ApiKey,
    ApiKeyIndex,
    Customer,
    Invitation,
    Outbox,
    PasswordReset,
    SecondFactor,
    Session,
    SsoIdentity,
    SsoSecret,
    Tenant,
    TenantKey,
    TenantSettingsVersion,
    TokenKey,
    User,
)
from schema.tables.privacy import CustomerKey, LegalHold, PrivacyRequest, StatutoryRecord
from schema.tables.records import (
    Analytics,
    IdempotencyKey,
    Policy,
    PolicyReplay,
    PolicyReplayChange,
    RedactionRule,
)
from schema.tables.reports import ScheduledReport

LOOKED_UP = frozenset({"tenants", "api_key_index"})
"""Read whole in a transaction without a tenant: sign-in finds its tenant there. Else walled off like the others."""
OF_THE_PLATFORM = frozenset({"token_keys"})
"""Of no tenant at all."""
APPEND_ONLY = frozenset({"audits", "audit_anchored", "audit_blocks", "audit_checkpoints", "audit_keys", "audit_leaves"})

__all__ = [
    "APPEND_ONLY",
    "EMBEDDING_DIMENSION",
    "LOOKED_UP",
    "OF_THE_PLATFORM",
    "Analytics",
    "ApiKey",
    "ApiKeyIndex",
    "Audit",
    "AuditAnchored",
    "AuditBlock",
    "AuditCheckpoint",
    "AuditKey",
    "AuditLeaf",
    "CachedAnswer",
    "Chunk",
    "ChunkVector",
    "Citation",
    "ConversationEvent",
    "Customer",
    "CustomerKey",
    "Decision",
    "EmbedderChange",
    "Escalation",
    "Evaluation",
    "EvaluationResult",
    "EvaluationSuite",
    "Feedback",
    "FollowUp",
    "FollowUpConversation",
    "GapQuestion",
    "IdempotencyKey",
    "IntentChunk",
    "IntentModel",
    "IntentSet",
    "Invitation",
    "KnowledgeGap",
    "KnowledgePage",
    "KnowledgeSource",
    "KnowledgeVersion",
    "LegalHold",
    "Message",
    "Outbox",
    "PasswordReset",
    "Policy",
    "PolicyReplay",
    "PolicyReplayChange",
    "PrivacyRequest",
    "Publication",
    "RedactionRule",
    "SQLModel",
    "ScheduledReport",
    "SecondFactor",
    "Session",
    "SsoIdentity",
    "SsoSecret",
    "StatutoryRecord",
    "Tenant",
    "TenantKey",
    "TenantSettingsVersion",
    "Thread",
    "Ticket",
    "TicketEvent",
    "TokenKey",
    "Turn",
    "User",
]
