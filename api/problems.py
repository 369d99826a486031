"""Errors as the caller meets them: RFC 9457 problems with a code out of one published table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Code:
    """status  HTTP · title  what happened · help  what a developer does about it (shown at /docs/errors)"""

    status: int
    title: str
    help: str


CODES: dict[str, Code] = {
    "invalid_request": Code(422, "The request is not valid", "Look at `errors`: each names a field by JSON pointer and says what is wrong with it."),
    "invalid_cursor": Code(422, "The cursor is not one of ours", "Use `next_cursor` of the page before, unchanged, with the same filters."),
    "invalid_offset": Code(422, "The offset is not one of ours", "Resume with the `id` of an event that this stream has sent, in `Last-Event-ID` or `?after=`."),
    "malformed_json": Code(422, "The body is not JSON", "Send a JSON object in UTF-8 with `Content-Type: application/json`."),
    "unauthenticated": Code(401, "No valid credentials", "Send `Authorization: Bearer <access token>`; sign in or ask for a new customer token when it has expired."),
    "invalid_credentials": Code(401, "Tenant, e-mail or password is wrong", "Check all three. We don't say which, so that nobody can try out who has an account."),
    "account_locked": Code(429, "Too many failed sign-ins", "Wait for the time in `Retry-After`. The lock doubles with each further failure."),
    "otp_required": Code(401, "A code of the second factor is needed", "Send the request again with `otp`: a code of the authenticator app, or a recovery code."),
    "invalid_otp": Code(401, "The code is wrong or was used", "Each code is good once: wait for the next one. Failures count as failed sign-ins."),
    "mfa_enabled": Code(409, "A second factor is in force", "Remove it first with `DELETE /v1/auth/mfa/totp`."),
    "mfa_not_begun": Code(409, "There is nothing to confirm", "Begin with `POST /v1/auth/mfa/totp`."),
    "mfa_not_enabled": Code(409, "There is no second factor", "Nothing is to be done."),
    "password_needs_factor": Code(409, "The password is too short to stand alone", "Change it to one of at least 15 characters first."),
    "mfa_enrolment_required": Code(403, "A second factor must be set up first", "Your role needs one: `POST /v1/auth/mfa/totp`, then `/confirm`. The same token is good for everything afterwards."),
    "reauthentication_required": Code(403, "This needs a recent sign-in", "Sign in again, or send your password where the operation takes it: a session of more than 10 minutes is not enough."),
    "wrong_password": Code(403, "The password is wrong", "Send your present password. Failures count as failed sign-ins."),
    "weak_password": Code(422, "The password is too easy to guess", "`errors` says why and what to do instead. Length counts, kinds of characters don't."),
    "invalid_reset_token": Code(422, "The code is not valid any more", "Codes are good once and for 30 minutes: ask for a new one with `POST /v1/auth/password/reset-request`."),
    "invalid_invitation": Code(422, "The invitation is not valid any more", "Invitations are good once and for a week: ask whoever invited you for a new one."),
    "registration_closed": Code(403, "Nobody can register here without an invitation", "Ask an admin of the tenant for an invitation."),
    "account_exists": Code(409, "There is an account with this address", "Sign in, or set a new password with `POST /v1/auth/password/reset-request`."),
    "sso_not_configured": Code(404, "There is no single sign-on here", "Sign in with a password, or ask an admin of the tenant to set it up: its setting `sso` and its client secret."),
    "sso_provider_unavailable": Code(503, "The identity provider does not answer", "Nothing was lost. Begin again after `Retry-After`. What went wrong stands in the tenant's audit log, as `auth.sso_failed`."),
    "sso_provider_invalid": Code(502, "The identity provider's answer is not as it must be", "Nobody was signed in. An admin of the tenant finds a word for what is wrong in the audit log, as `auth.sso_failed`, and compares the setting `sso`, the client secret and the provider."),
    "sso_refused": Code(403, "The identity provider did not sign you in", "It was cancelled there, or the provider does not let you in: begin again, or ask its operator."),
    "sso_not_admitted": Code(403, "The identity provider knows you, this bank's tenant does not let you in", "`detail` says why, and who can change it."),
    "invalid_sso_state": Code(422, "This sign-in cannot be continued", "It began in another browser, more than 10 minutes ago, or was continued already: begin again."),
    "invalid_sso_code": Code(422, "The code is not valid any more", "It is good once, for a minute, and with the `verifier` of the page that began: begin again."),
    "sso_required": Code(403, "The tenant's staff signs in at its identity provider", "Begin with `GET /v1/auth/sso/{tenant}/start`. Only accounts that the setting `sso.break_glass` names may use a password."),
    "break_glass_missing": Code(409, "Nobody could sign in without the provider", "Name at least one active admin who has a password in `sso.break_glass`."),
    "invalid_api_key": Code(401, "The API key is not valid", "Send the key in `X-API-Key`. It may have been revoked or have expired."),
    "forbidden": Code(403, "Your role does not allow this", "See /docs/permissions for which role may do what."),
    "tenant_suspended": Code(403, "The tenant is suspended", "Its people and customers are let in again when the operator resumes it."),
    "own_account": Code(403, "Nobody does this to his own account", "Ask another admin."),
    "role_not_grantable": Code(403, "You may not give or take this role", "See /docs/permissions for who may grant which role."),
    "roles_not_separate": Code(409, "Nobody holds a role and the one that checks it", "`detail` names both. Give them to two people; see /docs/permissions."),
    "last_admin": Code(409, "The tenant would be left without an admin", "Give the role to somebody else first."),
    "tenant_has_admin": Code(409, "The tenant has an admin, whose business this is", "Ask an admin of the tenant. The operator invites one, and decides this, only while there is none."),
    "own_tenant": Code(409, "Nobody suspends or deletes the tenant that he belongs to", "Another tenant's platform admin can."),
    "slug_taken": Code(409, "Another tenant has this short name", "Choose another `slug`."),
    "email_taken": Code(409, "Somebody of this tenant has this address", "Look at `GET /v1/users`; a deleted account can be restored."),
    "precondition_required": Code(428, "This change needs `If-Match`", "Read the settings first and send their `ETag` in `If-Match`."),
    "precondition_failed": Code(412, "Somebody has changed it since you read it", "Read it again, apply your change to that, and send its `ETag`."),
    "not_found": Code(404, "There is no such thing", "It does not exist, or not for you: what belongs to others cannot be told apart from what is not there."),
    "method_not_allowed": Code(405, "This method is not allowed here", "The `Allow` header names those that are."),
    "not_acceptable": Code(406, "We cannot answer in that form", "Ask for `application/json` or, where a stream is offered, `text/event-stream`."),
    "conversation_closed": Code(409, "The conversation is closed", "Start a new one with `POST /v1/conversations`."),
    "request_open": Code(409, "The customer has an open request of this kind", "Carry that one out, or refuse it, first: `GET /v1/privacy/requests`."),
    "request_state": Code(409, "The state does not allow this", "Read it again: somebody may have been faster."),
    "customer_erased": Code(409, "The customer is being erased, or has been", "Nothing can be said or opened for them any more. Once the erasure is done, the same `external_id` is a new customer."),
    "already_decided": Code(409, "The draft has been decided", "Somebody was faster: read the escalation again."),
    "escalation_closed": Code(409, "The escalation is closed", "A new request for a person opens a new one."),
    "claimed_by_another": Code(409, "Another agent holds this escalation", "Ask them to release it; a supervisor can take it over."),
    "no_draft": Code(409, "There is no draft to decide about", "Use `respond` with your own words, or wait until a draft is there."),
    "version_conflict": Code(409, "The version's state does not allow this", "Read the version again: somebody may have been faster. Only what waits for review can be approved or rejected, and only what was published before can be rolled back to."),
    "embedder_conflict": Code(409, "The embedder cannot be changed now", "`detail` says what stands in the way: `GET /v1/knowledge/embedder` shows the change that is under way, which can be cancelled."),
    "unknown_embedder": Code(422, "There is no such embedder here", "`GET /v1/knowledge/embedder` lists those that the operator has set up (HELIOS_EMBEDDERS)."),
    "gap_too_small": Code(409, "Too few customers asked this", "Words of customers are shown, and made a draft of, where at least `customers_min` of them asked. Write the article yourself, or wait."),
    "ticket_conflict": Code(409, "The ticket's state, or a regulation, does not allow this", "`detail` says what stands in the way. Read the ticket again: its clocks say which run, and docs/clocks.md which can be extended to which."),
    "rule_not_allowed": Code(422, "The rules may not be changed like this", "`errors` names each place. The safety minimum cannot be lowered or switched off, and what means nothing for a situation is refused, as is a draft that changes nothing: see docs/policies.md."),
    "training_busy": Code(409, "Enough versions are being trained", "Wait until one of them is trained, or reject one: `GET /v1/intents` lists them."),
    "gate_not_passed": Code(409, "The version does worse than it may", "`detail` says in what. Look at its `report`, mend its examples, or publish with `force` and a `note` that says why."),
    "evaluation_required": Code(409, "A suite that guards this has not passed", "`detail` names the suites. Run each with `POST /v1/evaluations/runs`, its `draft` being exactly this version, and mend what fails; or publish with `force` and a `note` that says why. See docs/evaluations.md."),
    "evaluation_busy": Code(409, "Enough suites are running", "Wait until one of them is done: `GET /v1/evaluations/runs` lists them."),
    "knowledge_withdrawn": Code(409, "The draft rests on knowledge that is not in force any more", "Edit the draft, or answer in your own words."),
    "four_eyes": Code(403, "A second person must approve this", "Whose draft or request it is may not approve it."),
    "blocked_by_policy": Code(422, "The text does not pass the bank's rules", "`detail` names the rules. Change the text and send it again."),
    "idempotency_conflict": Code(409, "The idempotency key was used for another request", "Use a new `Idempotency-Key` for a new request, and the same body with the same key."),
    "idempotency_in_progress": Code(409, "The first request with this key is still running", "Send it again after `Retry-After` with the same key: you will get the first one's answer."),
    "not_sealed_yet": Code(409, "The event is not sealed yet", "Ask again after `Retry-After`: events are sealed within seconds."),
    "export_too_large": Code(422, "The log is too large for one answer", "Use `python -m helios audit export` on a machine that reaches the database."),
    "report_too_long": Code(422, "The report has too many rows for one answer", "Ask for a shorter period: a month instead of a quarter."),
    "report_expired": Code(410, "The report's retention has ended", "Its content was deleted, as the tenant's `retention` asks. Its digest stands in the list and in the audit log."),
    "payload_too_large": Code(413, "The body is too large", "JSON bodies end at 64 KiB, forms with a file at 8 MiB."),
    "request_timeout": Code(408, "The request came too slowly", "Send the head within 10 s and the body within 20 s."),
    "uri_too_long": Code(414, "The address is too long", "Addresses end at 16 KiB. Put what is long into a body."),
    "headers_too_large": Code(431, "The headers are too large", "Together they end at 32 KiB."),
    "malformed_request": Code(400, "This is not HTTP as we know it", "Send HTTP/1.1 by RFC 9112; most often a proxy or a hand-made client broke it."),
    "misdirected_request": Code(421, "This host is not ours", "Use the address that the operator published (HELIOS_PUBLIC_URL, HELIOS_ALLOWED_HOSTS)."),
    "origin_not_allowed": Code(403, "Pages of this origin may not call us", "An admin of the tenant names it in the setting `allowed_origins`: scheme, host and port."),
    "unsupported_media_type": Code(415, "The body has the wrong type", "Send `Content-Type: application/json`."),
    "rate_limited": Code(429, "Too many requests", "Wait for the time in `Retry-After`."),
    "too_many_streams": Code(429, "Too many streams are open", "Close those that nobody reads any more, or wait for the time in `Retry-After`. /docs/limits says how many there may be."),
    "dependency_unavailable": Code(503, "A part that we depend on does not answer", "Nothing was lost. Try again after `Retry-After`; the same `client_message_id` or `Idempotency-Key` is safe."),
    "workflow_unavailable": Code(503, "The workflow engine does not answer", "Try again after `Retry-After`. What had been accepted goes on by itself."),
    "internal_error": Code(500, "Something went wrong on our side", "Tell us the `request_id`: it leads us to the log."),
}  # fmt: skip


class Problem(Exception):
    """Raised anywhere below a route; rendered once, here."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail or CODES[code].help
        self.errors = list(errors)
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    @property
    def status(self) -> int:
        return CODES[self.code].status

    def body(self, request_id: str) -> dict[str, Any]:
        known = CODES[self.code]
        body: dict[str, Any] = {
            "type": f"/docs/errors#{self.code}",
            "title": known.title,
            "status": known.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        return {**body, "errors": self.errors} if self.errors else body


def not_found() -> NoReturn:
    raise Problem("not_found")


def request_id_of(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


def render(request: Request, problem: Problem) -> JSONResponse:
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JSONResponse(problem.body(request_id_of(request)), problem.status, headers, media_type=MEDIA_TYPE)


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the problem from outside every route. A WebSocket's handshake is refused with the same answer."""
    if scope["type"] == "websocket":
        log.info("refused", code=problem.code)
        await _refuse_handshake(problem, scope, send)
    else:
        await render(Request(scope), problem)(scope, receive, send)


async def _refuse_handshake(problem: Problem, scope: Scope, send: Send) -> None:
    body = json.dumps(problem.body(str(scope.get("request_id", "")))).encode()
    fields = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    raw = [(name.lower().encode(), value.encode()) for name, value in {**fields, **problem.headers}.items()]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": body})
