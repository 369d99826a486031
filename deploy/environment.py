"""Prints the environment of docker-compose.yml: `python3 deploy/environment.py > .env`, with new secrets each time.

`--example` prints it without secrets; that is `.env.example`. Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import os
import secrets
import stat
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7)."""


def password() -> str:
    """Letters, digits, `-` and `_`: it can stand in an address and in an SQL literal."""
    return secrets.token_urlsafe(24)


def root_key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


def token_key() -> str:
    """A PEM on one line; Compose reads `\\n` inside double quotes as a line's end."""
    body = b64encode(ED25519_PKCS8 + secrets.token_bytes(32)).decode()
    return f'"-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----\\n"'


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    help: str
    make: Callable[[], str] | None = None
    """Makes a secret; none: it is optional and stands commented out with its default."""
    default: str = ""


VARIABLES = (
    Variable("POSTGRES_ADMIN_PASSWORD", "PostgreSQL's superuser: first start and backups only.", password),
    Variable("POSTGRES_OWNER_PASSWORD", "Owner of the schema: migrations only.", password),
    Variable("POSTGRES_APP_PASSWORD", "The application's role; row-level security binds it.", password),
    Variable("POSTGRES_TEMPORAL_PASSWORD", "Temporal's role, for its two databases.", password),
    Variable("VALKEY_PASSWORD", "Valkey.", password),
    Variable("HELIOS_ROOT_KEY", "Wraps every tenant's key. Without it nothing that is stored can be read.", root_key),
    Variable("HELIOS_TOKEN_KEY", "Signs access tokens (Ed25519).", token_key),
    Variable("HELIOS_VAULT_URL", "Vault, where it keeps HELIOS_ROOT_KEY: see docs/operations.md."),
    Variable("HELIOS_VAULT_KEY", "The key's name in its Transit engine.", default="helioscs"),
    Variable("HELIOS_VAULT_MOUNT", "Where that engine is mounted.", default="transit"),
    Variable("HELIOS_VAULT_TOKEN", "A token that may decrypt with it."),
    Variable("HELIOS_AUDIT_ANCHOR_S3_URL", "A bucket with object lock for checkpoints: https://ENDPOINT/BUCKET/PREFIX"),
    Variable("HELIOS_AUDIT_ANCHOR_S3_REGION", "Its region.", default="us-east-1"),
    Variable("HELIOS_AUDIT_ANCHOR_S3_KEY_ID", "An access key that may put, lock and list in it: see docs/audit.md."),
    Variable("HELIOS_AUDIT_ANCHOR_S3_SECRET", "That key's secret."),
    Variable("HELIOS_AUDIT_ANCHOR_S3_LOCK_DAYS", "How long nobody can remove a checkpoint.", default="2557"),
    Variable("HELIOS_EMBEDDERS", "Embedders that tenants may choose, as JSON: see docs/embedders.md."),
    Variable("HELIOS_LLM", "Generators in the order they are tried.", default="anthropic,openai,offline"),
    Variable("OPENAI_API_KEY", "Unset: OpenAI is not asked."),
    Variable("OPENAI_BASE_URL", "Another server that speaks OpenAI's protocol."),
    Variable("ANTHROPIC_API_KEY", "Unset: Anthropic is not asked."),
    Variable("ANTHROPIC_BASE_URL", "Another server that speaks Anthropic's protocol."),
    Variable("HELIOS_API_PORT", "The API's port on this machine's loopback.", default="8000"),
    Variable("HELIOS_TEMPORAL_UI_PORT", "The Temporal UI's port on this machine's loopback.", default="8233"),
    Variable(
        "HELIOS_TEMPORAL_UI_URL", "Where people open it: it may ask for payloads.", default="http://127.0.0.1:8233"
    ),
    Variable("HELIOS_WORKERS", "Worker containers.", default="2"),
    Variable("HELIOS_PUBLIC_URL", "Where people reach the API: single sign-on comes back there."),
    Variable("HELIOS_MAIL_URL", "Invitations and codes go through it.", default="smtps://user:password@host:465"),
    Variable("HELIOS_MAIL_FROM", "The sender of our mail."),
    Variable("HELIOS_LOG_LEVEL", "debug, info, warning or error.", default="info"),
)


def lines(*, example: bool) -> list[str]:
    """The file's lines; `example`: with no value behind the names of secrets."""
    head = "made by `python3 deploy/environment.py --example`" if example else "keep it out of version control"
    written = [f"# The environment of docker-compose.yml; {head}."]
    if example:
        written.append(
            "# `python3 deploy/environment.py > .env` makes one with new secrets. Keep a copy of it with the backups."
        )
    for variable in VARIABLES:
        written += ["", f"# {variable.help}"]
        if variable.make is None:
            written.append(f"#{variable.name}={variable.default}")
        else:
            written.append(f"{variable.name}={'' if example else variable.make()}")
    return written


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", action="store_true", help="without secrets")
    example: bool = parser.parse_args(arguments).example
    if not example and sys.stdout.isatty():
        parser.error("it prints secrets: send it to a file, `> .env`")
    if not example and stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        os.fchmod(sys.stdout.fileno(), 0o600)
    sys.stdout.write("\n".join(lines(example=example)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
