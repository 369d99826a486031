"""A route's template: what stands for a request wherever ids must not."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Scope

UNMATCHED = "unmatched"


def remember_templates(app: FastAPI) -> None:
    """Once all routes are there: a route that came with a router knows its path without the router's prefix only."""
    app.state.templates = {id(each.route): each.path_format for each in iter_route_contexts(app.routes)}


def template(scope: Scope | dict[str, Any]) -> str:
    """E.g. `/v1/auth/sessions/{session_id}`; `unmatched` where no route took the request up, or not yet."""
    route = scope.get("route")
    templates: dict[int, str] = getattr(scope["app"].state, "templates", {})
    return templates.get(id(route), getattr(route, "path", UNMATCHED))
