"""Redaction rules: how personal data is taken out of texts, in versions that a second person publishes."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api import rule_examples as examples
from api.deciding import deciding
from api.described import described
from api.rule_models import NewRedactionRules, RedactionTrial
from api.rule_versions import Reader, Writer, draft, versions_router
from api.state import State
from api.validation import StrictRoute
from helios.crypto import TenantKeys
from helios.detection import personal, secrets
from helios.detection.redaction import tokenise
from helios.detection.spans import merge
from helios.rules import versions
from helios.rules.redaction import Applied, Redaction, redaction_of
from helios.rules.redaction_document import RedactionDocument
from helios.rules.versions import REDACTION_RULES

router = versions_router(REDACTION_RULES, "/v1/redaction-rules", "Rules", examples.REDACTION_RULES)
# Nothing of a trial is stored: so it is no route that keeps its answer for an `Idempotency-Key`.
trial_router = APIRouter(prefix="/v1/redaction-rules", tags=["Rules"], route_class=StrictRoute)
BODY = {"note": "Our customer numbers", "patterns": [{"kind": "CUSTOMER_NUMBER", "pattern": "MB-[0-9]{8}"}]}


@router.post("", **described(examples.REDACTION_RULES, "rule_not_allowed", body=BODY, status=201, about="The draft"))
async def draft_redaction_rules(body: NewRedactionRules, request: Request, services: State, writer: Writer) -> Response:
    """A new draft. It changes nothing until a second person publishes it."""
    document = RedactionDocument(kinds=tuple(body.kinds), patterns=tuple(body.patterns))
    return await draft(services, REDACTION_RULES, writer, request, document, body.note)


@trial_router.post(
    "/try",
    **described(
        examples.TRIAL,
        "not_found",
        body={"text": "I am MB-00412345, write to kim@example.com.", "version": 2},
        about="What would be taken out",
    ),
)
async def try_redaction_rules(body: RedactionTrial, services: State, reader: Reader) -> Response:
    """What a model would read of this text under a version, also of a draft. Nothing is stored.

    Names that no cue announces ("I am …") are found in a turn by a model that is not asked here.
    """
    keys = await services.keyring.tenant(reader.tenant_id)
    async with deciding(services, reader) as connection:
        number = body.version
        if number is None:
            number = (await versions.published(connection, REDACTION_RULES, reader.tenant_id)).version
        await versions.find(connection, REDACTION_RULES, reader.tenant_id, number)
        redaction = await redaction_of(connection, reader.tenant_id, number)
    return JSONResponse(await asyncio.to_thread(_tried, body.text, body.language, redaction, keys))


def _tried(text: str, language: str | None, redaction: Redaction, keys: TenantKeys) -> dict[str, Any]:
    # Secrets are masked where a message is accepted: what follows reads the text without them.
    pasted = secrets.find(text)
    left = [
        span
        for span in merge([*personal.find(text, language), *redaction.find(text)])
        if not any(span.start < secret.end and secret.start < span.end for secret in pasted)
    ]
    applied = Applied(redaction=redaction, keys=keys)
    standing = tokenise(text, [*left, *pasted], applied)
    return {
        "version": redaction.version,
        "text": standing.text,
        "found": [
            {"kind": span.label, "operator": redaction.operator(span.label), "start": span.start, "end": span.end}
            for span in sorted([*left, *pasted], key=lambda each: each.start)
        ],
    }
