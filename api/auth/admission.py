"""Whom a tenant lets in on its identity provider's word, as which account, and with which roles.

Somebody is known by issuer and subject, never by an address: addresses are given to others. A verified address counts
once, where an admin has invited it or the tenant lets accounts be opened; an account that exists is linked by its owner
alone, who has signed in to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.cleaning import clean
from api.permissions import KEPT, not_separate
from api.problems import Problem
from api.staffing import WITHOUT_HOLDER
from api.watching import tell_admins
from helios import audit, staff
from helios.crypto import TenantKeys
from helios.ids import new_id
from helios.staff import ONE_AT_A_TIME, normal_email
from helios.tenant_settings import SingleSignOn
from schema.tables import SsoIdentity

SUBJECT = "sso_identities.subject"
NAME_MOST = 128
EMAIL_MOST = 254
OUTSIDE = frozenset({"platform_admin"})
"""Roles that no provider gives or takes."""
REFUSALS = {
    "email_unverified": "The provider does not say that your e-mail address is verified.",
    "not_invited": "Nobody has invited you: ask an admin.",
    "not_linked": "There is an account with your address. Sign in to it with its password once, and link it.",
    "linked_to_another": "This identity belongs to another account.",
    "no_role": "None of your groups has a role here: ask an admin.",
    "roles_not_separate": "Your groups give you a role that checks one of yours, now or until now: ask an admin.",
    "closed": "Your account is closed: ask an admin.",
}

LINKED = text(
    """
    SELECT users.* FROM sso_identities AS known
    JOIN users ON users.tenant_id = known.tenant_id AND users.id = known.user_id
    WHERE known.tenant_id = :tenant_id AND known.subject_index = :subject_index
    """
)
USE_INVITATION = staff.by_index(
    """
    UPDATE invitations SET redeemed_at = now(), user_id = :user_id
    WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes)
      AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > now() RETURNING id, roles
    """
)
GIVE_ROLES = text("UPDATE users SET roles = :roles, updated_at = now() WHERE tenant_id = :tenant_id AND id = :id")


class NotAdmitted(Problem):
    def __init__(self, reason: str) -> None:
        super().__init__("sso_not_admitted", REFUSALS[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has signed in. `email` only where it is verified. `roles` None: it is not asked about them."""

    index: bytes
    email: str | None
    name: str
    roles: tuple[str, ...] | None


def person(keys: TenantKeys, sso: SingleSignOn, claims: Mapping[str, Any]) -> Person:
    """Out of an ID token's claims, which were checked."""
    index = keys.blind_index(f"{sso.issuer}|{claims['sub']}", SUBJECT)
    email = claims.get("email")
    verified = isinstance(email, str) and "@" in email and len(email) <= EMAIL_MOST
    address = normal_email(str(email)) if verified and claims.get("email_verified") is True else None
    told = claims.get("name")
    name = clean(told).strip()[:NAME_MOST] if isinstance(told, str) and told.isprintable() else ""
    return Person(index, address, name or (address or "").partition("@")[0], sso.roles_for(claims))


async def admit(connection: AsyncConnection, keys: TenantKeys, sso: SingleSignOn, who: Person) -> UUID:
    """The account that this person may use, opened where it may be. Raises `NotAdmitted`, or a problem."""
    where = {"tenant_id": keys.tenant_id, "subject_index": who.index}
    user = (await connection.execute(LINKED, where)).one_or_none()
    if user is None:
        # Two first sign-ins of one person side by side: the second finds what the first has made.
        await connection.execute(ONE_AT_A_TIME, where)
        user = (await connection.execute(LINKED, where)).one_or_none()
    if user is None:
        return await _open_account(connection, keys, sso, who)
    if user.deleted_at is not None or user.deactivated_at is not None:
        raise NotAdmitted("closed")
    if who.roles is not None:
        await _give_roles(connection, keys, user, who.roles)
    return UUID(str(user.id))


async def link(connection: AsyncConnection, tenant_id: UUID, user_id: UUID, who: Person) -> None:
    """Makes the person's identity one of an account that they have proven to own."""
    where = {"tenant_id": tenant_id, "subject_index": who.index}
    await connection.execute(ONE_AT_A_TIME, where)
    known = (await connection.execute(LINKED, where)).one_or_none()
    if known is None:
        await _link(connection, tenant_id, user_id, who)
    elif known.id != user_id:
        raise NotAdmitted("linked_to_another")


async def _open_account(connection: AsyncConnection, keys: TenantKeys, sso: SingleSignOn, who: Person) -> UUID:
    tenant_id = keys.tenant_id
    if who.email is None:
        raise NotAdmitted("email_unverified")
    user_id = new_id()
    indexes = staff.indexes(keys, who.email, staff.INVITED)
    where = {"tenant_id": tenant_id, "indexes": indexes, "user_id": user_id}
    if await staff.find(connection, keys, who.email) is not None:
        raise NotAdmitted("not_linked")
    invited = (await connection.execute(USE_INVITATION, where)).one_or_none()
    if invited is None and not sso.provisioning:
        raise NotAdmitted("not_invited")
    by_hand = invited.roles if invited is not None else sso.fallback()
    roles = sorted(by_hand if who.roles is None else who.roles)
    if not roles:
        raise NotAdmitted("no_role")
    _require_separate(roles)
    if not await staff.add(connection, keys, user_id, email=who.email, display_name=who.name, roles=roles):
        raise NotAdmitted("not_linked")
    me: tuple[audit.ActorType, UUID | None] = ("user", user_id)
    if invited is not None:
        subject = ("invitation", invited.id)
        await audit.record(connection, tenant_id, "invitation.redeemed", actor=me, subject=subject,
                           detail={"user_id": str(user_id)})  # fmt: skip
    await audit.record(connection, tenant_id, "user.registered", actor=me, subject=me,
                       detail={"roles": roles, "method": "sso"})  # fmt: skip
    await _link(connection, tenant_id, user_id, who)
    await tell_admins(connection, keys, who.email, roles, user_id)
    return user_id


async def _link(connection: AsyncConnection, tenant_id: UUID, user_id: UUID, who: Person) -> None:
    linked = {"tenant_id": tenant_id, "id": new_id(), "user_id": user_id, "subject_index": who.index}
    await connection.execute(insert(SsoIdentity).values(linked))
    me: tuple[audit.ActorType, UUID | None] = ("user", user_id)
    await audit.record(connection, tenant_id, "auth.sso_linked", actor=me, subject=me)


async def _give_roles(connection: AsyncConnection, keys: TenantKeys, user: Any, given: Collection[str]) -> None:
    """The provider's word of today: a group that was taken away takes its roles with it."""
    roles = sorted({*given, *(OUTSIDE & set(user.roles))})
    if not roles:
        raise NotAdmitted("no_role")
    # With those of yesterday as well: an admin who maps his own group to another role may not check his own work then.
    _require_separate({*roles, *user.roles})
    if roles == sorted(user.roles):
        return
    where = {"tenant_id": user.tenant_id, "id": user.id, "roles": roles}
    await connection.execute(ONE_AT_A_TIME, where)
    await connection.execute(GIVE_ROLES, where)
    held = [role for role in KEPT if role in user.roles]
    if (await connection.execute(WITHOUT_HOLDER, {**where, "roles": held})).first() is not None:
        raise Problem("last_admin")
    await audit.record(connection, user.tenant_id, "user.changed", actor=("system", None), subject=("user", user.id),
                       detail={"roles": roles, "roles_before": sorted(user.roles), "method": "sso"})  # fmt: skip
    await tell_admins(connection, keys, staff.email_of(keys, user), set(roles) - set(user.roles), user.id)


def _require_separate(roles: Collection[str]) -> None:
    if not_separate(roles) is not None:
        raise NotAdmitted("roles_not_separate")
