"""What others rely on is complete: permissions, error codes, texts, settings, commands. Fast: nothing is started."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import string
from collections.abc import Iterator
from http import HTTPStatus
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from fastapi.routing import APIRoute, iter_route_contexts

from api.app import create_app
from api.authentication import asked_by
from api.documents import _permissions
from api.models import NewApiKey
from api.permissions import PERMISSIONS, ROLES, SCOPES
from api.problems import CODES
from docs import settings_page
from helios.commands import COMMANDS
from helios.detection.situations import all_situations
from helios.settings import PROJECT, Settings
from schema.steps import Outcome
from tests.source import calls, constants, files, modules, tree

PUBLIC = {
    "POST /v1/auth/login": "the way to credentials",
    "POST /v1/auth/refresh": "has the refresh token",
    "POST /v1/auth/register": "has an invitation, or asks for one by mail",
    "POST /v1/auth/password/reset-request": "the way back for who forgot: a code goes to the account's own address",
    "POST /v1/auth/password/reset": "has a code out of a mail",
    "GET /v1/auth/sso/{tenant}/start": "the way to credentials at a tenant's provider",
    "GET /v1/auth/sso/{tenant}/callback": "has a provider's code and the state of this sign-in",
    "POST /v1/auth/sso/token": "has the code that the callback gave, and its verifier",
    "POST /v1/customer-tokens": "has a tenant's API key",
    "POST /demo/session": "a token for a visitor of the demo bank, where it is on",
    "POST /codec/encode": "sends back what it is sent",
    "GET /.well-known/jwks.json": "public halves of keys",
    "GET /healthz": "tells nothing but that it lives",
    "GET /readyz": "names parts that are away, nothing else",
    "GET /metrics": "numbers without a person or a tenant; a proxy keeps it inside",
    "GET /docs": "public",
    "GET /docs/errors": "public",
    "GET /docs/permissions": "public",
    "GET /docs/limits": "public",
    "GET /openapi.json": "public",
    "GET /help/{tenant}/{language}/{slug}": "what a tenant published to everybody",
}
"""Operations that anybody may call, and why. Pages and their files are public too: see `pages`."""
INTERNAL_ERROR_TYPES = {
    "bug": "ends the turn as failed",
    "not_for_ops": "a signal has no caller to tell",
    "no_generator": "a case of a suite is asked again",
    "superseded": "between attempts of one step",
    "too_costly": "the version says so, as `failed`",
}
"""Types of errors in workflows and activities that no caller of the API ever sees."""
LANGUAGES = ("en", "de", "es", "fr", "ar", "tr")


def operations() -> Iterator[tuple[str, set[str]]]:
    """Every operation of the API with the permissions that its dependencies ask for."""
    for context in iter_route_contexts(create_app(Settings()).routes):
        route = context.route
        held = set(asked_by(route))
        for method in sorted(context.methods or {"WS"}):
            if method != "HEAD":
                yield f"{method} {context.path_format}", held


def pages() -> set[str]:
    """What `api.pages` serves: the files below `web/`."""
    names = {path.relative_to("web").as_posix() for path in files() if path.parts[0] == "web"}
    return {f"GET /{name.removesuffix('.html')}" for name in names}


def test_every_operation_asks_for_a_permission_or_is_public_on_purpose() -> None:
    seen = dict(operations())
    open_to_all = {name for name, held in seen.items() if not held and not name.startswith("WS ")}
    assert open_to_all - pages() == set(PUBLIC)
    assert len(seen) - len(open_to_all) > 15
    assert set().union(*seen.values()) <= set(PERMISSIONS)


def test_the_page_of_permissions_shows_every_operation_that_asks_and_what_keys_may_do() -> None:
    page = _permissions(create_app(Settings()))
    asking = {name.replace("WS ", "WebSocket ") for name, held in operations() if held}
    assert [name for name in asking if f"<code>{name}</code>" not in page] == []
    assert all(f"<code>{scope}</code>" in page for scope in SCOPES)
    assert all(f"{role}<br>" in page or f"{role}</td>" in page for role in ROLES)
    assert "`" not in page
    assert NewApiKey.model_json_schema()["properties"]["scopes"]["items"]["const"] in SCOPES


def test_no_request_waits_for_a_thread() -> None:
    """FastAPI calls what is no coroutine in a pool of threads: a twentieth of the API's time went into that."""
    waiting = {f"{call.__module__}.{call.__qualname__}" for call in _called() if not inspect.iscoroutinefunction(call)}
    assert waiting == set()


def _called() -> Iterator[Any]:
    """Every endpoint, and every dependency, by the function that runs."""
    routes = [context.route for context in iter_route_contexts(create_app(Settings()).routes)]
    left = [route.dependant for route in routes if isinstance(route, APIRoute)]
    while left:
        dependant = left.pop()
        left += dependant.dependencies
        call = dependant.call
        yield call if inspect.isfunction(call) else getattr(call, "__call__")  # noqa: B004, B009


def test_a_websocket_asks_for_a_permission_itself() -> None:
    """It answers in its own protocol, so its check is no dependency: it says which one it asks for."""
    (opens,) = {ast.literal_eval(call.args[2]) for call in calls(tree(Path("api/websocket.py")), "require_stream")}
    assert [(name, held) for name, held in operations() if name.startswith("WS ")] == [
        ("WS /v1/conversations/{conversation_id}/ws", {opens})
    ]
    asked = {ast.literal_eval(call.args[0]) for call in calls(tree(Path("api/socket_frames.py")), "allows")}
    assert asked
    assert asked <= set(PERMISSIONS)


def test_every_permission_is_asked_for_and_held_by_known_roles() -> None:
    asked = {value for _, module in modules("api") for value in _strings(module) if value in PERMISSIONS}
    assert asked == set(PERMISSIONS)
    assert all(roles and roles <= set(ROLES) for roles in PERMISSIONS.values())


def _strings(module: ast.Module) -> set[str]:
    return {
        node.value
        for name in ("caller", "stream_caller", "allows")
        for call in calls(module, name)
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_error_code_that_is_used_is_published() -> None:
    used = {name for _, module in modules("api") for name in _first_arguments(module, "Problem")}
    used |= {name for _, module in modules("activities") for name in _first_arguments(module, "_refuse")}
    used |= set(_error_types())
    assert used - set(INTERNAL_ERROR_TYPES) <= set(CODES), used - set(CODES)


def _first_arguments(module: ast.Module, function: str) -> Iterator[str]:
    for call in calls(module, function):
        if call.args and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)


def _error_types() -> Iterator[str]:
    for _, module in modules("activities", "workflows"):
        for call in calls(module, "ApplicationError"):
            yield from (
                word.value.value
                for word in call.keywords
                if word.arg == "type" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
            )


def test_every_published_error_code_is_used_and_explained() -> None:
    used = {
        value
        for path, module in modules("api", "activities", "workflows")
        if path != Path("api/problems.py")
        for value in constants(module)
    }
    assert set(CODES) <= used, set(CODES) - used
    for code, known in CODES.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert HTTPStatus(known.status) >= HTTPStatus.BAD_REQUEST, code
        assert known.title
        assert known.help.endswith("."), code


def table(language: str) -> dict[str, str]:
    loaded: dict[str, str] = yaml.safe_load(resources("helios.texts").joinpath(f"{language}.yaml").read_text("utf-8"))
    return loaded


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_in_every_language_with_the_same_values(language: str) -> None:
    assert table(language).keys() == table("en").keys()
    for key, template in table(language).items():
        assert template.strip()
        assert fields(template) == fields(table("en")[key]), f"{key} in {language}"


def test_every_text_that_is_asked_for_is_there() -> None:
    asked = {name for _, module in modules("api", "activities") for name in _first_arguments(module, "say")}
    asked |= {situation.template for situation in all_situations() if situation.template}
    # A turn's reply is the text of its outcome, unless something more fitting is known.
    asked |= {"held_for_review", "unavailable"} | (
        set(get_args(Outcome)) - {"answered", "held", "escalated", "stopped"}
    )
    assert asked <= set(table("en")), asked - set(table("en"))


def test_every_setting_is_documented_and_the_page_is_up_to_date() -> None:
    for field in settings_page.fields():
        assert field.help, f"{field.name} has no docstring in helios/settings.py"
    assert {field.name for field in settings_page.fields()} == set(Settings.model_fields)
    page = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page.page(), "make it again: python -m docs.settings_page > docs/settings.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_can_be_run_and_says_what_it_does(name: str) -> None:
    module: Any = importlib.import_module(f"helios.commands.{name.replace('-', '_')}")
    assert module.__doc__
    assert callable(module.run)
    assert callable(module.add_arguments)


def test_links_in_the_documents_lead_somewhere() -> None:
    broken = []
    for path in files():
        if path.suffix == ".md" and path.parts[0] != "helios":
            for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", (PROJECT / path).read_text("utf-8")):
                if not (PROJECT / path.parent / target).exists():
                    broken.append(f"{path}: {target}")
    assert not broken, broken


def test_every_test_that_the_threat_model_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (PROJECT / "SECURITY.md").read_text("utf-8"))
    assert len(set(named)) > 15
    assert not [each for each in named if not (PROJECT / each).exists()]
