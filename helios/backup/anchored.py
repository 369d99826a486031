"""What a restored database is held against: the anchors, which outlived it and know who was erased since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from helios.audit_log.anchors import KEPT, Anchor, FolderAnchor, anchor_folder, anchor_of
from helios.audit_log.checkpoints import CheckpointError
from helios.audit_log.key_chain import KeyChain, KeyChainError
from helios.audit_log.keys import signing_keys
from helios.database import Database
from helios.embedded.errors import StackError
from helios.keyring import Keyring
from helios.privacy import journal
from helios.privacy.journal import Erasure
from helios.settings import Settings

SEALED = text("SELECT EXISTS (SELECT FROM audit_checkpoints WHERE tenant_id = :tenant_id)")
ERASED = text("SELECT id FROM customers WHERE tenant_id = :tenant_id AND erased_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Anchored:
    """What the anchors know of a tenant. `problems`: why they may not be all.

    size     entries of its audit log
    newest   version of the key that signed last; higher than the database's where it was rotated after the backup
    revoked  the database's newest key is not trusted any more: the log cannot go on in these anchors
    """

    tenant_id: UUID
    size: int
    newest: int
    revoked: bool
    erased: Mapping[UUID, Erasure]
    problems: Sequence[str]


def anchors_of(config: Settings) -> list[Anchor]:
    """The one in use, and the folder that was before a bucket was named."""
    used = anchor_of(config)
    return [used] if isinstance(used, FolderAnchor) else [used, FolderAnchor(anchor_folder(config))]


def anchor_at(config: Settings, place: str) -> Anchor:
    """A folder, or a bucket's address that the settings' keys open."""
    if "://" not in place:
        return FolderAnchor(Path(place))
    return anchor_of(config.model_copy(update={"audit_anchor_s3_url": place}))


async def require_empty(anchor: Anchor, tenants: Sequence[UUID]) -> None:
    """Raises `StackError` for an anchor that a log cannot begin in."""
    try:
        used = [kept for tenant_id in tenants for kept in KEPT if await anchor.notes(tenant_id, kept)]
    except OSError as error:
        raise StackError(f"The restore has not ended, nothing is served: {error}. Run it again.") from None
    if used:
        raise StackError("The anchor of the settings is in use already: name another folder or prefix for it.")


async def read_anchors(
    database: Database, keyring: Keyring, anchors: Sequence[Anchor], tenant_id: UUID, *, moved: bool = False
) -> Anchored:
    """`moved`: the log goes on in another anchor, so that a key may have been revoked in these.

    Raises `StackError` for an anchor that does not answer: it is not an empty one.
    """
    async with database.tenant(tenant_id) as connection:
        own = (await signing_keys(connection, keyring.root, tenant_id)).chain
        sealed = (await connection.execute(SEALED, {"tenant_id": tenant_id})).scalar_one()
        known = set(await connection.scalars(ERASED, {"tenant_id": tenant_id}))
    try:
        keys, wrong = _followed(own, [note for each in anchors for note in await each.notes(tenant_id, "keys")])
        size = _entries(await anchors[0].notes(tenant_id), keys)
        journals = [journal.read(await each.notes(tenant_id, "erasures"), keys.public, tenant_id) for each in anchors]
    except OSError as error:
        raise StackError(f"The restore has not ended, nothing is served: {error}. Run it again.") from None
    erased: dict[UUID, Erasure] = {}
    for each in journals:
        erased = {**each.erased, **erased}
    revoked = keys.revoked(own.newest)
    if revoked and not moved:
        wrong.append(f"key {own.newest} of its audit log, the backup's newest, was revoked since: see --old-anchor")
    problems = [*wrong, *(problem for each in journals for problem in each.problems)]
    if sealed and not size:
        problems.append("no checkpoint of its audit log is there")
    if missing := known - erased.keys():
        problems.append(f"{len(missing)} customers were erased before the backup and are not in the list of erasures")
    return Anchored(tenant_id, size, keys.newest, revoked, erased, problems)


def _followed(own: KeyChain, notes: Sequence[str]) -> tuple[KeyChain, list[str]]:
    """With the keys that came after the backup, and what is wrong with them."""
    try:
        return own.followed(notes), []
    except KeyChainError as error:
        return own, [str(error)]


def _entries(notes: Sequence[str], keys: KeyChain) -> int:
    """How many entries the anchor knows of. What is no checkpoint, `audit verify` names."""
    size = 0
    for note in notes:
        with suppress(CheckpointError):
            checkpoint = keys.verify(note)
            size = checkpoint.size if checkpoint.lost else max(size, checkpoint.size)
    return size
