"""A database of its own with the product's schema, in which a log can be forged without anybody noticing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import insert

from helios import audit
from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.sealer import seal
from helios.audit_log.verifier import Report, verify_log
from helios.crypto import RootKey
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.migrations import migrate
from schema.tables import Tenant
from tests.schema.conftest import elsewhere, empty_database

__all__ = ["empty_database"]


@dataclass(slots=True)
class Log:
    """A tenant's audit log, its anchor, and the rights of the database's superuser."""

    database: Database
    admin: asyncpg.Connection
    anchor: FolderAnchor
    root: RootKey
    tenant_id: UUID = field(default_factory=new_id)

    async def open_tenant(self) -> None:
        async with self.database.tenant(self.tenant_id) as connection:
            slug = f"audited-{self.tenant_id.hex[-12:]}"
            await connection.execute(insert(Tenant).values(id=self.tenant_id, slug=slug, name="Audited", settings={}))

    async def record(self, events: int) -> None:
        """Each in a transaction of its own, as most are."""
        for number in range(events):
            async with self.database.tenant(self.tenant_id) as connection:
                await audit.record(
                    connection,
                    self.tenant_id,
                    "turn.completed",
                    actor=("system", None),
                    subject=("conversation", uuid4()),
                    detail={"turn": number, "score": number / 7, "at": datetime.now(UTC).isoformat()},
                )

    async def seal(self, batch: int = 1000) -> int:
        """Seals until nothing is left; how many batches it took."""
        batches = 0
        while await seal(self.database, self.root, self.anchor, self.tenant_id, batch):
            batches += 1
        return batches

    async def verify(self) -> Report:
        return await verify_log(self.database, self.root, self.anchor, self.tenant_id)


@pytest.fixture
async def log(stack: Stack, empty_database: str, tmp_path: Path) -> AsyncIterator[Log]:
    await migrate(empty_database)
    name = empty_database.rsplit("/", 1)[1]
    database = Database(elsewhere(stack.servers.app_dsn, name), pool_size=4)
    admin = await asyncpg.connect(elsewhere(stack.servers.admin_dsn, name))
    made = Log(database, admin, FolderAnchor(tmp_path / "anchor"), RootKey(bytes(32)))
    await made.open_tenant()
    yield made
    await admin.close()
    await database.close()
