"""The audit log for those who examine it: the signed checkpoint, proofs, and the archive that stands alone."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from api.authentication import caller
from api.described import ID, TIME, binary_content, described
from api.models import Nothing
from api.problems import Problem, not_found
from api.state import State
from api.validation import StrictRoute
from helios import audit
from helios.audit_log.checkpoints import read
from helios.audit_log.export import NothingSealed, TooManyEvents, write_export
from helios.audit_log.keys import signing_keys
from helios.audit_log.proofs import checkpoint_of, last_checkpoint, prove_consistency, prove_event
from helios.audit_log.signed_notes import verifier_key
from helios.tokens import Identity

EVENTS_MAX = 100_000
"""In an archive that the API makes: about 100 MB of its memory. The command line has no limit."""

router = APIRouter(prefix="/v1/audit", tags=["Audit"], route_class=StrictRoute)

Examiner = Annotated[Identity, Depends(caller("audit.verify"))]
Since = Annotated[int | None, Query(ge=1, le=2**62, description="The size of a checkpoint that you have")]

ROOT = "0qgBmhDc7Y9DmWmHk0kC0n8m3pXz1vYQ5m8s5b0y7Xk="
NOTE = f"helioscs/audit/{ID}\n42\n{ROOT}\n\n— helioscs/audit/{ID} 5q…\n"
CHECKPOINT = {"size": 42, "root": ROOT, "note": NOTE, "keys": [f"helioscs/audit/{ID}+e6a8…+AT…"], "key_changes": []}
PROOF = {
    "event": {"id": ID, "action": "auth.login", "created_at": TIME},
    "canonical": f'{{"action":"auth.login","created_at":"{TIME}","id":"{ID}"}}',
    "position": 17,
    "path": [ROOT],
    "note": NOTE,
}


@router.get("/checkpoint", **described(CHECKPOINT, "forbidden", "not_found", about="The newest checkpoint"))
async def read_checkpoint(services: State, examiner: Examiner, since: Since = None) -> Response:
    """The newest signed checkpoint with the keys that sign; `since` adds the proof that it continues an older one.

    404 before the first event is sealed, and for a `since` of which there is no checkpoint.

    Both are in the forms of RFC 6962 and of C2SP's signed notes: hashes in base64, `consistency` as § 2.1.2 orders it.
    """
    async with services.database.tenant(examiner.tenant_id) as connection:
        head = await last_checkpoint(connection, examiner.tenant_id)
        if head is None:
            not_found()
        keys = await signing_keys(connection, services.keyring.root, examiner.tenant_id)
        consistency = None
        if since is not None:
            if await checkpoint_of(connection, examiner.tenant_id, since) is None:
                not_found()
            consistency = await prove_consistency(connection, examiner.tenant_id, since, head.size)
    checkpoint = read(head.note)
    answer: dict[str, Any] = {
        "size": checkpoint.size,
        "root": _base64(checkpoint.root),
        "note": head.note,
        "keys": [verifier_key(checkpoint.origin, key) for key in keys.public],
        "key_changes": keys.notes,
    }
    if consistency is not None:
        answer["consistency"] = {"since": since, "path": [_base64(each) for each in consistency]}
    return JSONResponse(answer)


@router.get(
    "/events/{event_id}/proof", **described(PROOF, "forbidden", "not_found", "not_sealed_yet", about="The proof")
)
async def prove(event_id: UUID, services: State, examiner: Examiner) -> Response:
    """That an event is in the log: its canonical JSON, its place, and the hashes that lead to the checkpoint's root."""
    async with services.database.tenant(examiner.tenant_id) as connection:
        proven = await prove_event(connection, examiner.tenant_id, event_id)
    if proven is None:
        not_found()
    if proven.proof is None:
        raise Problem("not_sealed_yet", headers={"Retry-After": "2"})
    return JSONResponse(
        {
            "event": json.loads(proven.event),
            "canonical": proven.event.decode(),
            "position": proven.position,
            "path": [_base64(each) for each in proven.proof],
            "note": proven.note,
        }
    )


@router.post(
    "/exports",
    response_class=FileResponse,
    **described(
        None,
        "forbidden",
        "not_found",
        "export_too_large",
        body={},
        also={200: {"description": "The archive", "content": binary_content("application/zip", "PK…")}},
    ),
)
async def export(services: State, examiner: Examiner, body: Nothing | None = None) -> Response:
    """A zip archive with every sealed event and a verifier that needs neither us nor a database."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
        path = Path(file.name)
    try:
        events = await write_export(services.database, services.keyring.root, examiner.tenant_id, path, EVENTS_MAX)
        async with services.database.tenant(examiner.tenant_id) as connection:
            await audit.record(
                connection,
                examiner.tenant_id,
                "audit.exported",
                actor=("user", examiner.id),
                subject=("audit", None),
                detail={"events": events},
            )
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, NothingSealed):
            not_found()
        if isinstance(error, TooManyEvents):
            raise Problem("export_too_large", str(error)) from None
        raise
    return FileResponse(
        path, media_type="application/zip", filename="audit-log.zip", background=BackgroundTask(path.unlink)
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
