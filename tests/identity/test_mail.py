"""Mail reaches a server that speaks SMTP, or a file that only its owner can read."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from helios.mail import FileMail, Mail, MailError, SmtpMail, open_mailer
from helios.settings import Settings
from tests.identity.smtp_server import smtp_server

MAIL = Mail("noor@bank.example", "Ein neues Paßwort – für Sie", "Grüße.\n.\n..\nThe code: " + "x" * 900 + "\nEnd")


def mailer(url: str, **other: Any) -> Any:
    return open_mailer(Settings(mail_url=SecretStr(url), **other))


async def test_a_mail_arrives_whole_over_smtp() -> None:
    async with smtp_server() as inbox:
        await mailer(f"smtp://127.0.0.1:{inbox.port}", mail_from="The Bank <bank@example.com>").send(MAIL)
    (mail,) = inbox.mails
    assert inbox.recipients == ["TO:<noor@bank.example>"]
    assert (mail["To"], mail["From"], mail["Subject"]) == (MAIL.to, "The Bank <bank@example.com>", MAIL.subject)
    assert mail.get_content().replace("\r\n", "\n").strip() == MAIL.text
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_it_signs_in_where_it_is_told_to() -> None:
    async with smtp_server(user="m@il", password="p:w/d") as inbox:
        await mailer(f"smtp://m%40il:p%3Aw%2Fd@127.0.0.1:{inbox.port}").send(MAIL)
        assert inbox.authenticated
        with pytest.raises(MailError):
            await mailer(f"smtp://m%40il:wrong@127.0.0.1:{inbox.port}").send(MAIL)
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("refuse", ["MAIL", "RCPT", "DATA"])
async def test_a_refusal_is_one_kind_of_error_that_names_nobody(refuse: str) -> None:
    async with smtp_server(refuse=refuse) as inbox:
        with pytest.raises(MailError) as raised:
            await mailer(f"smtp://127.0.0.1:{inbox.port}").send(MAIL)
    assert "noor" not in str(raised.value)
    with pytest.raises(MailError):
        await mailer("smtp://127.0.0.1:1").send(MAIL)


async def test_elsewhere_nothing_is_said_without_tls() -> None:
    """A server that offers no STARTTLS gets neither the password nor the mail."""
    async with smtp_server(user="a", password="b") as inbox:
        elsewhere = SmtpMail("127.0.0.2", inbox.port, "a@b.example", user="a", password="b")
        with pytest.raises(MailError):
            await elsewhere.send(MAIL)
        assert (inbox.mails, inbox.authenticated) == ([], False)


async def test_a_file_holds_the_same_mail_for_its_owner_only(tmp_path: Path) -> None:
    await mailer(f"file:{tmp_path / 'mails'}").send(MAIL)
    (path,) = (tmp_path / "mails").iterdir()
    assert path.suffix == ".eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["To"] == MAIL.to
    assert mail.get_content().replace("\r\n", "\n").strip() == MAIL.text
    unset = open_mailer(Settings(home=tmp_path))
    assert isinstance(unset, FileMail)
    assert unset.folder == tmp_path / "mail"


@pytest.mark.parametrize("to", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
async def test_an_address_smuggles_no_header_in(to: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?i)header"):
        await mailer(f"file:{tmp_path}").send(Mail(to, "s", "t"))


@pytest.mark.parametrize("url", ["http://x", "smtp://", "mail.example.com", "smtps:host"])
def test_another_address_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="HELIOS_MAIL_URL"):
        mailer(url)
