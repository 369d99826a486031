"""Where a worker can be made to die: the boundaries of every stage of a turn, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

STAGES = ("screening", "intent", "retrieval", "generation", "review", "delivery")


@dataclass(frozen=True, slots=True)
class Point:
    """`when` the function `module.attribute` is called: before it, or after it with its result in hand.

    what  what is already durable there, for whoever reads a failure
    """

    stage: str
    module: str
    attribute: str
    when: Literal["before", "after"]
    what: str
    given: tuple[int, str] | None = None
    """Only when called with this positional argument."""

    @property
    def name(self) -> str:
        return f"{self.stage}: {self.when} {self.attribute}, {self.what}"


UNDERSTANDING, GENERATION, DELIVERY = "activities.understanding", "activities.generation", "activities.delivery"
ESCALATION = "activities.escalation"

BOUNDARIES = (
    Point("screening", UNDERSTANDING, "begin_turn", "before", "nothing of the turn"),
    Point("screening", UNDERSTANDING, "begin_turn", "after", "nothing: the seal is not committed"),
    Point("screening", UNDERSTANDING, "screen", "before", "the seal"),
    Point("screening", UNDERSTANDING, "screen", "after", "the seal"),
    Point("intent", "helios.models.intent", "IntentClassifier.classify", "before", "the seal"),
    Point("intent", "helios.models.intent", "IntentClassifier.classify", "after", "the seal"),
    Point("retrieval", UNDERSTANDING, "search", "before", "the seal"),
    Point("retrieval", UNDERSTANDING, "search", "after", "the seal"),
    Point("retrieval", UNDERSTANDING, "understand", "after", "the seal; the step's result is not recorded"),
    Point("generation", GENERATION, "_begin", "before", "the seal"),
    Point("generation", GENERATION, "_begin", "after", "the seal: the attempt is not committed"),
    Point("generation", GENERATION, "_write", "before", "the attempt"),
    Point("generation", GENERATION, "_write", "after", "the attempt; every frame is out"),
    Point("review", GENERATION, "_finish", "before", "the attempt; every frame is out"),
    Point("review", "helios.facts", "stage", "after", "the attempt: the draft is not committed", (1, "review")),
    Point("review", GENERATION, "_finish", "after", "the draft"),
    Point("review", GENERATION, "generate", "after", "the draft; the step's result is not recorded"),
    Point("delivery", DELIVERY, "_released_so_far", "before", "the draft"),
    Point("delivery", DELIVERY, "_end_turn", "before", "the draft"),
    Point("delivery", DELIVERY, "_close_books", "after", "the draft: the reply is written, not committed"),
    Point("delivery", DELIVERY, "_end_turn", "after", "the draft: the end is not committed"),
    Point("delivery", DELIVERY, "deliver", "after", "the end of the turn; the step's result is not recorded"),
)

FRAME_BEFORE = Point("generation", "helios.frames", "Frames.append", "before", "the frames before it")
FRAME_AFTER = Point("generation", "helios.frames", "Frames.append", "after", "the frames up to it")
FRAMES = (FRAME_BEFORE, FRAME_AFTER)

DECISIONS = (
    Point("escalation", ESCALATION, "apply_decision", "before", "the decision's words"),
    Point("escalation", ESCALATION, "deliver_decision", "after", "the decision's words"),
    Point("escalation", ESCALATION, "apply_decision", "after", "all; the step's result is not recorded"),
)
TELLING = (
    Point("follow-up", "helios.temporal", "Conversations.correct", "after", "the signal, which is not noted"),
    Point("follow-up", "activities.following_up", "tell_conversations", "before", "that it was asked for"),
)
CORRECTIONS = (
    Point("correction", "activities.correcting", "correct_conversation", "before", "the signal"),
    Point("correction", "activities.correcting", "_note", "after", "the signal: the correction is not committed"),
    Point("correction", "activities.correcting", "correct_conversation", "after", "all; the result is not recorded"),
)
CACHE = "activities.cached_answers"
FOUND_AGAIN = Point("cache", CACHE, "look_up", "after", "the attempt; an earlier answer is found")
KEPT = (
    Point("cache", CACHE, "keep", "before", "the draft"),
    Point("cache", "helios.semantic_cache.entries", "keep", "after", "the draft: the entry is not committed"),
    Point("cache", CACHE, "keep", "after", "the draft and the entry; the step's result is not recorded"),
)
POINTS = {point.name: point for point in (*BOUNDARIES, *FRAMES, *DECISIONS, *TELLING, *CORRECTIONS, FOUND_AGAIN, *KEPT)}


def is_local(conversation_id: UUID) -> bool:
    """Half of the conversations are answered in the worker's process, without the provider."""
    return conversation_id.int % 2 == 0
