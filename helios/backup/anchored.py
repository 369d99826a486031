"""What a restored database is held against: the anchors, which outlived it and know who was erased since."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from helios.audit_log.anchors import Anchor, FolderAnchor, anchor_folder, anchor_of
from helios.audit_log.checkpoints import CheckpointError
from helios.audit_log.key_chain import KeyChain, KeyChainError
from helios.audit_log.keys import signing_keys
from helios.database import Database
from helios.embedded.errors import StackError
from helios.keyring import Keyring
from helios.privacy import journal
from helios.settings import Settings

SEALED = text("SELECT EXISTS (SELECT FROM audit_checkpoints WHERE tenant_id = :tenant_id)")
ERASED = text("SELECT id FROM customers WHERE tenant_id = :tenant_id AND erased_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Anchored:
    """What the anchors know of a tenant. `problems`: why they may not be all.

    size    entries of its audit log
    newest  version of the key that signed last; higher than the database's where it was rotated after the backup
    """

    tenant_id: UUID
    size: int
    newest: int
    erased: Sequence[UUID]
    problems: Sequence[str]


def anchors_of(config: Settings) -> list[Anchor]:
    """The one in use, and the folder that was before a bucket was named."""
    used = anchor_of(config)
    return [used] if isinstance(used, FolderAnchor) else [used, FolderAnchor(anchor_folder(config))]


async def read_anchors(database: Database, keyring: Keyring, anchors: Sequence[Anchor], tenant_id: UUID) -> Anchored:
    """Raises `StackError` for an anchor that does not answer: it is not an empty one."""
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
    erased = dict.fromkeys(customer for each in journals for customer in each.erased)
    problems = [*wrong, *(problem for each in journals for problem in each.problems)]
    if sealed and not size:
        problems.append("no checkpoint of its audit log is there")
    if missing := known - erased.keys():
        problems.append(f"{len(missing)} customers were erased before the backup and are not in the list of erasures")
    return Anchored(tenant_id, size, keys.newest, list(erased), problems)


def _followed(own: KeyChain, notes: Sequence[str]) -> tuple[KeyChain, list[str]]:
    """With the keys that came after the backup, and what is wrong with them."""
    try:
        keys = own.followed(notes)
    except KeyChainError as error:
        return own, [str(error)]
    if keys.revoked(own.newest):
        return keys, [f"key {own.newest} of its audit log, the backup's newest, was revoked since"]
    return keys, []


def _entries(notes: Sequence[str], keys: KeyChain) -> int:
    """How many entries the anchor knows of. What is no checkpoint, `audit verify` names."""
    size = 0
    for note in notes:
        with suppress(CheckpointError):
            checkpoint = keys.verify(note)
            size = checkpoint.size if checkpoint.lost else max(size, checkpoint.size)
    return size
