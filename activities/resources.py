"""What the steps need, opened once by the worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from helios.database import Database
from helios.detection.known_spans import KnownSpans
from helios.detection.spans import Span
from helios.embedders.registry import Embedders
from helios.fair_turns import FairTurns
from helios.frames import Frames
from helios.intents.published import TenantIntents
from helios.keyring import Keyring
from helios.llm.base import Generator
from helios.models.embedder import TextEncoder
from helios.models.intent import IntentClassifier
from helios.models.language import LanguageIdentifier
from helios.outbound import Outbound
from helios.settings import Settings

COMPUTING = 2
"""How many turns a worker computes for at once: one waits for the database while another has the processor."""


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    database: Database
    keyring: Keyring
    frames: Frames
    encoder: TextEncoder
    intents: IntentClassifier
    languages: LanguageIdentifier
    find_names: Callable[[str], list[Span]]
    """Names, places and the like in a text of any length: see helios/models/tagger.py."""
    generators: Mapping[str, Generator]
    """By name, in the order in which they are tried."""
    embedders: Embedders
    """Of knowledge, for those tenants that chose another one than `encoder`."""
    outbound: Outbound = field(default_factory=Outbound)
    """Where knowledge is fetched from."""
    known_spans: KnownSpans = field(default_factory=KnownSpans)
    tenant_intents: TenantIntents = field(default_factory=TenantIntents)
    """Of tenants that trained their own: `intents` is the shipped one."""
    computing: FairTurns[UUID] = field(default_factory=lambda: FairTurns(COMPUTING))
