"""E-mail by Python's own parser: the subject as a heading, and the text."""

from __future__ import annotations

import email
import email.policy

from helios.knowledge.readers.encodings import decode
from helios.knowledge.readers.page import html_to_markdown
from helios.knowledge.readers.refusals import ParsingError, damaged_where_it_breaks


def email_to_markdown(original: bytes) -> str:
    """Attachments are files of their own: they are left out."""
    with damaged_where_it_breaks():
        message = email.message_from_bytes(original, policy=email.policy.default)
        body = message.get_body(preferencelist=("plain", "html"))
        if body is None:
            raise ParsingError("malformed")
        try:
            content = str(body.get_content())
        except (LookupError, ValueError, KeyError):
            content = decode(bytes(body.get_payload(decode=True) or b""))
        if body.get_content_type() == "text/html":
            content = html_to_markdown(content)
        subject = str(message["subject"] or "").strip()
    return f"# {subject}\n\n{content}" if subject else content
