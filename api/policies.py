"""Policies: what each situation demands, in versions that a second person publishes."""

from __future__ import annotations

from fastapi import Request, Response

from api import rule_examples as examples
from api.described import described
from api.rule_models import NewPolicy
from api.rule_versions import Writer, draft, versions_router
from api.state import State
from helios.rules.policy_document import PolicyDocument
from helios.rules.versions import POLICIES

router = versions_router(POLICIES, "/v1/policies", "Rules", examples.POLICY)
BODY = {"note": "The ombudsman's desk takes complaints", "situations": [{"number": 6, "queue": "ombudsman"}]}


@router.post("", **described(examples.POLICY, "rule_not_allowed", body=BODY, status=201, about="The draft"))
async def draft_policy(body: NewPolicy, request: Request, services: State, writer: Writer) -> Response:
    """A new draft. It changes nothing until a second person publishes it."""
    document = PolicyDocument(situations=tuple(body.situations))
    return await draft(services, POLICIES, writer, request, document, body.note)
