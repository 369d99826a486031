"""Knowledge gaps: what customers asked and nothing answered, as groups of questions that ask the same."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime
from sqlalchemy import text

from api import knowledge_examples as examples
from api.authentication import caller
from api.described import described
from api.gap_presentation import Interval, gap_json, read_ones
from api.idempotency import IdempotentRoute
from api.problems import Problem
from api.starting import start_later
from api.state import State
from helios import audit
from helios.knowledge.gaps import CUSTOMERS_MIN, KEPT_DAYS, Status
from helios.knowledge.starting import start_gaps
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(prefix="/v1/analytics/knowledge-gaps", tags=["Analytics"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("analytics.read"))]
Editor = Annotated[Identity, Depends(caller("knowledge.write"))]
Since = Annotated[AwareDatetime | None, Query(alias="from", description=f"RFC 3339; {KEPT_DAYS} days ago by default")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="RFC 3339, exclusive; now by default")]
Named = Annotated[str | None, Query(max_length=64)]
Most = Annotated[int, Query(ge=1, le=50, description="Gaps, those with the most questions first")]

QUESTIONS = text(
    """
    SELECT kept.*, threads.customer_id FROM gap_questions AS kept
    JOIN threads ON threads.tenant_id = kept.tenant_id AND threads.id = kept.conversation_id
    WHERE kept.tenant_id = :tenant_id AND kept.gap_id IS NOT NULL
      AND kept.asked_at >= :since AND kept.asked_at < :until
      AND (CAST(:channel AS text) IS NULL OR kept.channel = :channel)
      AND (CAST(:language AS text) IS NULL OR kept.language = :language)
      AND (CAST(:intent AS text) IS NULL OR kept.intent = :intent)
    ORDER BY kept.gap_id, kept.place
    """
)
GAPS = text(
    "SELECT * FROM knowledge_gaps WHERE tenant_id = :tenant_id AND (CAST(:status AS text) IS NULL OR status = :status)"
)


@router.get("", **described(examples.GAPS, "forbidden", about="The gaps"))
async def list_knowledge_gaps(
    services: State,
    reader: Reader,
    since: Since = None,
    until: Until = None,
    interval: Interval = "week",
    channel: Named = None,
    language: Named = None,
    intent: Named = None,
    status: Status | None = None,
    limit: Most = 20,
) -> Response:
    """What nothing answered in this time, by what it asks. Words are shown of a gap that at least `customers_min`
    different customers asked about; they are redacted, and their customers' erasure takes them away.
    """
    begins, ends = _span(since, until)
    where = {"tenant_id": reader.tenant_id, "since": begins, "until": ends, "channel": channel, "language": language,
             "intent": intent}  # fmt: skip
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(QUESTIONS, where)).all()
        gaps = (await connection.execute(GAPS, {"tenant_id": reader.tenant_id, "status": status})).all()
    asked: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        asked[row.gap_id].append(row)
    found = sorted((gap for gap in gaps if gap.id in asked), key=lambda gap: (-len(asked[gap.id]), gap.id))
    shown = found[:limit]
    read = [each.customer_id for gap in shown for each in read_ones(asked[gap.id])]
    keys = await services.keyring.customers(reader.tenant_id, read)
    answer = {
        "from": moment(begins),
        "to": moment(ends),
        "interval": interval,
        "customers_min": CUSTOMERS_MIN,
        "gaps": len(found),
        "questions": sum(len(asked[gap.id]) for gap in found),
        "items": [gap_json(gap, asked[gap.id], keys, interval) for gap in shown],
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@router.post("/refresh", **described(examples.GAPS_STARTED, "forbidden", status=202, about="They are looked for"))
async def refresh_knowledge_gaps(services: State, editor: Editor) -> Response:
    """Looks for gaps now, and for those that the knowledge in force answers by now. A schedule does so each night."""
    async with services.database.tenant(editor.tenant_id) as connection:
        await audit.record(connection, editor.tenant_id, "knowledge_gaps.refreshed", actor=("user", editor.id),
                           subject=("tenant", editor.tenant_id))  # fmt: skip
    started = start_gaps(services.conversations.client, services.settings, editor.tenant_id)
    await start_later(started, "knowledge gaps")
    return JSONResponse(examples.GAPS_STARTED, 202)


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    ends = until or datetime.now(UTC)
    begins = since or datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    if ends <= begins:
        raise Problem("invalid_request", errors=[{"pointer": "query:to", "detail": "must be later than `from`"}])
    return begins, ends
