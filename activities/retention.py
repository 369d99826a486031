"""Retention: statutory copies and reports whose time has passed, and old conversations that were never erased.

What is held stays. Each deletion leaves its row, without content, as a tombstone, and an audit event.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.erasing import erase_text
from activities.resources import Resources
from activities.statutory import keep_until
from helios import audit
from helios.customer_keys import destroy
from helios.evaluations.shown import ANSWERS_KEPT_DAYS
from helios.semantic_cache.entries import sweep
from helios.tenant_settings import Retention, TenantSettings
from schema.privacy import TenantRef

MOST = 100
HELD = (
    "EXISTS (SELECT FROM legal_holds AS hold WHERE hold.tenant_id = t.tenant_id AND hold.customer_id = t.customer_id "
    "AND hold.status <> 'released')"
)
DUE_RECORDS = text(
    f"""
    SELECT id, customer_id, record_class FROM statutory_records AS t WHERE tenant_id = :tenant_id
      AND destroyed_at IS NULL AND retain_until < now() AND NOT {HELD}
    ORDER BY retain_until LIMIT :most FOR UPDATE
    """  # noqa: S608 - a constant of ours
)
DESTROY_RECORD = text(
    "UPDATE statutory_records SET content_ct = NULL, destroyed_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)
DESTROY_REPORTS = text(
    """
    UPDATE scheduled_reports SET content_ct = NULL, destroyed_at = now() WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM scheduled_reports WHERE tenant_id = :tenant_id AND destroyed_at IS NULL AND retain_until < now()
        ORDER BY retain_until LIMIT :most FOR UPDATE)
    RETURNING id, name, record_class
    """
)
FORGET_ANSWERS = text(
    "UPDATE evaluation_results SET detail_ct = NULL WHERE tenant_id = :tenant_id AND detail_ct IS NOT NULL "
    "AND created_at < now() - make_interval(days => :days)"
)
NOTHING_KEPT = text(
    """
    SELECT erased_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM statutory_records AS kept WHERE kept.tenant_id = customers.tenant_id
          AND kept.customer_id = customers.id AND kept.destroyed_at IS NULL)
    FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id
    """
)
# Somebody may be at work on what has an open case or a person asked; a frozen customer's are being erased.
OLD_CONVERSATIONS = text(
    f"""
    SELECT t.* FROM threads AS t JOIN customers ON customers.tenant_id = t.tenant_id AND customers.id = t.customer_id
    WHERE t.tenant_id = :tenant_id AND t.erased_at IS NULL AND customers.frozen_at IS NULL
      AND coalesce(t.closed_at, t.updated_at) < now() - make_interval(years => :years)
      AND (CAST(:after AS uuid) IS NULL OR t.id > :after) AND NOT {HELD}
      AND NOT EXISTS (SELECT FROM escalations WHERE escalations.tenant_id = t.tenant_id
                      AND escalations.conversation_id = t.id AND escalations.closed_at IS NULL)
    ORDER BY t.id LIMIT :most FOR UPDATE OF t
    """  # noqa: S608 - a constant of ours
)
TICKETS = text(
    "SELECT kind, closed_at FROM tickets WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id"
)
CLOSE = text(
    "UPDATE threads SET status = 'closed', closed_at = coalesce(closed_at, updated_at) "
    "WHERE tenant_id = :tenant_id AND id = :conversation_id"
)
NOW = text("SELECT now()")
SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")


async def delete_what_is_due(resources: Resources, ref: TenantRef) -> int:
    """The next of them. How many were deleted: 0 where nothing is due."""
    where = {"tenant_id": ref.tenant_id, "most": MOST}
    async with resources.database.tenant(ref.tenant_id) as connection:
        records = await _delete_records(connection, where) + await _delete_reports(connection, where)
    async with resources.database.tenant(ref.tenant_id) as connection:
        records += await _forget_answers(connection, where)
    async with resources.database.tenant(ref.tenant_id) as connection:
        settings = TenantSettings.of((await connection.execute(SETTINGS, where)).scalar_one())
        cache = settings.semantic_cache
        await sweep(connection, ref.tenant_id, cache.kept_days if cache.enabled else 0)
        return records + await _delete_conversations(connection, where, settings.retention)


async def _delete_records(connection: AsyncConnection, where: dict[str, Any]) -> int:
    due = (await connection.execute(DUE_RECORDS, where)).all()
    for record in due:
        await connection.execute(DESTROY_RECORD, {**where, "id": record.id})
        await _record(connection, where, "statutory_record.destroyed", ("statutory_record", record.id),
                      {"class": record.record_class})  # fmt: skip
    for customer_id in {record.customer_id for record in due}:
        whose = {**where, "customer_id": customer_id}
        if (await connection.execute(NOTHING_KEPT, whose)).scalar_one():
            key_id = await destroy(connection, where["tenant_id"], customer_id, "record")
            await _record(connection, where, "customer_key.destroyed", ("customer_key", key_id), {"kind": "record"})
    return len(due)


async def _delete_reports(connection: AsyncConnection, where: dict[str, Any]) -> int:
    """Those that a schedule made. They hold ids and figures of cases, whose own records a hold keeps."""
    due = (await connection.execute(DESTROY_REPORTS, where)).all()
    for report in due:
        await _record(connection, where, "report.destroyed", ("report", report.id),
                      {"name": report.name, "class": report.record_class})  # fmt: skip
    return len(due)


async def _forget_answers(connection: AsyncConnection, where: dict[str, Any]) -> int:
    """Of runs of suites: what was answered to questions that are made up. Figures stay."""
    days = {"tenant_id": where["tenant_id"], "days": ANSWERS_KEPT_DAYS}
    forgotten = (await connection.execute(FORGET_ANSWERS, days)).rowcount
    if forgotten:
        subject = ("tenant", where["tenant_id"])
        await _record(connection, where, "evaluation.answers_destroyed", subject, {"count": forgotten})
    return forgotten


async def _delete_conversations(connection: AsyncConnection, where: dict[str, Any], retention: Retention) -> int:
    """Goes past those that another class keeps longer, so that they do not stand before the rest."""
    now, after, deleted = (await connection.execute(NOW)).scalar_one(), None, 0
    while not deleted:
        asked = {**where, "after": after, "years": retention.communications}
        threads = (await connection.execute(OLD_CONVERSATIONS, asked)).all()
        for thread in threads:
            deleted += await _delete_conversation(connection, where, thread, retention, now)
        if len(threads) < where["most"]:
            break
        after = threads[-1].id
    return deleted


async def _delete_conversation(
    connection: AsyncConnection, where: dict[str, Any], thread: Any, retention: Retention, now: Any
) -> int:
    of_this = {"tenant_id": where["tenant_id"], "conversation_id": thread.id}
    tickets = [dict(row._mapping) for row in await connection.execute(TICKETS, of_this)]
    of_class, until = keep_until(tickets, thread.closed_at or thread.updated_at, retention)
    if until > now or any(ticket["closed_at"] is None for ticket in tickets):
        return 0
    await connection.execute(CLOSE, of_this)
    await erase_text(connection, of_this)
    await _record(connection, where, "conversation.expired", ("conversation", thread.id), {"class": of_class})
    return 1


async def _record(
    connection: AsyncConnection, where: dict[str, Any], action: str, subject: tuple[str, Any], detail: dict[str, Any]
) -> None:
    await audit.record(connection, where["tenant_id"], action, actor=("system", None), subject=subject, detail=detail)
