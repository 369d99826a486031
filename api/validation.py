"""Reading bodies strictly, and saying what is wrong with them without repeating what was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from email.message import Message
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api import models, rule_models
from api.problems import Problem
from helios import tenant_settings

ERRORS_MOST = 20
KNOWN_NAMES = frozenset(
    name
    for model in [*models.Body.__subclasses__(), *rule_models.PARTS, *tenant_settings.PARTS]
    for name in model.model_fields
)


class StrictRequest(Request):
    """Its JSON is UTF-8, has no key twice (two readers could take a different one) and no NaN."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            return read_json(body.decode())
        except ValueError:
            # FastAPI knows this one as a body that is not JSON; the text of the body stays out of it.
            raise json.JSONDecodeError("not JSON", "", 0) from None


def read_json(text: str) -> Any:
    """Raises `ValueError` also for a key that stands there twice, for NaN, and for what is nested too deep."""
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


class StrictRoute(APIRoute):
    """A route whose body, if it takes one, is JSON and says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = set(_query_names(self.dependant))

        async def strict(request: Request) -> Response:
            request = strictly(request)
            if not request.query_params.keys() <= known:
                raise unknown_query()
            for name, value in request.query_params.multi_items():
                if "\0" in value:
                    raise _no_text(name)
            if self.body_field is not None and await request.body() and not _is_json(request):
                raise Problem("unsupported_media_type")
            return await handle(request)

        return strict


def strictly(request: Request) -> StrictRequest:
    """The same request; its body may be read once only, so a request that is strict already stays what it is."""
    return request if isinstance(request, StrictRequest) else StrictRequest(request.scope, request.receive)


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_names(each)


def unknown_query() -> Problem:
    """A filter with a slip of the pen would otherwise give everything. Its name is the caller's, and not repeated."""
    detail = "There is a query parameter that is not known here"
    return Problem("invalid_request", detail, errors=[{"pointer": "query:", "detail": detail}])


def _no_text(name: str) -> Problem:
    """PostgreSQL knows no text with a NUL in it, so nothing can have it."""
    detail = "Text cannot hold a NUL character"
    return Problem("invalid_request", detail, errors=[{"pointer": f"query:{name}", "detail": detail}])


def invalid_request(found: Sequence[Mapping[str, Any]]) -> Problem:
    """A problem with a pointer and a detail for each error. The input itself is not repeated: it may be a secret."""
    errors = [{"pointer": _pointer(each["loc"]), "detail": _detail(each)} for each in found[:ERRORS_MOST]]
    unique = [error for place, error in enumerate(errors) if error not in errors[:place]]
    return Problem("invalid_request", "; ".join(error["detail"] for error in unique[:3]), errors=unique)


def _detail(error: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return "There is a field that is not known here"
    # Its own text quotes the first wrong character.
    return "Input should be a UUID" if kind.startswith("uuid") else str(error["msg"])


def _pointer(location: Sequence[int | str]) -> str:
    """As far as the names are ours: a field that we do not know is named by the caller, and may hold anything."""
    place, *rest = location or ("body",)
    if place not in ("body", "query", "path", "header"):
        place, rest = "body", list(location)
    if place != "body":
        return f"{place}:{'/'.join(str(part) for part in rest)}"
    known: list[str] = []
    for part in rest:
        if not isinstance(part, int) and part not in KNOWN_NAMES:
            break
        known.append(str(part))
    return "".join(f"/{part}" for part in known)


def _is_json(request: Request) -> bool:
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    kind = message.get_content_type()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice")
    return made


def _refuse(_: str) -> NoReturn:
    raise ValueError("no number")
