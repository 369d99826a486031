"""A customer's own data, as one archive for the tenant to hand over: see docs/privacy.md for its form."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.resources import Resources
from activities.statutory import PROFILE, conversation_document
from helios import audit
from helios.crypto import Keys
from helios.customer_keys import customer_keys
from schema.privacy import RequestRef

FORMAT = "helioscs-access-export/1"
EXPORT = "privacy_requests.export_ct"
KEPT = timedelta(days=7)
SHOWN = ("messages", "feedback", "tickets")
"""Of each conversation. Drafts that nobody sent and notes of staff are not the customer's words, nor words to them."""

REQUEST = text("SELECT * FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
CUSTOMER = text("SELECT * FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id")
THREADS = text(
    "SELECT * FROM threads WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND erased_at IS NULL "
    "ORDER BY id"
)
DONE = text(
    "UPDATE privacy_requests SET status = 'done', export_ct = :export_ct, export_until = :until, result = :result, "
    "completed_at = now(), updated_at = now() WHERE tenant_id = :tenant_id AND id = :id"
).bindparams(bindparam("result", type_=JSONB))
EXPIRE = text(
    "UPDATE privacy_requests SET export_ct = NULL, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND export_ct IS NOT NULL"
)


async def write_export(resources: Resources, ref: RequestRef) -> datetime:
    """Makes the archive, sealed with the customer's ops key. Until when it can be fetched."""
    tenant = await resources.keyring.reload(ref.tenant_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        where: dict[str, Any] = {"tenant_id": ref.tenant_id, "id": ref.request_id}
        request = (await connection.execute(REQUEST, where)).one()
        if request.export_until is not None:
            until: datetime = request.export_until
            return until
        where["customer_id"] = request.customer_id
        keys = await customer_keys(connection, tenant, request.customer_id)
        parts = await _read(connection, keys, where)
        made_at = datetime.now(UTC)
        archive = await asyncio.to_thread(_pack, parts, str(request.customer_id), made_at)
        result = {name: len(rows) for name, rows in parts.items()}
        sealed = keys.seal(archive, EXPORT, ref.request_id)
        await connection.execute(DONE, {**where, "export_ct": sealed, "until": made_at + KEPT, "result": result})
        await _record(connection, ref, "privacy_request.done", **result)
    return made_at + KEPT


async def expire_export(resources: Resources, ref: RequestRef) -> None:
    async with resources.database.tenant(ref.tenant_id) as connection:
        where = {"tenant_id": ref.tenant_id, "id": ref.request_id}
        if (await connection.execute(EXPIRE, where)).rowcount:
            await _record(connection, ref, "privacy_export.expired")


async def _read(connection: AsyncConnection, keys: Keys, where: dict[str, Any]) -> dict[str, list[Any]]:
    customer = (await connection.execute(CUSTOMER, where)).one()
    profile = keys.open_json(customer.profile_ct, PROFILE, customer.id)
    parts: dict[str, list[Any]] = {"profile": [profile], "conversations": [], **{name: [] for name in SHOWN}}
    for thread in (await connection.execute(THREADS, where)).all():
        document = await conversation_document(connection, keys, thread)
        parts["conversations"].append(document["conversation"])
        for name in SHOWN:
            parts[name] += document[name]
    return parts


def _pack(parts: dict[str, list[Any]], customer_id: str, made_at: datetime) -> bytes:
    """A file of JSON lines for each part, and a manifest with their sizes and digests."""
    held, listed = io.BytesIO(), {}
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in parts.items():
            lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()
            archive.writestr(f"{name}.jsonl", lines)
            listed[f"{name}.jsonl"] = {"rows": len(rows), "sha256": hashlib.sha256(lines).hexdigest()}
        manifest = {"format": FORMAT, "customer_id": customer_id, "made_at": made_at.isoformat(), "files": listed}
        archive.writestr("manifest.json", json.dumps(manifest, indent=2))
    return held.getvalue()


async def _record(connection: AsyncConnection, ref: RequestRef, action: str, **detail: Any) -> None:
    subject = ("privacy_request", ref.request_id)
    await audit.record(connection, ref.tenant_id, action, actor=("system", None), subject=subject, detail=detail)
