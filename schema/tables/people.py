"""Tenants, their keys, their staff and their customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    json_column,
    labels_column,
    now_column,
    sealed_column,
    time_column,
)


class Tenant(SQLModel, table=True):
    """A business. Sign-in finds it in a transaction without a tenant; in a tenant's own there is only that one."""

    __tablename__ = "tenants"
    id: UUID = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    settings: dict[str, Any] = json_column()
    """As `helios.tenant_settings.TenantSettings` reads them; earlier versions are in `tenant_settings`."""
    settings_version: int = Field(default=1, nullable=False, sa_column_kwargs={"server_default": text("1")})
    created_at: datetime = now_column()
    updated_at: datetime = now_column()
    suspended_at: datetime | None = time_column()
    deleted_at: datetime | None = time_column()


class TenantSettingsVersion(OfTenant, table=True):
    """Every version that a tenant's settings ever had. The role of the application may only add one."""

    __tablename__ = "tenant_settings"
    __table_args__ = (UniqueConstraint("tenant_id", "version"),)
    version: int
    settings: dict[str, Any] = json_column()
    changed_by: UUID | None = None
    created_at: datetime = now_column()


class TenantKey(SQLModel, table=True):
    """A tenant's data key, wrapped by the root key. The newest version encrypts; older ones still decrypt."""

    __tablename__ = "tenant_keys"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    version: int = Field(primary_key=True)
    wrapped_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = now_column()


class TokenKey(SQLModel, table=True):
    """A key that signs access tokens, of the whole platform, wrapped by the root key: see `helios.token_keys`."""

    __tablename__ = "token_keys"
    id: UUID = Field(primary_key=True)
    wrapped_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = now_column()
    active_at: datetime = Field(sa_type=DateTime(timezone=True))
    older_until: datetime = Field(sa_type=DateTime(timezone=True))


class ApiKey(OfTenant, table=True):
    __tablename__ = "api_keys"
    __table_args__ = (
        Index("ix_api_keys_ended", "tenant_id", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )
    name: str
    prefix: str = Field(default="", nullable=False, sa_column_kwargs={"server_default": text("''")})
    """Its first characters, by which people know it again."""
    key_hash: bytes = Field(sa_type=LargeBinary)
    scopes: list[str] = Field(sa_type=ARRAY(Text))
    created_by: UUID | None = None
    created_at: datetime = now_column()
    expires_at: datetime | None = time_column()
    last_used_at: datetime | None = time_column()
    deleted_at: datetime | None = time_column()


class ApiKeyIndex(SQLModel, table=True):
    """From the hash of an API key to its tenant, found in the same way as `tenants`."""

    __tablename__ = "api_key_index"
    key_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tenant_id: UUID = Field(foreign_key="tenants.id")
    api_key_id: UUID


class User(OfTenant, table=True):
    """A member of the tenant's staff. Who it is, is ciphertext: see `helios.staff`."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("tenant_id", "email_index"),)
    email_index: bytes = Field(sa_type=LargeBinary)
    email_ct: bytes = sealed_column(nullable=False)
    display_name_ct: bytes = sealed_column(nullable=False)
    password_hash: str | None = None
    """None: signs in at the tenant's identity provider only."""
    password_needs_factor: bool = Field(
        default=False, nullable=False, sa_column_kwargs={"server_default": text("false")}
    )
    """It is shorter than one that stands alone."""
    roles: list[str] = Field(sa_type=ARRAY(Text))
    created_at: datetime = now_column()
    updated_at: datetime = now_column()
    deactivated_at: datetime | None = time_column()
    deleted_at: datetime | None = time_column()


class Invitation(OfTenant, table=True):
    """A member of staff to be. The token is kept as a hash; `user_id` is who redeemed it."""

    __tablename__ = "invitations"
    __table_args__ = (
        foreign_key("users", "created_by"),
        Index("ix_invitations_email_index", "tenant_id", "email_index"),
    )
    email_index: bytes = Field(sa_type=LargeBinary)
    email_ct: bytes = sealed_column(nullable=False)
    roles: list[str] = Field(sa_type=ARRAY(Text))
    token_hash: bytes = Field(sa_type=LargeBinary)
    created_by: UUID | None = None
    created_at: datetime = now_column()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    redeemed_at: datetime | None = time_column()
    revoked_at: datetime | None = time_column()
    user_id: UUID | None = None


class Customer(OfTenant, table=True):
    """Somebody whom the tenant's own backend signed in. `external_id_index` is an HMAC: the id itself is ciphertext."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("tenant_id", "external_id_index"),
        Index(
            "ix_customers_ended", "tenant_id", "tokens_ended_at", postgresql_where=text("tokens_ended_at IS NOT NULL")
        ),
    )
    external_id_index: bytes = Field(sa_type=LargeBinary)
    profile_ct: bytes = sealed_column(nullable=False)
    locale: str | None = None
    audiences: list[str] = labels_column()
    """What the tenant's backend said: sources for one of these audiences are for this customer too."""
    created_at: datetime = now_column()
    deleted_at: datetime | None = time_column()
    frozen_at: datetime | None = time_column()
    """Erasure has begun: nothing new may be said or opened."""
    erased_at: datetime | None = time_column()
    """All that is left is this row, with nothing in it of whoever it was."""
    tokens_ended_at: datetime | None = time_column()
    """Access tokens up to this moment are refused."""


class SecondFactor(SQLModel, table=True):
    """A user's authenticator app; in force once confirmed. See `helios.identity.second_factor`."""

    __tablename__ = "second_factors"
    __table_args__ = (foreign_key("users", "user_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    user_id: UUID = Field(primary_key=True)
    secret_ct: bytes = sealed_column(nullable=False)
    recovery_hashes: list[bytes] = Field(
        sa_type=ARRAY(LargeBinary), nullable=False, sa_column_kwargs={"server_default": text("'{}'")}
    )
    last_step: int = Field(
        default=0, sa_type=BigInteger, nullable=False, sa_column_kwargs={"server_default": text("0")}
    )
    created_at: datetime = now_column()
    confirmed_at: datetime | None = time_column()


class PasswordReset(OfTenant, table=True):
    """A code that was mailed to set a new password with."""

    __tablename__ = "password_resets"
    __table_args__ = (foreign_key("users", "user_id"), Index("ix_password_resets_user", "tenant_id", "user_id"))
    user_id: UUID
    token_hash: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = now_column()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    used_at: datetime | None = time_column()


class Session(OfTenant, table=True):
    """A staff sign-in. `generation` counts its refresh tokens; the newest is kept as a hash."""

    __tablename__ = "sessions"
    __table_args__ = (foreign_key("users", "user_id"), Index("ix_sessions_user", "tenant_id", "user_id"))
    user_id: UUID
    refresh_hash: bytes = Field(sa_type=LargeBinary)
    generation: int = counter_column()
    client_ct: bytes | None = sealed_column()
    by_sso: bool = Field(default=False, nullable=False, sa_column_kwargs={"server_default": text("false")})
    """Opened at the tenant's identity provider."""
    provider_factor: bool = Field(default=False, nullable=False, sa_column_kwargs={"server_default": text("false")})
    """That provider has asked for a second factor."""
    created_at: datetime = now_column()
    last_used_at: datetime = now_column()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = time_column()


class SsoSecret(SQLModel, table=True):
    """A tenant's secret at its identity provider, sealed for that issuer and client id: no other gets it."""

    __tablename__ = "sso_secrets"
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    issuer: str
    client_id: str
    secret_ct: bytes = sealed_column(nullable=False)
    updated_at: datetime = now_column()


class SsoIdentity(OfTenant, table=True):
    """Who a user is at an identity provider: an HMAC of issuer and subject."""

    __tablename__ = "sso_identities"
    __table_args__ = (
        foreign_key("users", "user_id"),
        UniqueConstraint("tenant_id", "subject_index"),
        Index("ix_sso_identities_user", "tenant_id", "user_id"),
    )
    user_id: UUID
    subject_index: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = now_column()


class Outbox(OfTenant, table=True):
    """A mail that must go out, or somebody's wish for a code. See `helios.outbox`."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_due", "tenant_id", "due_at"),)
    kind: str
    payload_ct: bytes = sealed_column(nullable=False)
    created_at: datetime = now_column()
    due_at: datetime = now_column()
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    attempts: int = counter_column()
