"""The operations of the API's document, each with who may ask for it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import schemathesis
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.authentication import asked_by
from api.limits import class_of
from api.permissions import PERMISSIONS
from helios.settings import Settings

REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
ERRORS = "Problem"
"""The schema of every error: a new code in it changes no operation."""
SECRET = "asks for a secret that no case can guess"
SET_UP = "asks for a provider that is set up"
TRAINED = "asks for intents that were trained"
SECOND = "asks for what another person did before"
OUT_OF_REACH = {
    "POST /v1/auth/login": SECRET,
    "POST /v1/auth/register": SECRET,
    "POST /v1/auth/refresh": SECRET,
    "POST /v1/auth/password/change": SECRET,
    "POST /v1/auth/password/reset": SECRET,
    "DELETE /v1/auth/mfa/totp": SECRET,
    "POST /v1/auth/mfa/totp/confirm": SECRET,
    "POST /v1/auth/sso/link": SECRET,
    "POST /v1/auth/sso/token": SECRET,
    "GET /v1/auth/sso/{tenant}/start": SET_UP,
    "GET /v1/auth/sso/{tenant}/callback": SET_UP,
    "GET /v1/tenants/{tenant_id}/sso": SET_UP,
    "PUT /v1/tenants/{tenant_id}/sso/client-secret": SET_UP,
    "DELETE /v1/tenants/{tenant_id}/sso/client-secret": SET_UP,
    "POST /v1/knowledge/sources/{source_id}/rollback": SECOND,
    "POST /v1/knowledge/sources/{source_id}/versions/{number}/follow-ups": "asks for a version that was withdrawn",
    "POST /v1/knowledge/embedder-changes/{change_id}/cancel": "asks for a change that an embedder keeps waiting",
    "POST /v1/privacy/requests/{request_id}/approve": SECOND,
    "POST /v1/privacy/legal-holds/{hold_id}/confirm": SECOND,
    "GET /v1/privacy/requests/{request_id}/export": SECOND,
    "POST /v1/users/{user_id}/mfa/reset": "asks for somebody who has a second factor",
    "POST /v1/tickets/{ticket_id}/meet": "asks for a clock by its name",
    "POST /v1/analytics/knowledge-gaps/{gap_id}/draft": "asks for a gap that three customers met",
    "POST /v1/intents/{version}/publish": TRAINED,
    "POST /v1/intents/{version}/rollback": TRAINED,
    "GET /v1/intents/{version}/confusion.svg": TRAINED,
    "GET /v1/conversations/{conversation_id}/events": "answers for ever: asked of conversations that do not exist only",
}
"""Why no case of an operation can end well. Of every other one some must."""
MUCH_IS_DONE = {"GET /metrics", "GET /v1/conversations/{conversation_id}/replay"}


@dataclass(frozen=True, slots=True)
class Operation:
    """`fingerprint` changes when the operation or one of its schemas does. `label`: e.g. `POST /v1/conversations`."""

    label: str
    schema: Any
    roles: frozenset[str]
    fingerprint: str
    names: frozenset[str]
    """Of what it takes, in path, query, headers and body."""

    @property
    def slow(self) -> bool:
        """Whether a password is hashed on the way, or little is taken and much is done: a tenth has to do."""
        return class_of(*self.label.split(" ")) == "sign_in" or self.label in MUCH_IS_DONE


def operations() -> dict[str, Operation]:
    """Every operation of the document by its label."""
    app = create_app(Settings())
    document = app.openapi()
    schema = schemathesis.openapi.from_dict(document)
    made: list[Any] = [each.ok() for each in schema.get_all_operations()]
    roles = _roles(app)
    return {
        each.label: Operation(
            label=each.label, schema=each, roles=roles.get(each.label, frozenset()),
            fingerprint=fingerprint(document, each.label), names=_names(document, each),
        )
        for each in made
    }  # fmt: skip


def _names(document: dict[str, Any], made: Any) -> frozenset[str]:
    body = document["paths"][made.path][made.method].get("requestBody", {}).get("content", {})
    schema = body.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return frozenset([*(each.name for each in made.iter_parameters()), *schema.get("properties", {})])


def _roles(app: FastAPI) -> dict[str, frozenset[str]]:
    return {
        f"{method} {context.path_format}": frozenset().union(*(PERMISSIONS[each] for each in asked_by(context.route)))
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
    }


def fingerprint(document: dict[str, Any], label: str) -> str:
    method, path = label.split(" ")
    about = json.dumps(document["paths"][path][method.lower()], sort_keys=True)
    schemas: dict[str, str] = {}
    while missing := set(REFERENCE.findall(about + "".join(schemas.values()))) - {*schemas, ERRORS}:
        schemas |= {name: json.dumps(document["components"]["schemas"][name], sort_keys=True) for name in missing}
    return hashlib.sha256((about + json.dumps(schemas, sort_keys=True)).encode()).hexdigest()[:16]
