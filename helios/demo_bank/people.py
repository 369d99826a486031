"""Who works at the demo bank, and the secrets they sign in with: made once per stack, never in the repository."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helios.tenant_settings import TenantSettings

TENANT = "meridian"
BANK = "Meridian Bank"
# Its articles are in English, German and Spanish. Whoever writes another language is told so in their own, and a person
# is offered.
LANGUAGES = ("en", "de", "es", "fr", "ar", "tr")
SETTINGS = TenantSettings(demo=True, languages=LANGUAGES, link_domains=("meridian.example",))
STAFF = {
    "admin": "Ada Admin",
    "supervisor": "Sofia Supervisor",
    "agent": "Alex Agent",
    "knowledge_editor": "Kim Editor",
    "knowledge_approver": "Robin Approver",
    "compliance_officer": "Casey Compliance",
    "auditor": "Avery Auditor",
    "analyst": "Ari Analyst",
}


@dataclass(frozen=True, slots=True)
class SignIn:
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class DemoSecrets:
    """The demo bank's API key and its staff's passwords."""

    api_key: str
    users: dict[str, SignIn]

    def public(self) -> dict[str, Any]:
        """The `demo` part of stack.json."""
        return {"tenant": TENANT, "api_key": self.api_key, "users": {r: asdict(user) for r, user in self.users.items()}}


def new_secrets() -> DemoSecrets:
    users = {role: SignIn(f"{role.replace('_', '.')}@meridian.example", secrets.token_urlsafe(12)) for role in STAFF}
    return DemoSecrets(f"hk_demo_{secrets.token_urlsafe(24)}", users)


def secrets_file(home: Path) -> Path:
    """Where HELIOS_HOME keeps them."""
    return home / "keys" / "demo.json"


def load_secrets(path: Path) -> DemoSecrets | None:
    """What an earlier seed wrote; None where there is nothing, or nothing readable."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return DemoSecrets(found["api_key"], {role: SignIn(**found["users"][role]) for role in STAFF})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_secrets(path: Path, made: DemoSecrets) -> None:
    """Readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(made.public(), indent=2), encoding="utf-8")
