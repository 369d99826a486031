"""What a provider's failure means: one classification for every SDK, HTTP status and error code.

Nothing of a provider's own message is kept: it may echo the customer's words or a part of the key.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from helios.llm.base import FailureKind, GeneratorError

MAX_RETRY_AFTER_S = 3600.0

_CODES: dict[str, tuple[FailureKind, bool]] = {
    # OpenAI and servers that speak its protocol: (kind, whether asking again can help)
    "rate_limit_exceeded": ("rate_limited", True),
    "insufficient_quota": ("rate_limited", False),
    "billing_hard_limit_reached": ("rate_limited", False),
    "server_error": ("unavailable", True),
    "internal_server_error": ("unavailable", True),
    "service_unavailable": ("unavailable", True),
    "invalid_request_error": ("rejected", False),
    "context_length_exceeded": ("rejected", False),
    "content_filter": ("rejected", False),
    "content_policy_violation": ("rejected", False),
    "invalid_api_key": ("rejected", False),
    "model_not_found": ("rejected", False),
    # Anthropic
    "rate_limit_error": ("rate_limited", True),
    "overloaded_error": ("unavailable", True),
    "api_error": ("unavailable", True),
    "timeout_error": ("timeout", True),
    "authentication_error": ("rejected", False),
    "permission_error": ("rejected", False),
    "billing_error": ("rejected", False),
    "not_found_error": ("rejected", False),
    "request_too_large": ("rejected", False),
}

_STATUSES: dict[int, FailureKind] = {408: "timeout", 409: "unavailable", 425: "unavailable", 429: "rate_limited"}


def diagnose(name: str, sdk: Any, error: Exception, *, opened: bool) -> GeneratorError | None:
    """The GeneratorError for what an SDK or the network raised; None if it is none of theirs (a bug of ours).

    `sdk` is the module openai or anthropic: both name their exceptions alike. `opened`: the response had begun.
    """
    import httpx2  # the HTTP client of both SDKs

    broken: FailureKind = "cut_off" if opened else "unavailable"
    match error:
        case GeneratorError():
            return error
        case TimeoutError() | sdk.APITimeoutError() | httpx2.TimeoutException():
            return GeneratorError("timeout", f"{name}: no answer in time")
        case sdk.APIStatusError():
            return _of_status(name, error)
        case sdk.APIResponseValidationError():
            return GeneratorError("invalid_response", f"{name}: not the expected shape")
        case sdk.APIConnectionError() | httpx2.TransportError() | OSError():
            return GeneratorError(broken, f"{name}: connection {'broke' if opened else 'failed'}")
        case sdk.APIError():  # an error object inside an OpenAI stream
            return by_code(name, getattr(error, "body", None))
        case httpx2.HTTPError() | httpx2.StreamError():
            return GeneratorError("invalid_response", f"{name}: unreadable response")
        case ValueError() | TypeError() | AttributeError() | LookupError() | RecursionError():
            return GeneratorError("invalid_response", f"{name}: not the expected shape")
    return None


def by_code(name: str, body: object) -> GeneratorError:
    """The failure that an error object in the middle of a stream tells of; an unknown one counts as unavailable."""
    code = _known_code(body)
    kind, retryable = _CODES.get(code, ("unavailable", True))
    return GeneratorError(kind, f"{name}: error in the stream{_shown(code)}", retryable=retryable)


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait that a response asks for, 0..3600: retry-after-ms, or Retry-After in seconds or as an HTTP date.

    A date is measured against the response's own Date, so that a skewed clock does no harm. None: it asks for nothing.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    at = _timestamp(value)
    if at is None:
        return None
    sent = _timestamp(headers.get("date"))
    return _bounded(at - (sent if sent is not None else time.time() if now is None else now))


def _of_status(name: str, error: Any) -> GeneratorError:
    status = int(error.status_code)
    if status < 400 and not 300 <= status < 400:
        return by_code(name, error.body)  # Anthropic's error event inside a stream that began with 200
    code = _known_code(error.body)
    kind = _STATUSES.get(status) or ("timeout" if status == 504 else "unavailable" if status >= 500 else "rejected")
    exhausted = kind == "rate_limited" and not _CODES.get(code, ("", True))[1]
    return GeneratorError(
        kind,
        f"{name}: HTTP {status}{_shown(code)}",
        retry_after_s=None if kind == "rejected" else retry_after_s(error.response.headers),
        retryable=False if exhausted else None,
    )


def _known_code(body: object) -> str:
    """The first of an error object's `code` and `type` that is in the table. Others could hold anything."""
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return ""
    named = (inner.get("code"), inner.get("type"))
    return next((code for code in named if isinstance(code, str) and code in _CODES), "")


def _shown(code: str) -> str:
    return f" ({code})" if code else ""


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _timestamp(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
