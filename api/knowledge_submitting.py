"""What an editor hands in, read: a body becomes a submission, or a problem that says which field is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.cleaning import clean
from api.languages import language_of
from api.models import NewSource
from api.problems import Problem
from api.uploads import content_of
from helios.knowledge.submission import LANGUAGE_SAMPLE, Submission
from helios.outbound import UrlRefused, check_url
from helios.tokens import Identity


def body_content(body: NewSource) -> tuple[bytes, str]:
    """What was handed in, with its media type."""
    if (body.text is None) == (body.file is None):
        raise _invalid("/text", "either text or file is required, or url alone")
    if body.title is None:
        raise _invalid("/title", "is required")
    if body.text is not None:
        return body.text.encode(), "text/markdown"
    assert body.file is not None
    return content_of(body.file)


def allowed_address(url: str) -> str:
    """The address in the form in which it is fetched. Raises a problem for one that leads to no public place."""
    try:
        return check_url(url).url
    except UrlRefused:
        raise _invalid("/url", "is not the http or https address of a public place") from None


async def submission_of(
    editor: Identity, body: NewSource, original: bytes | None, media_type: str, known: Any | None
) -> Submission:
    """What the body leaves out is as in the source that it is a version of, `known`."""
    begins = body.effective_at or datetime.now(UTC)
    if body.expires_at is not None and body.expires_at <= max(begins, datetime.now(UTC)):
        raise _invalid("/expires_at", "is not after the beginning")
    language = body.language or (known.language if known is not None else await _language(original or b""))
    if known is not None and language != known.language:
        raise _invalid("/language", "a source has one language: hand this in as a source of its own")
    tags = known.tags if known is not None and body.tags is None else body.tags or ()
    audiences = known.audiences if known is not None and body.audiences is None else body.audiences or ()
    category = body.category or (known.category if known is not None else None)
    return Submission(
        title=clean(body.title or ""),
        original=original,
        media_type=media_type,
        language=language,
        visibility=body.visibility or (known.visibility if known is not None else "public"),
        submitted_by=editor.id,
        source_id=body.source_id,
        slug=body.slug,
        category=clean(category) if category else None,
        tags=tuple(clean(tag) for tag in tags),
        audiences=tuple(clean(each) for each in audiences),
        url=clean(body.url) if body.url else (known.url if known is not None else None),
        effective_at=body.effective_at,
        expires_at=body.expires_at,
    )


async def _language(original: bytes) -> str:
    return await language_of(original[: 4 * LANGUAGE_SAMPLE].decode(errors="ignore")[:LANGUAGE_SAMPLE])


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid_request", errors=[{"pointer": pointer, "detail": detail}])
