"""What Temporal shows of a workflow in plain text, to list and count workflows by: opaque ids and enums only.

The codec does not seal these, so nothing that a customer wrote may ever come near them.
"""

from __future__ import annotations

import re

from temporalio.common import SearchAttributeKey

TENANT = SearchAttributeKey.for_keyword("HeliosTenant")
STATUS = SearchAttributeKey.for_keyword("HeliosStatus")
CHANNEL = SearchAttributeKey.for_keyword("HeliosChannel")
INTENT = SearchAttributeKey.for_keyword("HeliosIntent")
ESCALATION = SearchAttributeKey.for_keyword("HeliosEscalation")
KEYS = (TENANT, STATUS, CHANNEL, INTENT, ESCALATION)

OTHER = "other"
CHANNELS = frozenset({"web", "mobile", "email", "sms", "voice", "whatsapp", "terminal", "api"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def shown_channel(channel: str | None) -> str:
    """A conversation's channel is free text of its client: only names that we know are shown."""
    return channel if channel in CHANNELS else OTHER


def shown_intent(name: str) -> str:
    """A tenant may train intents of its own: only what is written as a name is shown."""
    return name if _NAME.fullmatch(name) else OTHER
