"""Where a published article can be read: what citations point to, and what `api/help_pages.py` serves."""

from __future__ import annotations

from urllib.parse import quote

HELP = "/help"


def help_path(tenant: str, language: str, slug: str, version: int) -> str:
    """The path, on the API's origin, of an article as it was in one version. `tenant` and `slug` are short names."""
    return f"{HELP}/{quote(tenant, safe='')}/{quote(language, safe='')}/{quote(slug, safe='')}?version={version}"
