"""Mail to people: over SMTP, or into files where there is no server (the embedded stack).

HELIOS_MAIL_URL says which: `smtps://user:password@host:465` (TLS), `smtp://user:password@host:587` (STARTTLS, which is
demanded but on this machine itself), `file:` (a folder). A mail holds a secret: only their owner can read the files.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from helios.ids import new_id
from helios.settings import Settings

TIMEOUT_S = 10.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORTS = {"smtp": 587, "smtps": 465}


class MailError(Exception):
    """The mail was not handed over. Its text names no address."""


@dataclass(frozen=True, slots=True)
class Mail:
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Raises `MailError`."""


def open_mailer(settings: Settings) -> Mailer:
    """Raises `ValueError` for an address that is none of ours."""
    url = urlsplit(settings.mail_url.get_secret_value() or "file:")
    if url.scheme == "file":
        return FileMail(Path(url.path) if url.path else settings.home / "mail", settings.mail_from)
    if url.scheme not in PORTS or not url.hostname:
        raise ValueError("HELIOS_MAIL_URL must begin with smtp://, smtps:// or file:")
    return SmtpMail(
        url.hostname,
        url.port or PORTS[url.scheme],
        settings.mail_from,
        tls=url.scheme == "smtps",
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
    )


@dataclass(frozen=True, slots=True)
class FileMail:
    """Each mail as a file `ID.eml`."""

    folder: Path
    sender: str

    async def send(self, mail: Mail) -> None:
        try:
            await asyncio.to_thread(self._write, _message(mail, self.sender))
        except OSError as error:
            raise MailError(type(error).__name__) from None

    def _write(self, message: EmailMessage) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.folder / f"{new_id()}.eml"
        draft = name.with_suffix(".part")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(message.as_bytes(policy=SMTP))
        draft.rename(name)


@dataclass(frozen=True, slots=True)
class SmtpMail:
    host: str
    port: int
    sender: str
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    async def send(self, mail: Mail) -> None:
        try:
            await asyncio.to_thread(self._hand_over, _message(mail, self.sender))
        except (OSError, smtplib.SMTPException) as error:  # its text may quote the address
            raise MailError(type(error).__name__) from None

    def _hand_over(self, message: EmailMessage) -> None:
        with self._connect() as server:
            if not self.tls and self.host not in LOOPBACK:
                server.starttls(context=self.context)
            if self.user:
                server.login(self.user, self.password)
            server.send_message(message)

    def _connect(self) -> smtplib.SMTP:
        if self.tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=self.context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    # A header takes no line break: EmailMessage refuses it, so an address cannot smuggle further headers in.
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="helioscs")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
