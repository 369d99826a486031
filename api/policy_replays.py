"""What a draft of a policy would have changed: past turns looked at again, before anybody publishes it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import rule_examples as examples
from api.deciding import deciding
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.problems import not_found
from api.rule_models import NewPolicyReplay
from api.rule_versions import Reader
from api.starting import start_later
from api.state import State
from helios.rules.replaying import open_replay, start_replay
from helios.times import moment
from schema.policy_replay import ReplayRef

router = APIRouter(prefix="/v1/policies", tags=["Rules"], route_class=IdempotentRoute)

Offset = Annotated[int, Query(ge=0, le=10_000, description="Changes to skip")]
Most = Annotated[int, Query(ge=1, le=200, description="Changes a page")]

ONE = text("SELECT * FROM policy_replays WHERE tenant_id = :tenant_id AND id = :id")
TALLY = text(
    "SELECT situation, count(*) AS turns FROM policy_replay_changes WHERE tenant_id = :tenant_id AND replay_id = :id "
    "GROUP BY situation ORDER BY situation"
)
CHANGES = text(
    "SELECT * FROM policy_replay_changes WHERE tenant_id = :tenant_id AND replay_id = :id "
    "ORDER BY conversation_id DESC, turn DESC LIMIT :most OFFSET :skip"
)


@router.post(
    "/replay",
    **described(
        examples.REPLAY, "not_found", body={"version": 2, "turns": 1000}, status=202, about="The replay, which runs"
    ),
)
async def replay_policy(body: NewPolicyReplay, request: Request, services: State, reader: Reader) -> Response:
    """Looks at the newest turns again under a version and under the one in force. Read the outcome from its id."""
    ref = ReplayRef(reader.tenant_id, resource_id(request))
    where = {"tenant_id": ref.tenant_id, "id": ref.replay_id}
    async with deciding(services, reader) as connection:
        await open_replay(connection, ref, body.version, body.turns, ("user", reader.id))
        row = (await connection.execute(ONE, where)).one()
    await start_later(start_replay(services.conversations.client, services.settings, ref), "policy replay")
    return JSONResponse(_replay(row, {}), 202)


@router.get("/replays/{replay_id}", **described(examples.REPLAY_WHOLE, "not_found", about="The replay"))
async def read_policy_replay(
    replay_id: UUID, services: State, reader: Reader, skip: Offset = 0, limit: Most = 200
) -> Response:
    """How far it is, and each turn that would have been decided otherwise: before, after, and what differs.

    `by_situation` counts them; `none` are those of no situation.
    """
    where = {"tenant_id": reader.tenant_id, "id": replay_id}
    async with services.database.tenant(reader.tenant_id) as connection:
        row = (await connection.execute(ONE, where)).one_or_none()
        if row is None:
            not_found()
        tally = {_name(each.situation): each.turns for each in await connection.execute(TALLY, where)}
        changes = (await connection.execute(CHANGES, {**where, "skip": skip, "most": limit})).all()
    return JSONResponse({**_replay(row, tally), "items": [_change(each) for each in changes]})


def _name(situation: int | None) -> str:
    return str(situation) if situation is not None else "none"


def _replay(row: Any, tally: dict[str, int]) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("version", "against", "status", "total", "done")},
        **{"id": str(row.id), "created_by": str(row.created_by)},
        **{name: moment(getattr(row, name)) for name in ("created_at", "finished_at")},
        "changed": sum(tally.values()),
        "by_situation": tally,
    }


def _change(row: Any) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("turn", "situation", "reason", "before", "after")},
        "conversation_id": str(row.conversation_id),
    }
