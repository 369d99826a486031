"""Mail over TLS to a real server's process, and to nobody who cannot show that he is that server."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from helios.mail import MailError, SmtpMail
from helios.settings import PROJECT
from tests.guards.test_outbound import self_signed
from tests.identity.smtp_process import HOST, PASSWORD, USER
from tests.identity.test_mail import MAIL


@asynccontextmanager
async def running(how: str, certificate: Path, folder: Path) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "tests.identity.smtp_process", how, str(certificate), str(folder)),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.parametrize("how", ["starttls", "smtps"])
async def test_a_mail_arrives_over_tls_and_goes_to_nobody_else(how: str, tmp_path: Path) -> None:
    certificate, folder = self_signed(tmp_path, HOST), tmp_path / "mails"
    folder.mkdir()
    known = ssl.create_default_context(cafile=str(certificate))
    async with running(how, certificate, folder) as port:

        def mailer(password: str = PASSWORD, context: ssl.SSLContext = known) -> SmtpMail:
            return SmtpMail(HOST, port, "The Bank <bank@example.com>", how == "smtps", USER, password, context)

        await mailer().send(MAIL)
        for refused in (mailer("wrong"), mailer(context=ssl.create_default_context())):
            with pytest.raises(MailError) as raised:
                await refused.send(MAIL)
            assert "noor" not in str(raised.value)
    (kept,) = folder.iterdir()
    assert kept.name == "0.tls.eml"
    mail = message_from_bytes(kept.read_bytes(), policy=policy.default)
    assert (mail["To"], mail["Subject"]) == (MAIL.to, MAIL.subject)
    assert mail.get_content().replace("\r\n", "\n").strip() == MAIL.text
