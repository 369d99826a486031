"""From every exception that can leave a route to the problem that the caller sees."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.problems import CODES, Problem, render
from api.validation import invalid_request
from helios.crypto import Shredded

log = structlog.get_logger()

RETRY_AFTER_S = 2
BY_STATUS = {
    **{401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable"},
    **{408: "request_timeout", 413: "payload_too_large", 415: "unsupported_media_type"},
}
AWAY = (
    OSError,
    asyncio.TimeoutError,
    PoolTimeout,
    OperationalError,
    InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    # Waited too long for a row, or two waited for each other: nothing was done, and another try may find it free.
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InternalClientError,  # a server that went in mid-statement leaves the protocol in no known state
)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RPCError, _rpc)
    app.add_exception_handler(Shredded, _shredded)
    app.add_exception_handler(WorkflowUpdateFailedError, _update_failed)
    app.add_exception_handler(WorkflowUpdateRPCTimeoutOrCancelledError, _workflow_away)
    app.add_exception_handler(DBAPIError, _database)
    for error in AWAY:
        app.add_exception_handler(error, _away)
    app.add_exception_handler(Exception, _bug)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return render(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return render(request, Problem("malformed_json"))
    return render(request, invalid_request(found))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return render(request, Problem("method_not_allowed", headers={"Allow": _allowed(request)}))
    code = BY_STATUS.get(error.status_code, "internal_error" if error.status_code >= 500 else "invalid_request")
    return render(request, Problem(code, headers=dict(error.headers or {})))


def _allowed(request: Request) -> str:
    """The methods of all routes that have this path; the one that refused knows only its own."""
    methods: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            methods.add(method)
    return ", ".join(sorted(methods))


async def _shredded(request: Request, error: Exception) -> Response:
    return render(request, Problem("customer_erased"))


async def _rpc(request: Request, error: Exception) -> Response:
    assert isinstance(error, RPCError)
    if error.status is RPCStatusCode.NOT_FOUND:
        return render(request, Problem("not_found"))
    if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
        return render(request, Problem("rate_limited", retry_after_s=RETRY_AFTER_S))
    return await _workflow_away(request, error)


async def _update_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, WorkflowUpdateFailedError)
    cause: BaseException | None = error.cause
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    if isinstance(cause, ApplicationError) and cause.type in CODES:
        return render(request, Problem(cause.type, cause.message))
    return await _workflow_away(request, error)


async def _workflow_away(request: Request, error: Exception) -> Response:
    log.warning("workflow engine away", error=type(error).__name__)
    return render(request, Problem("workflow_unavailable", retry_after_s=RETRY_AFTER_S))


async def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    gone = error.connection_invalidated or isinstance(getattr(error.orig, "__cause__", None), AWAY)
    return await (_away if gone else _bug)(request, error)


async def _away(request: Request, error: Exception) -> Response:
    log.warning("dependency away", error=type(error).__name__)
    return render(request, Problem("dependency_unavailable", retry_after_s=RETRY_AFTER_S))


async def _bug(request: Request, error: Exception) -> Response:
    log.error("unexpected", exc_info=error)
    return render(request, Problem("internal_error"))
