"""The steps that workflows may ask for, by name and type. The work is in the modules beside this one.

Workflows import this file only: what a step needs (models, database, providers) stays out of workflow code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from temporalio import activity

from schema.clocks import Ring, TicketRef, Ticking
from schema.embedders import ChangeRef, Embedded, EmbedMore, Switched
from schema.evaluations import Evaluated, EvaluationRef
from schema.follow_ups import CorrectConversation, Corrected, FollowedUp, FollowUpRef
from schema.ingestion import FailVersion, Progress, Publish, Synced, VersionRef
from schema.intents import Encoded, FailTraining, IntentsRef
from schema.policy_replay import ReplayBatch, Replayed, ReplayRef
from schema.privacy import RequestRef, TenantRef
from schema.steps import (
    ApplyClaim,
    ApplyDeadline,
    ApplyDecision,
    Deliver,
    Delivered,
    EscalationOutcome,
    EscalationRef,
    Generate,
    Generated,
    OpenEscalation,
    TurnRef,
    Understanding,
)


class TurnSteps(ABC):
    """One turn: understand, generate, deliver. Each finds its work done when it is tried again."""

    @activity.defn
    @abstractmethod
    async def understand(self, turn: TurnRef) -> Understanding:
        """Begins the newest turn that has not ended, up to `turn`, and screens, classifies and retrieves for it."""

    @activity.defn
    @abstractmethod
    async def generate(self, work: Generate) -> Generated:
        """Writes an answer and releases it to the customer in windows that passed the checks."""

    @activity.defn
    @abstractmethod
    async def deliver(self, work: Deliver) -> Delivered:
        """Ends the turn: message, citations, provenance, facts, ticket, escalation and audit event, once."""


class EscalationSteps(ABC):
    """What a person does with a conversation."""

    @activity.defn
    @abstractmethod
    async def open_escalation(self, work: OpenEscalation) -> EscalationRef | None:
        """Hands the conversation to a person on request. None where one has it already, or it is closed."""

    @activity.defn
    @abstractmethod
    async def load_escalation(self, ref: EscalationRef) -> EscalationOutcome: ...

    @activity.defn
    @abstractmethod
    async def apply_claim(self, work: ApplyClaim) -> EscalationOutcome: ...

    @activity.defn
    @abstractmethod
    async def apply_decision(self, work: ApplyDecision) -> EscalationOutcome: ...

    @activity.defn
    @abstractmethod
    async def apply_deadline(self, work: ApplyDeadline) -> EscalationOutcome: ...


class CorrectionSteps(ABC):
    """What a conversation does about answers whose ground was withdrawn."""

    @activity.defn
    @abstractmethod
    async def correct_conversation(self, work: CorrectConversation) -> Corrected:
        """Tells the customer, or hands it to a person, once. Nothing, where no follow-up asked for it."""


class ClockSteps(ABC):
    """The regulated clocks of a ticket."""

    @activity.defn
    @abstractmethod
    async def look_at_ticket(self, ref: TicketRef) -> Ticking: ...

    @activity.defn
    @abstractmethod
    async def ring(self, work: Ring) -> Ticking:
        """A warning or a breach, if the ticket still is what the alarm was set for."""


class PolicyReplaySteps(ABC):
    """A draft of a policy against past turns."""

    @activity.defn
    @abstractmethod
    async def replay_batch(self, batch: ReplayBatch) -> Replayed: ...

    @activity.defn
    @abstractmethod
    async def fail_replay(self, ref: ReplayRef) -> None: ...


class EvaluationSteps(ABC):
    """A suite over what is published and what is drafted. A case that has a result is not looked at again."""

    @activity.defn
    @abstractmethod
    async def evaluate_next(self, ref: EvaluationRef) -> Evaluated:
        """Looks at the next cases, and after the last one gives the verdict."""

    @activity.defn
    @abstractmethod
    async def fail_evaluation(self, ref: EvaluationRef) -> None: ...


class IntentSteps(ABC):
    """From a tenant's examples to a model of its intents. Each finds its work done when it is tried again."""

    @activity.defn
    @abstractmethod
    async def encode_examples(self, ref: IntentsRef) -> Encoded:
        """Encodes and stores the next chunk of examples."""

    @activity.defn
    @abstractmethod
    async def train_intents(self, ref: IntentsRef) -> None:
        """Trains, and keeps the model with how well it does on what was held out. Fails with a type of `FAILURES`."""

    @activity.defn
    @abstractmethod
    async def fail_training(self, work: FailTraining) -> None:
        """Says why there is no model."""


class KnowledgeSteps(ABC):
    """From a document to passages, and to the moment from which answers rest on them."""

    @activity.defn
    @abstractmethod
    async def parse_version(self, ref: VersionRef) -> Progress:
        """Takes the text out of what was handed in, and counts its chunks. Fails with a type of `FAILURES`."""

    @activity.defn
    @abstractmethod
    async def embed_chunks(self, ref: VersionRef) -> Progress:
        """Encodes and stores the next chunks. Tried again it goes on where it was."""

    @activity.defn
    @abstractmethod
    async def finish_ingestion(self, ref: VersionRef) -> None:
        """Hands the version over to review."""

    @activity.defn
    @abstractmethod
    async def fail_version(self, work: FailVersion) -> None:
        """Says why there is no version, and takes away what was stored of it."""

    @activity.defn
    @abstractmethod
    async def sync_next_page(self, ref: TenantRef) -> Synced:
        """Looks at the page or sitemap that has waited longest for its turn."""

    @activity.defn
    @abstractmethod
    async def publish_version(self, work: Publish) -> bool:
        """Publishes, if that approval still stands. Whether the version is published."""


class EmbedderSteps(ABC):
    """A change to another embedder."""

    @activity.defn
    @abstractmethod
    async def embed_more(self, work: EmbedMore) -> Embedded:
        """Gives further chunks their vectors, for some seconds."""

    @activity.defn
    @abstractmethod
    async def switch_embedder(self, ref: ChangeRef) -> Switched:
        """Puts the new space in force, if every chunk is in it."""

    @activity.defn
    @abstractmethod
    async def remove_old_vectors(self, ref: ChangeRef) -> int:
        """Removes some that nobody searches any more. How many: 0 when all are gone."""


class FollowUpSteps(ABC):
    """The customers whom a withdrawn version misled."""

    @activity.defn
    @abstractmethod
    async def tell_conversations(self, ref: FollowUpRef) -> FollowedUp:
        """Signals the next conversations that have yet to be corrected, and counts those that are."""


class GapSteps(ABC):
    """Questions that nothing answered, and the groups of those that ask the same."""

    @activity.defn
    @abstractmethod
    async def collect_questions(self, ref: TenantRef) -> int:
        """Keeps the next turns that nothing answered, redacted. How many were looked at: 0 where there are no more."""

    @activity.defn
    @abstractmethod
    async def group_questions(self, ref: TenantRef) -> int:
        """Groups all that are kept. How many groups there are."""

    @activity.defn
    @abstractmethod
    async def look_for_answers(self, ref: TenantRef) -> int:
        """Which groups the knowledge in force answers by now, and what comes nearest to each. How many are open."""


class ReportSteps(ABC):
    """Reports that nobody has to ask for."""

    @activity.defn
    @abstractmethod
    async def make_next_report(self, ref: TenantRef) -> bool:
        """Makes and keeps one whose period has ended. False where none is due."""


class PrivacySteps(ABC):
    """Erasing a customer, and giving them their data. Each step finds its work done when it is tried again."""

    @activity.defn
    @abstractmethod
    async def freeze_customer(self, ref: RequestRef) -> str:
        """`held` while a legal hold stands. Else `frozen`: nothing new is taken, every conversation is closed."""

    @activity.defn
    @abstractmethod
    async def end_conversations(self, ref: RequestRef) -> None:
        """Stops what is being written, and ends the workflows of the conversations and of their escalations."""

    @activity.defn
    @abstractmethod
    async def erase_conversations(self, ref: RequestRef) -> int:
        """Copies and erases the next conversations. How many are left."""

    @activity.defn
    @abstractmethod
    async def destroy_key(self, ref: RequestRef) -> None:
        """Destroys the ops key, and all that still says who the customer was."""

    @activity.defn
    @abstractmethod
    async def forget_histories(self, ref: RequestRef) -> int:
        """Deletes frames in Valkey and histories in Temporal. How many histories Temporal still lists."""

    @activity.defn
    @abstractmethod
    async def finish_erasure(self, ref: RequestRef) -> None: ...

    @activity.defn
    @abstractmethod
    async def write_export(self, ref: RequestRef) -> datetime:
        """Makes the archive of a customer's data, sealed. Until when it can be fetched."""

    @activity.defn
    @abstractmethod
    async def expire_export(self, ref: RequestRef) -> None: ...

    @activity.defn
    @abstractmethod
    async def delete_what_is_due(self, ref: TenantRef) -> int:
        """The next records whose retention has ended. How many were deleted: 0 where nothing is due."""
