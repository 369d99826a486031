"""Versions of rules with four eyes: draft → published → superseded, or rejected.

One tenant has one published version of each kind; the database holds that (a unique index). Each function works inside
the caller's transaction and locks the kind's published row first, so of two people who decide in the same moment one
finds it decided. A published version can be brought back by a rollback; what a version says never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.evaluations.guard import require_passed
from helios.evaluations.tested import Draft
from helios.refusals import Refused
from helios.rules.policy import effective as effective_policy
from helios.rules.policy_document import PolicyDocument, Wrong, below_minimum
from helios.rules.redaction_document import RedactionDocument, not_allowed
from helios.rules.redaction_document import effective as effective_redaction


@dataclass(frozen=True, slots=True)
class RuleKind:
    """A kind of rules: its table, its name in the audit log, and what its documents may hold and mean."""

    table: str
    noun: str
    document: type[BaseModel]
    wrong: Callable[[Any], list[Wrong]]
    """What a document may not say, although it is well formed."""
    effective: Callable[[Any], dict[str, Any]]
    """All that is in force with a document."""
    ready: str = "draft"
    """The status in which a version may be published."""
    undecided: frozenset[str] = frozenset({"draft"})
    """Those in which it may be rejected."""
    shown: Callable[[Any], Mapping[str, Any]] = field(default=lambda _row: {})
    """What else the API shows of a version's row."""
    parts: str | None = None
    """A table of parts by version, of which a rejected one keeps none."""
    drafted: Callable[[int], Draft] | None = None
    """What suites run over that guard it."""
    replaces: bool = True
    """Whether a version says all that is different, so that what another has changed meanwhile would be lost."""


REDACTION_RULES = RuleKind(
    "redaction_rules",
    "redaction_rules",
    RedactionDocument,
    not_allowed,
    effective_redaction,
    drafted=lambda version: Draft(redaction_rules=version),
)


@dataclass(frozen=True, slots=True)
class DraftRef:
    tenant_id: UUID
    id: UUID
    author: UUID


POLICIES = RuleKind(
    "policies", "policy", PolicyDocument, below_minimum, effective_policy, drafted=lambda version: Draft(policy=version)
)


async def add_draft(
    connection: AsyncConnection,
    kind: RuleKind,
    ref: DraftRef,
    document: BaseModel,
    note: str | None,
) -> int:
    """Stores a new draft and returns its number. Whether its document is allowed has been asked before.

    The same id again finds the draft that it made. Raises `Refused` for one that changes nothing.
    """
    where = {"tenant_id": ref.tenant_id, "id": ref.id}
    await connection.execute(_statement(LOCK, kind), where)
    known = (await connection.execute(_statement(KNOWN, kind), where)).scalar_one_or_none()
    if known is not None:
        return int(known)
    in_force = await published(connection, kind, ref.tenant_id)
    if kind.replaces and kind.effective(document) == kind.effective(kind.document.model_validate(in_force.definition)):
        raise Refused("rule_not_allowed", f"It changes nothing: version {in_force.version} says all of it already.")
    stored = {"definition": document.model_dump_json(exclude_defaults=True), "author": ref.author, "note": note}
    stored["base"] = in_force.version
    number = int((await connection.execute(_statement(ADD, kind), {**where, **stored})).scalar_one())
    await _record(connection, kind, ref.tenant_id, ref.id, number, "drafted", ref.author)
    return number


async def find(connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, version: int) -> Any:
    """The version's row. Raises `Refused` of code `not_found`."""
    where = {"tenant_id": tenant_id, "version": version}
    row = (await connection.execute(_statement(FIND, kind), where)).one_or_none()
    if row is None:
        raise Refused("not_found")
    return row


async def published(connection: AsyncConnection, kind: RuleKind, tenant_id: UUID) -> Any:
    """The row of the version in force."""
    return (await connection.execute(_statement(PUBLISHED, kind), {"tenant_id": tenant_id})).one()


async def publish(
    connection: AsyncConnection,
    kind: RuleKind,
    tenant_id: UUID,
    version: int,
    reviewer: UUID,
    note: str | None,
    detail: Mapping[str, Any] | None = None,
    *,
    force: bool = False,
    replaces: int | None = None,
) -> None:
    """Puts a draft into force; what was in force becomes superseded. Its author may not, in whatever role.

    `force`: although a suite that guards it has not passed, of which `note` says why. `replaces`: the version in force,
    by which the reviewer says that they know what is lost of it.
    """
    row = await publishable(connection, kind, tenant_id, version, reviewer)
    if kind.replaces:
        _require_base(row, (await published(connection, kind, tenant_id)).version, replaces)
    if kind.drafted is not None:
        guarded = kind.table.replace("_", "-")
        await require_passed(connection, tenant_id, guarded, kind.drafted(version), reviewer, note, force=force)
    await _put_into_force(connection, kind, tenant_id, row, reviewer, note)
    await _record(connection, kind, tenant_id, row.id, version, "published", reviewer, detail)


async def publishable(
    connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, version: int, reviewer: UUID
) -> Any:
    """The row of a version that this person may publish. From here on nobody else decides about the kind."""
    row = await _locked(connection, kind, tenant_id, version)
    if row.created_by == reviewer:
        raise Refused("four_eyes", "Whoever wrote a draft may not publish it, in whatever role.")
    _require(row, {kind.ready})
    return row


async def reject(
    connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, version: int, reviewer: UUID, note: str | None
) -> None:
    """A draft that will not be published. Its author may take it back in this way."""
    row = await _locked(connection, kind, tenant_id, version)
    _require(row, kind.undecided)
    decided = {"tenant_id": tenant_id, "version": version, "reviewer": reviewer, "note": note}
    await connection.execute(_statement(REJECT, kind), decided)
    if kind.parts is not None:
        await connection.execute(text(DELETE_PARTS.format(parts=kind.parts)), decided)
    await _record(connection, kind, tenant_id, row.id, version, "rejected", reviewer)


async def roll_back(
    connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, version: int, reviewer: UUID, note: str | None
) -> None:
    """Puts a version into force again that was published before. Its author may not."""
    before = (await connection.execute(_statement(LOCK, kind), {"tenant_id": tenant_id})).one()
    row = await find(connection, kind, tenant_id, version)
    if row.status != "superseded":
        raise Refused("version_conflict", f"The version is {row.status}, not superseded.")
    if row.created_by == reviewer:
        raise Refused("four_eyes", "Whoever wrote a version may not bring it back.")
    await _put_into_force(connection, kind, tenant_id, row, reviewer, note)
    detail = {"from": before.version}
    await _record(connection, kind, tenant_id, row.id, version, "rolled_back", reviewer, detail)


async def _locked(connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, version: int) -> Any:
    await connection.execute(_statement(LOCK, kind), {"tenant_id": tenant_id})
    return await find(connection, kind, tenant_id, version)


def _require(row: Any, statuses: Collection[str]) -> None:
    if row.status not in statuses:
        raise Refused("version_conflict", f"The version is {row.status}.")


def _require_base(row: Any, in_force: int, replaces: int | None) -> None:
    """What was published after a draft was written is not in the draft, and would be gone without a word."""
    if replaces is not None and replaces != in_force:
        raise Refused("version_conflict", f"Version {in_force} is in force, not {replaces}.")
    if replaces == in_force or row.based_on == in_force:
        return
    base = f"version {row.based_on}" if row.based_on is not None else "a version that is not known"
    raise Refused(
        "version_conflict",
        f"The draft was written when {base} was in force. Version {in_force} is now, and what that changed would be "
        f"lost: read `/diff`, and draft both together; or publish with `replaces: {in_force}` to lose it on purpose.",
    )


async def _put_into_force(
    connection: AsyncConnection, kind: RuleKind, tenant_id: UUID, row: Any, reviewer: UUID, note: str | None
) -> None:
    # What was allowed when it was written may be below the minimum of this release.
    try:
        wrong = kind.wrong(kind.document.model_validate(row.definition))
    except ValidationError:
        raise Refused("version_conflict", "The version is not valid any more: write it anew.") from None
    if wrong:
        raise Refused("version_conflict", f"The version is not allowed any more: {wrong[0][1]}.")
    where = {"tenant_id": tenant_id, "version": row.version}
    await connection.execute(_statement(SUPERSEDE, kind), where)
    await connection.execute(_statement(PUBLISH, kind), {**where, "reviewer": reviewer, "note": note})


async def _record(
    connection: AsyncConnection,
    kind: RuleKind,
    tenant_id: UUID,
    row_id: UUID,
    version: int,
    done: str,
    actor: UUID,
    more: Mapping[str, Any] | None = None,
) -> None:
    await audit.record(
        connection, tenant_id, f"{kind.noun}.{done}", actor=("user", actor), subject=(kind.noun, row_id),
        detail={"version": version, **(more or {})},
    )  # fmt: skip


LOCK = "SELECT version FROM {table} WHERE tenant_id = :tenant_id AND status = 'published' FOR UPDATE"
KNOWN = "SELECT version FROM {table} WHERE tenant_id = :tenant_id AND id = :id"
FIND = "SELECT * FROM {table} WHERE tenant_id = :tenant_id AND version = :version"
PUBLISHED = "SELECT * FROM {table} WHERE tenant_id = :tenant_id AND status = 'published'"
ADD = """
    INSERT INTO {table} (tenant_id, id, version, status, definition, based_on, created_by, note)
    SELECT :tenant_id, :id, coalesce(max(version), 0) + 1, 'draft', CAST(:definition AS jsonb), :base, :author, :note
    FROM {table} WHERE tenant_id = :tenant_id RETURNING version
"""
SUPERSEDE = "UPDATE {table} SET status = 'superseded' WHERE tenant_id = :tenant_id AND status = 'published'"
PUBLISH = """
    UPDATE {table} SET status = 'published', published_by = :reviewer, published_at = now(),
        review_note = coalesce(CAST(:note AS text), review_note)
    WHERE tenant_id = :tenant_id AND version = :version
"""
REJECT = """
    UPDATE {table} SET status = 'rejected', rejected_by = :reviewer, rejected_at = now(), review_note = :note
    WHERE tenant_id = :tenant_id AND version = :version
"""
DELETE_PARTS = "DELETE FROM {parts} WHERE tenant_id = :tenant_id AND version = :version"


def _statement(template: str, kind: RuleKind) -> TextClause:
    return text(template.format(table=kind.table))
