"""Documents that are made from code: the errors, the permissions, and the API itself, all without the internet."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from typing import get_args

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts

from api.authentication import asked_by
from api.limits import LIMITS, MEANS, OPEN_STREAMS, Scope
from api.permissions import GRANTS, OPERATORS_SETTINGS, PERMISSIONS, ROLES, SCOPES, SEPARATE
from api.problems import CODES

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8884;padding:.4rem;text-align:left;"
    "vertical-align:top}code{font:14px ui-monospace,monospace;overflow-wrap:break-word}:target{background:#fe08}"
    ".verb{display:inline-block;min-width:4.5rem;font-weight:600}"
)


PAGES = {"operations": "/docs", "errors": "/docs/errors", "permissions": "/docs/permissions", "limits": "/docs/limits",
         "the whole document": "/openapi.json"}  # fmt: skip


def style_policy(style: str) -> dict[str, str]:
    """The page has this one style, named by its hash: any other text in its place is not taken."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    }


CSP = style_policy(STYLE)


def router(app: FastAPI) -> APIRouter:
    made = APIRouter(include_in_schema=False)

    @made.get("/docs")
    async def operations() -> HTMLResponse:
        return HTMLResponse(_operations(app), headers=CSP)

    @made.get("/docs/errors")
    async def errors() -> HTMLResponse:
        rows = [(f'<code id="{code}">{code}</code>', str(known.status), _text(known.title), _prose(known.help))
                for code, known in CODES.items()]  # fmt: skip
        intro = "Every error is <code>application/problem+json</code> (RFC 9457) with one of these codes."
        return HTMLResponse(
            _page("Errors", intro, _table(("Code", "Status", "What happened", "What to do"), rows)), headers=CSP
        )

    @made.get("/docs/permissions")
    async def permissions() -> HTMLResponse:
        return HTMLResponse(_permissions(app), headers=CSP)

    @made.get("/docs/limits")
    async def limits() -> HTMLResponse:
        scopes = get_args(Scope)
        rows = [(f"<code>{kind}</code>", _prose(MEANS[kind]), *(str(row.get(scope, "")) for scope in scopes))
                for kind, row in LIMITS.items()]  # fmt: skip
        open_at_once = " and ".join(f"{most} of a {scope}" for scope, most in OPEN_STREAMS.items())
        intro = (
            "Requests a minute, counted for each whom a request speaks for; a tenant's over a few seconds. "
            "A tenant may have lower ones. <code>RateLimit</code> and <code>RateLimit-Policy</code> say how they "
            f"stand. Streams and sockets that may be open at once in a process: {open_at_once}."
        )
        head = ("Requests", "What they are", *(scope.replace("_", " ") for scope in scopes))
        return HTMLResponse(_page("Limits", intro, _table(head, rows)), headers=CSP)

    return made


def _operations(app: FastAPI) -> str:
    spec = app.openapi()
    rows = []
    for path, verbs in spec["paths"].items():
        for verb, operation in verbs.items():
            about = operation.get("description", operation.get("summary", ""))
            rows.append((f'<span class="verb">{verb.upper()}</span> <code>{_text(path)}</code>', _prose(about)))
    intro = "Every operation. Its parameters, examples and errors are in the whole document."
    return _page(spec["info"]["title"], intro, _table(("Operation", "What it does"), rows))


def _permissions(app: FastAPI) -> str:
    asking: dict[str, list[str]] = {}
    for context in iter_route_contexts(app.routes):
        for permission in asked_by(context.route):
            for method in sorted(context.methods or {"WebSocket"}):
                asking.setdefault(permission, []).append(f"<code>{method} {_text(str(context.path_format))}</code>")
    rows = [
        (
            f"<code>{name}</code>",
            "<br>".join(asking.get(name, ())),
            "<br>".join(each for each in ROLES if each in roles),
        )
        for name, roles in PERMISSIONS.items()
    ]
    grants = [(giver, ", ".join(sorted(given))) for giver, given in GRANTS.items()]
    apart = [(one, ", ".join(sorted(others))) for one, others in SEPARATE.items()]
    intro = (
        "Which role may do what. A thing of another tenant does not exist for anybody (404); a customer sees only "
        "what is their own. Nobody changes his own roles, and a tenant keeps its last admin."
    )
    whole = _table(("Permission", "Operations that ask for it", "Who has it"), rows)
    giving = f"<h2>Who gives and takes which role</h2>{_table(('Role', 'Roles'), grants)}"
    separate = f"<h2>Which roles nobody holds together</h2>{_table(('Role', 'Not with'), apart)}"
    operator = (
        "<h2>What the operator changes in a tenant that has an admin</h2><p>Of its settings a platform_admin changes "
        f"{', '.join(sorted(OPERATORS_SETTINGS))} and no other, and invites no further admin.</p>"
    )
    keys = [(f"<code>{name}</code>", _prose(about)) for name, about in SCOPES.items()]
    scopes = f"<h2>What an API key may do</h2>{_table(('Scope', 'What it is for'), keys)}"
    return _page("Permissions", intro, whole + scopes + giving + separate + operator)


def _page(title: str, intro: str, body: str) -> str:
    pages = " · ".join(f'<a href="{path}">{name}</a>' for name, path in PAGES.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{STYLE}</style><nav>{pages}</nav><h1>{_text(title)}</h1><p>{intro}</p>{body}</html>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    header = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{body}</table>"


def _text(value: str) -> str:
    return html.escape(value)


def _prose(value: str) -> str:
    """Text in which backticks stand around code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(value))
