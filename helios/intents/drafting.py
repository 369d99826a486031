"""A new version of a tenant's intents: its draft and its sealed examples, from the moment on in which it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import TenantKeys
from helios.detection import personal, secrets
from helios.detection.redaction import tokenise
from helios.intents.document import INTENTS
from helios.intents.examples import Example, chunks_of, distinct, document_of
from helios.models.language import LanguageIdentifier
from helios.refusals import Refused
from helios.rules import versions
from helios.rules.redaction import Redaction
from helios.rules.versions import DraftRef
from schema.tables import IntentChunk

TOTAL = text(
    "UPDATE intent_sets SET examples_total = :total WHERE tenant_id = :tenant_id AND version = :version "
    "AND examples_total = 0"
)

TRAININGS_MOST = 3
"""Of a tenant at a time. Each takes minutes of a processor that all tenants share."""
IN_TRAINING = text("SELECT count(*) FROM intent_sets WHERE tenant_id = :tenant_id AND status = 'draft'")


def without_personal_data(
    examples: Sequence[Example], redaction: Redaction, languages: LanguageIdentifier
) -> list[Example]:
    """Staff may paste what customers wrote: each text with its secrets masked and typed tokens in the places of
    personal data. Names that no cue announces are found by the worker's model, before anything is trained.
    """
    return [
        Example(_redacted(each.text, redaction, languages), each.intents, each.pointer, each.place) for each in examples
    ]


def _redacted(said: str, redaction: Redaction, languages: LanguageIdentifier) -> str:
    masked = secrets.mask(said).text
    language = languages.detect(masked, default="en").code
    return tokenise(masked, [*personal.find(masked, language), *redaction.find(masked)]).text


async def draft_intents(
    connection: AsyncConnection,
    keys: TenantKeys,
    ref: DraftRef,
    own: Sequence[Example],
    base: Sequence[Example],
    note: str | None,
) -> int:
    """Stores the draft with its examples and returns its number. The same id again finds what it made.

    Raises `Refused` of code `training_busy` where as many of the tenant's versions are being trained as may be.
    """
    own = distinct(own)
    number = await versions.add_draft(connection, INTENTS, ref, document_of([*own, *base]), note)
    total = {"tenant_id": ref.tenant_id, "version": number, "total": len(own) + len(base)}
    if (await connection.execute(TOTAL, total)).rowcount:
        rows = [
            {"tenant_id": ref.tenant_id, "version": number, "number": n, "examples_ct": chunk.seal(keys, number, n)}
            for n, chunk in enumerate(chunks_of(own, base))
        ]
        await connection.execute(insert(IntentChunk), rows)
        await _require_room(connection, ref.tenant_id)
    return number


async def _require_room(connection: AsyncConnection, tenant_id: UUID) -> None:
    """The new one is among those that are counted. Writers of versions wait for each other."""
    if (await connection.execute(IN_TRAINING, {"tenant_id": tenant_id})).scalar_one() > TRAININGS_MOST:
        raise Refused("training_busy", f"{TRAININGS_MOST} versions are being trained already.")
