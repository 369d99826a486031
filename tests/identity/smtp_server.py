"""A small SMTP server (RFC 5321, AUTH PLAIN) on loopback, which keeps what it gets and fails where it is told."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Inbox:
    port: int = 0
    user: str = ""
    password: str = ""
    refuse: str = ""
    """A command that is answered with 554."""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    authenticated: bool = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 inbox ready")
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == self.refuse:
                say("554 no")
            elif verb == "EHLO":
                writer.write(b"250-inbox\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
            elif verb == "AUTH":
                given = base64.b64decode(rest.split()[-1]).decode().split("\0")[1:]
                self.authenticated = given == [self.user, self.password]
                say("235 welcome" if self.authenticated else "535 no")
            elif verb == "RCPT":
                self.recipients.append(rest)
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(message_from_bytes(raw[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default))
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                break
            else:
                say("250 ok")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def smtp_server(tls: ssl.SSLContext | None = None, **behaviour: str) -> AsyncIterator[Inbox]:
    inbox = Inbox(**behaviour)  # type: ignore[arg-type]
    server = await asyncio.start_server(inbox.talk, "127.0.0.1", 0, ssl=tls)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield inbox
    finally:
        server.close()
