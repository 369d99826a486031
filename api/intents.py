"""Intents that a tenant trains: examples in, a model by a workflow, and a second person who publishes it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from api import intent_examples as examples
from api.deciding import deciding
from api.described import described, text_content
from api.documents import style_policy
from api.idempotency import resource_id
from api.languages import identifier
from api.models import SourceFile
from api.problems import Problem
from api.rule_models import NewIntents, Publication
from api.rule_versions import ERRORS, Publisher, Reader, Version, Writer, cleaned, shown, versions_router
from api.starting import start_later
from api.state import Services, State
from api.uploads import UntitledUploadRoute
from helios.intents import gate
from helios.intents.document import INTENTS
from helios.intents.drafting import draft_intents, without_personal_data
from helios.intents.examples import Example, shipped, wrongs
from helios.intents.files import POINTER, FileRefused, examples_of_csv
from helios.intents.picture import STYLE, confusion_svg
from helios.intents.starting import start_training
from helios.rules import versions
from helios.rules.policy_document import Wrong
from helios.rules.redaction import redaction_of
from helios.rules.versions import REDACTION_RULES, DraftRef
from helios.tokens import Identity
from schema.intents import IntentsRef

router = versions_router(INTENTS, "/v1/intents", "Rules", examples.INTENTS, publishing=False)
drafts_router = APIRouter(prefix="/v1/intents", tags=["Rules"], route_class=UntitledUploadRoute)
PICTURE = {**style_policy(STYLE), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
IN_A_FILE = {"intents", "several"}
FORM = {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file"], "additionalProperties": {"type": "string"},
    "properties": {"file": {"type": "string", "format": "binary"}},
    "description": "The fields of the JSON body, with the file as it is: its name ends in .csv or .json."},
    "example": {"file": "intent,text\nschool_fees,Can I pay the school fees here?", "base": "shipped"}}
}  # fmt: skip
SUBMIT = described(
    examples.DRAFT, "forbidden", "training_busy", "payload_too_large", "unsupported_media_type", status=202,
    body=examples.BODY, about="The draft, which is being trained",
)  # fmt: skip
SUBMIT["openapi_extra"]["requestBody"]["content"].update(FORM)


@drafts_router.post("", **SUBMIT)
async def draft_intents_version(body: NewIntents, request: Request, services: State, writer: Writer) -> Response:
    """A new version, trained in the background: read it again for how far it is, and how well it does on examples that
    were held out. It changes nothing until a second person publishes it.
    """
    raw = examples_in(body)
    _refuse(wrongs(raw, _base(body, raw)))
    own = await _redacted(services, writer, raw)
    base = _base(body, own)
    _refuse(wrongs(own, base))
    keys = await services.keyring.tenant(writer.tenant_id)
    ref = DraftRef(writer.tenant_id, resource_id(request), writer.id)
    async with deciding(services, writer) as connection:
        number = await draft_intents(connection, keys, ref, own, base, cleaned(body.note))
        answer = await shown(connection, INTENTS, writer, number, 202)
    training = start_training(services.conversations.client, services.settings, IntentsRef(writer.tenant_id, number))
    await start_later(training, "intent training")
    return answer


@router.post(
    "/{version:int}/publish",
    **described(
        {**examples.INTENTS, "status": "published"}, *ERRORS, "four_eyes", "gate_not_passed",
        body={"note": "As agreed.", "force": False}, about="The version, in force",
    ),
)  # fmt: skip
async def publish_intents(
    version: Version, services: State, publisher: Publisher, body: Publication | None = None
) -> Response:
    """Puts a trained version into force from the next turn on. Whoever wrote it may not. One that does not pass the
    tenant's gate needs `force`, and a `note` that says why.
    """
    asked = body or Publication()
    async with deciding(services, publisher) as connection:
        note = cleaned(asked.note)
        await gate.publish(connection, publisher.tenant_id, version, publisher.id, note, force=asked.force)
        return await shown(connection, INTENTS, publisher, version)


@router.get(
    "/{version:int}/confusion.svg",
    **described(
        None, *ERRORS,
        also={200: {"description": "The picture", "content": text_content("image/svg+xml", "<svg …></svg>")}},
    ),
)  # fmt: skip
async def draw_confusion(version: Version, services: State, reader: Reader) -> Response:
    """Which intents were taken for which among the examples that were held out: a matrix of few intents, of many the
    pairs that were confused most. The numbers are the version's `report.confused`.
    """
    async with deciding(services, reader) as connection:
        row = await versions.find(connection, INTENTS, reader.tenant_id, version)
    if row.report is None:
        raise Problem("version_conflict", "The version has no report: it is shipped, or not trained.")
    return Response(confusion_svg(version, row.report), media_type="image/svg+xml", headers=PICTURE)


def examples_in(body: NewIntents) -> list[Example]:
    """Every example with the place where it stands. Raises a problem for a file that is none."""
    if body.file is None:
        return _listed(body)
    if body.intents or body.several:
        raise _invalid([("/file", "is sent instead of intents, not with them")])
    content = _content(body.file)
    try:
        if body.file.name.lower().endswith(".csv"):
            return examples_of_csv(content)
        if not body.file.name.lower().endswith(".json"):
            raise Problem("unsupported_media_type", "Files of examples are .csv or .json.")
        read = json.loads(content)
        if not isinstance(read, dict) or not read.keys() <= IN_A_FILE:
            raise FileRefused("is not an object with intents and several; note and base are sent beside it")
        return _listed(NewIntents.model_validate(read))
    except FileRefused as refused:
        raise _invalid([refused.wrong]) from None
    except ValidationError as error:
        place = "/".join(str(part) for part in error.errors()[0]["loc"] if isinstance(part, int))
        raise _invalid([(POINTER, f"is not as the JSON body is: {error.errors()[0]['msg']} ({place})")]) from None
    except (ValueError, RecursionError):
        raise _invalid([(POINTER, "is not JSON")]) from None


def _listed(body: NewIntents) -> list[Example]:
    single = [
        Example(said, (intent.name,), f"/intents/{n}/examples/{m}")
        for n, intent in enumerate(body.intents)
        for m, said in enumerate(intent.examples)
    ]
    return single + [Example(each.text, tuple(each.intents), f"/several/{n}") for n, each in enumerate(body.several)]


def _base(body: NewIntents, own: Sequence[Example]) -> list[Example]:
    return shipped(own) if body.base == "shipped" else []


async def _redacted(services: Services, writer: Identity, raw: Sequence[Example]) -> list[Example]:
    async with services.database.tenant(writer.tenant_id) as connection:
        rules = await versions.published(connection, REDACTION_RULES, writer.tenant_id)
        redaction = await redaction_of(connection, writer.tenant_id, rules.version)
    return await asyncio.to_thread(lambda: without_personal_data(raw, redaction, identifier()))


def _content(file: SourceFile) -> bytes:
    try:
        return base64.b64decode(file.content, validate=True)
    except (ValueError, binascii.Error):
        raise _invalid([(POINTER, "is not base64")]) from None


def _refuse(wrong: Sequence[Wrong]) -> None:
    if wrong:
        raise _invalid(wrong)


def _invalid(wrong: Sequence[Wrong]) -> Problem:
    errors: list[dict[str, Any]] = [{"pointer": pointer, "detail": detail} for pointer, detail in wrong]
    return Problem("invalid_request", errors[0]["detail"], errors=errors)
