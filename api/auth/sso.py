"""Single sign-on of staff: OpenID Connect's authorization code flow with PKCE, at the tenant's own provider.

The browser goes `start` → provider → `callback` → the page that began, which gets a code in the fragment of its address
and fetches the tokens for it with a POST. No token ever stands in an address. What a stolen address would be good for:

- `state` is good once, in the browser that holds the cookie of this very sign-in, for one tenant;
- the provider's code is bound to our PKCE verifier, which never left the server;
- our code is good once, for a minute, for the page that knows the verifier of its `challenge`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from api import sso
from api.access_log import Entry
from api.auth import admission
from api.auth.answers import NO_STORE, Anybody
from api.auth.login import NO_TENANT, counted, find_tenant
from api.auth.recent import require_recent_sign_in
from api.described import described
from api.models import SsoLink
from api.problems import Problem
from api.sso import Configured
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit
from helios.crypto import token_hash
from helios.identity.id_tokens import IdTokenError
from helios.identity.providers import Attempt, CodeRefused, ProviderAway, ProviderError
from helios.tenants import SLUG

router = APIRouter(prefix="/sso", route_class=StrictRoute)
# A provider may send parameters that nobody knows, and RFC 6749 §4.1.2 has us pass over them.
callback_router = APIRouter(prefix="/sso")

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
COOKIE = "helios_sso_"
Slug = Annotated[str, Path(max_length=128, description="The tenant's short name")]
Code = Annotated[str | None, Query(max_length=4_096)]


def moving(*errors: str, about: str) -> dict[str, Any]:
    """Keywords for the decorator of a route that a browser is sent on by."""
    found = described(None, *errors, status=303, about=about)
    found["responses"][303]["headers"] = {"Location": {"schema": {"type": "string"}}}
    return found


@router.get(
    "/{tenant}/start",
    summary="Begin to sign in at the tenant's provider",
    **moving(
        *("sso_not_configured", "invalid_request", "sso_provider_unavailable", "sso_provider_invalid"),
        "dependency_unavailable",
        about="To the provider",
    ),
)
async def start(
    tenant: Slug,
    request: Request,
    services: State,
    challenge: Annotated[str | None, Query(max_length=128, description="Base64url of SHA-256 of a verifier")] = None,
    return_to: Annotated[str | None, Query(max_length=1_024, description="A page of ours or of the tenant's")] = None,
) -> Response:
    """Sends the browser to the provider. `challenge` is the S256 of a verifier that the page keeps (RFC 7636), and
    `return_to` the page that goes on with the code: a path here, or a page of an origin in `allowed_origins`."""
    found = await sso.configured(services, await _named(services, tenant))
    if challenge is None or not CHALLENGE.fullmatch(challenge):
        raise Problem("invalid_request", "Send `challenge`: the S256 of a verifier, 43 characters of base64url.")
    async with told(services, found.tenant_id, "/v1/auth/sso/{tenant}/start"):
        begun = await begin(services, request, found, return_to, challenge=challenge)
    return begun.bound(RedirectResponse(begun.url, 303, headers=NO_STORE), request)


@router.post(
    "/link",
    summary="Link your account to the tenant's provider",
    **described(
        {"url": "https://login.harbour.example/authorize?client_id=helioscs&state=…"},
        *("unauthenticated", "sso_not_configured", "reauthentication_required", "invalid_request"),
        *("sso_provider_unavailable", "sso_provider_invalid", "dependency_unavailable"),
        body={"return_to": "/desk"},
        about="Where to send the browser; it comes back to the page with `#sso_linked=1`",
    ),
)
async def link(body: SsoLink, request: Request, services: State, caller: Anybody) -> Response:
    """For an account that signed in with its password within the last ten minutes: from then on it may sign in at the
    provider as well. Send it from a page of ours, whose cookie the browser keeps."""
    await require_recent_sign_in(services, caller)
    found = await sso.configured(services, caller.tenant_id)
    async with told(services, found.tenant_id, "/v1/auth/sso/link", caller.id):
        begun = await begin(services, request, found, body.return_to, user_id=caller.id)
    return begun.bound(JSONResponse({"url": begun.url}, headers=NO_STORE), request)


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that is on its way to the provider. `binding` is what only this browser will know of it."""

    url: str
    state: str = field(repr=False)
    binding: str = field(repr=False)

    def bound(self, answer: Response, request: Request) -> Response:
        answer.set_cookie(
            cookie_of(self.state),
            self.binding,
            max_age=sso.STATE_S,
            path="/v1/auth/sso",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",  # it comes back with a navigation from the provider's page
        )
        return answer


async def begin(
    services: Services,
    request: Request,
    found: Configured,
    return_to: str | None,
    *,
    challenge: str = "",
    user_id: UUID | None = None,
) -> Begun:
    """`user_id`: whose account the identity is linked to; None: it signs somebody in."""
    page = sso.page_of(services, request, found.settings, return_to or "")
    if page is None:
        raise Problem("invalid_request", "Send `return_to`: a path here, or a page of an origin in `allowed_origins`.")
    nonce, verifier, binding = (secrets.token_urlsafe(32) for _ in range(3))
    uri = sso.redirect_uri(services, request, found.slug)
    held = {
        **{"issuer": found.sso.issuer, "client_id": found.sso.client_id, "redirect_uri": uri, "nonce": nonce},
        **{"verifier": verifier, "binding": binding, "page": page, "challenge": challenge},
        "user_id": None if user_id is None else str(user_id),
    }
    async with counted():
        state = await sso.states(services).put(found.keys, held)
    async with provider():
        url = await services.providers.send_to(found.client, Attempt(uri, state, nonce, verifier))
    return Begun(url, state, binding)


@callback_router.get(
    "/{tenant}/callback",
    summary="Come back from the tenant's provider",
    **moving(
        *("sso_not_configured", "invalid_sso_state", "sso_refused", "sso_not_admitted", "last_admin"),
        *("sso_provider_unavailable", "sso_provider_invalid", "dependency_unavailable", "invalid_request"),
        about="To the page that began, with `#sso_code=`",
    ),
)
async def callback(
    tenant: Slug,
    request: Request,
    services: State,
    state: Code = None,
    code: Code = None,
    error: Code = None,
    iss: Code = None,
) -> Response:
    """Where the provider sends the browser. Finds the account, or opens it where the tenant lets it, and sends the
    browser to its page with a code that `POST /v1/auth/sso/token` takes once."""
    found = await sso.configured(services, await _named(services, tenant))
    async with told(services, found.tenant_id, "/v1/auth/sso/{tenant}/callback"):
        held = await _take_state(services, request, found, state or "")
        await _require_own_answer(services, found, code, error, iss)
        attempt = Attempt(held["redirect_uri"], state or "", held["nonce"], held["verifier"])
        async with provider():
            claims = await services.providers.redeem(found.client, attempt, code or "")
        page = await _settle(services, found, held, claims)
    answer = RedirectResponse(page, 303, headers=NO_STORE)
    answer.delete_cookie(cookie_of(state or ""), path="/v1/auth/sso")
    return answer


async def _named(services: Services, slug: str) -> UUID:
    """The id of no tenant for what cannot be the name of one."""
    return await find_tenant(services, slug) if re.fullmatch(SLUG, slug) else NO_TENANT


async def _settle(services: Services, found: Configured, held: dict[str, Any], claims: dict[str, Any]) -> str:
    """The page's address, with the code for the tokens or the word that the account is linked."""
    who = admission.person(found.keys, found.sso, claims)
    async with services.database.tenant(found.tenant_id) as connection:
        if held["user_id"] is not None:
            await admission.link(connection, found.tenant_id, UUID(held["user_id"]), who)
            return f"{held['page']}#sso_linked=1"
        user_id = await admission.admit(connection, found.keys, found.sso, who)
    factor = isinstance(claims.get("amr"), list) and "mfa" in claims["amr"]  # RFC 8176
    waiting = {"user_id": str(user_id), "challenge": held["challenge"], "factor": factor}
    async with counted():
        return f"{held['page']}#sso_code={await sso.codes(services).put(found.keys, waiting)}"


async def _take_state(services: Services, request: Request, found: Configured, state: str) -> dict[str, Any]:
    """What was kept for this state, in this browser, of this tenant and the provider that it has now."""
    async with counted():
        held: dict[str, Any] | None = await sso.states(services).take(found.keys, state)
    cookie = request.cookies.get(cookie_of(state), "")
    if held is None or not secrets.compare_digest(held["binding"].encode(), cookie.encode()):
        raise Problem("invalid_sso_state")
    if (held["issuer"], held["client_id"]) != (found.sso.issuer, found.sso.client_id):
        raise Problem("invalid_sso_state")
    return held


async def _require_own_answer(
    services: Services, found: Configured, code: str | None, error: str | None, iss: str | None
) -> None:
    """The provider's answer is this provider's (RFC 9207), and is a code."""
    async with provider():
        names_issuer = (await services.providers.metadata(found.sso.issuer)).names_issuer
    if iss != found.sso.issuer and (iss is not None or names_issuer):
        raise Problem("invalid_sso_state")
    if error is not None or not code:
        raise Problem("sso_refused")


class ProviderAtFault(Problem):
    """`reason` is for the tenant's own people: whoever asks without having signed in learns nothing of a provider's."""

    def __init__(self, code: str, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(code, retry_after_s=retry_after_s)
        self.reason = reason


@asynccontextmanager
async def provider() -> AsyncIterator[None]:
    """What the provider did not do is a problem, in words that hold nothing it said."""
    try:
        yield
    except CodeRefused:
        raise Problem("invalid_sso_state", "The provider does not take its code any more: begin again.") from None
    except ProviderAway as error:
        raise ProviderAtFault("sso_provider_unavailable", error.reason, retry_after_s=5) from None
    except (ProviderError, IdTokenError) as error:
        raise ProviderAtFault("sso_provider_invalid", error.reason) from None


@asynccontextmanager
async def told(services: Services, tenant_id: UUID, route: str, user_id: UUID | None = None) -> AsyncIterator[None]:
    """Each sign-in that fails is in the tenant's audit log, by the code of its problem and what only its own people may
    know of it. `user_id`: who began it, where that is known. What anybody can bring about without signing in anywhere
    is counted, so that a flood fills no log."""
    try:
        yield
    except Problem as problem:
        if user_id is None and not isinstance(problem, admission.NotAdmitted):
            reason = _reason(problem).get("reason", "")
            told_of = Entry("auth.sso_failed", "user", None, "GET", route, problem.status, None, problem.code, reason)
            services.access.count(tenant_id, told_of)
            raise
        who: tuple[audit.ActorType, UUID | None] = ("user", user_id)
        detail = {"code": problem.code, **_reason(problem)}
        async with services.database.tenant(tenant_id) as connection:
            await audit.record(connection, tenant_id, "auth.sso_failed", actor=who, subject=who, detail=detail)
        raise


def _reason(problem: Problem) -> dict[str, str]:
    return {"reason": problem.reason} if isinstance(problem, admission.NotAdmitted | ProviderAtFault) else {}


def cookie_of(state: str) -> str:
    """A cookie for each sign-in: two tabs are two."""
    return COOKIE + token_hash(state).hex()[:16]


def proves(verifier: str, challenge: str) -> bool:
    made: str = create_s256_code_challenge(verifier)
    return secrets.compare_digest(made, challenge)
