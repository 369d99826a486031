"""Codes that come by mail, `TENANT.ID.SECRET`: that one was refused stands in the access log of the tenant it names.

Counted there, so that guessing shows as one event with a high count. Nothing of the code is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.access_log import Entry
from api.problems import Problem
from api.state import Services
from helios.invitations import parse

REFUSED = ("invalid_invitation", "invalid_reset_token")


@asynccontextmanager
async def refused_is_noted(services: Services, code: str, route: str) -> AsyncIterator[None]:
    try:
        yield
    except Problem as problem:
        claimed = parse(code)
        # Whoever guesses names any tenant he likes: only of one that exists can there be an event.
        if problem.code in REFUSED and claimed is not None and await services.tenants.get(claimed[0]) is not None:
            refused = Entry("access.refused", "user", None, "POST", route, problem.status)
            services.access.count(claimed[0], refused)
        raise
