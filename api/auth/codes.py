"""Codes that are good once, `TENANT…SECRET`: that one was refused stands in the access log of the tenant it names.

Counted there, so that guessing shows as one event with a high count. Nothing of the code is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.access_log import Entry
from api.problems import Problem
from api.state import Services
from helios.identity.single_use import tenant_of

REFUSED = ("invalid_invitation", "invalid_reset_token", "invalid_sso_code")


@asynccontextmanager
async def refused_is_noted(services: Services, code: str, route: str) -> AsyncIterator[None]:
    try:
        yield
    except Problem as problem:
        claimed = tenant_of(code) if problem.code in REFUSED else None
        # Whoever guesses names any tenant he likes: only of one that exists can there be an event.
        if claimed is not None and await services.tenants.get(claimed) is not None:
            services.access.count(claimed, Entry("access.refused", "user", None, "POST", route, problem.status))
        raise
