"""Tenants, people and keys as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.described import ID
from api.described import TIME as WHEN

TENANT = {"id": ID, "slug": "harbour", "name": "Harbour Bank", "status": "active", "created_at": WHEN,
          "updated_at": WHEN, "settings_version": 1}  # fmt: skip
SETTINGS = {
    "version": 2,
    "settings": {
        "languages": ["en", "de"],
        "hours": {"zone": "Europe/Berlin", "opens": "09:00", "closes": "17:00", "weekdays": [0, 1, 2, 3, 4],
                  "country": "DE", "closed_on": ["2026-12-24"]},
        "disclosure": {"de": "Hier antwortet die KI der {bank}."},
        "retention": {"communications": 3, "complaints": 4, "disputes": 2, "money_laundering": 5, "books": 6},
        "reports": {"complaints": "month", "reg_e_clocks": "month", "reg_z_clocks": "month", "finra_4530": "never",
                    "ai_oversight": "quarter", "data_requests": "month", "access_review": "quarter"},
        "link_domains": ["harbour.example"],
        "allowed_origins": ["https://www.harbour.example"],
        "generators": [],
        "limits": {"tenant": None, "user": None, "customer": None, "api_key": None},
        "intents": {"margin": 0.02, "accuracy_least": 0.5},
        "confidence_least": 0.3,
        "self_registration": False,
        "sso": {"issuer": "https://login.harbour.example", "client_id": "helioscs", "role_claim": "groups",
                "roles": {"service-desk": ["agent"]}, "default_role": None, "provisioning": True, "required": False,
                "break_glass": []},
        "mfa_required_roles": ["admin"],
        "privacy_four_eyes": False,
        "demo": False,
    },
}  # fmt: skip
SSO = {"issuer": "https://login.harbour.example", "client_id": "helioscs", "client_secret_set": True,
       "redirect_uri": "https://service.harbour.example/v1/auth/sso/harbour/callback"}  # fmt: skip
SETTINGS_VERSION = {"id": ID, "version": 2, "settings": {"languages": ["en", "de"]}, "changed_by": ID,
                    "created_at": WHEN}  # fmt: skip
USER = {"id": ID, "email": "alex@bank.example", "display_name": "Alex Agent", "roles": ["agent"], "status": "active",
        "created_at": WHEN, "updated_at": WHEN}  # fmt: skip
INVITATION = {"id": ID, "email": "alex@bank.example", "roles": ["agent"], "created_at": WHEN, "expires_at": WHEN}
API_KEY = {"id": ID, "name": "website", "prefix": "hk_live_3kZq", "scopes": ["customer_tokens"], "created_at": WHEN,
           "expires_at": None, "last_used_at": None, "status": "active"}  # fmt: skip
NEW_API_KEY = {**API_KEY, "key": "hk_live_3kZq… (shown once)"}
AUDIT_EVENT = {"id": ID, "action": "user.changed", "actor": {"type": "user", "id": ID},
               "subject": {"type": "user", "id": ID}, "detail": {"roles": ["agent"]}, "occurred_at": WHEN}  # fmt: skip


def page(of: Any) -> dict[str, Any]:
    """A list with one of them."""
    return {"items": [of], "next_cursor": None}
