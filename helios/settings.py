"""Every setting of HeliosCS, read from the environment in this one place.

Each field is the environment variable `HELIOS_<NAME>`; the providers' own variables keep their usual names.
"""

from __future__ import annotations

import json
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from helios.embedders.config import EmbedderConfig

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One process's settings. Times end in their unit; sizes are bytes unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="HELIOS_", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    # Where things are
    home: Path = PROJECT / ".helios"
    """State of the embedded stack: data folders, logs, keys, stack.json."""
    model_dir: Path = PROJECT / ".helios" / "models"
    """Local models, built once from pinned weights. Shared by every stack on the machine: it holds nothing secret."""
    embedder_weights: Path | None = None
    """Folder with all-MiniLM-L6-v2 as published. Unset: the files of the installed package."""
    embedder_threads: int = Field(default=1, ge=1, le=64)
    """Threads that encode one text. Turns run side by side, so one each is the better use of the cores."""
    eval_data: Path | None = None
    """Folder of public data sets for `make eval` and for training the detectors; nothing else reads it."""

    # Servers. Empty: the command that starts the embedded stack fills them in.
    postgres_dsn: SecretStr = SecretStr("")
    """The application role's address, e.g. postgresql://helios_app:…@127.0.0.1:5432/helios"""
    postgres_owner_dsn: SecretStr = SecretStr("")
    """The schema owner's address: migrations and seeding only."""
    postgres_pooled: bool = False
    """The application role's address is that of a PgBouncer in transaction mode."""
    postgres_pool_size: int = 12
    """Connections that a process keeps open; a few more in a rush."""
    redis_url: SecretStr = SecretStr("")
    """Valkey's address with its password, e.g. redis://:…@127.0.0.1:6379/0"""
    temporal_address: str = ""
    """Host and port of Temporal's frontend, e.g. 127.0.0.1:7233"""
    temporal_namespace: str = "default"
    """Where the workflows live; it has the search attributes of deploy/temporal/namespace.sh."""
    temporal_ui_url: str = ""
    """Where people look at workflows: shown, never called. Its pages alone may ask the codec server (`/codec`)."""
    temporal_task_queue: str = "conversations"
    """The one queue of conversations, turns and escalations."""
    temporal_batch_queue: str = "batch"
    """The queue of work that nobody waits for on the line, e.g. ingestion: it never stands in a conversation's way."""

    # The API process
    api_host: str = "127.0.0.1"
    """The address that the API listens on."""
    api_port: int | None = Field(default=None, ge=1, le=65_535)
    """Asked for by name: busy is an error. Unset: a free port is found."""
    public_url: str = ""
    """Where people reach the API, e.g. https://service.bank.example. Its host is then the only one that is answered."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Further hosts that are answered (`Host` header), e.g. of a load balancer. Both unset: any."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, e.g. 10.0.0.0/24: proxies,
    which append the address that they saw, and nothing else."""
    rate_limits: float = Field(default=1.0, ge=0.0)
    """Multiplies every limit of requests (api/limits.py). 0: none is counted."""
    access_log_window_s: float = Field(default=60.0, gt=0.0)
    """Who was refused or let into what is counted for so long, by actor and route, and then written as audit events."""
    tenant_requests: int = Field(default=256, ge=1)
    """Requests of one tenant that an API process works on or lets wait at the same time. More are refused with 429."""
    tenant_streams: int = Field(default=2_000, ge=1)
    """Streams and sockets of one tenant that an API process holds open at the same time. More are refused with 429."""

    # The embedded stack
    postgres_port: int | None = Field(default=None, ge=1, le=65_535)
    """As the API's port."""
    valkey_port: int | None = Field(default=None, ge=1, le=65_535)
    """As the API's port."""
    temporal_port: int | None = Field(default=None, ge=1, le=65_535)
    """As the API's port."""
    temporal_ui_port: int | None = Field(default=None, ge=1, le=65_535)
    """As the API's port."""
    workers: int = Field(default=2, ge=1, le=64)
    """Worker processes that `helios up` keeps running."""
    watch_parent: int = 0
    """Process id of the parent (make) with which the supervisor ends, however that ends. 0: it stands alone."""

    # Keys. The embedded stack makes its own under HELIOS_HOME/keys.
    root_key: SecretStr = SecretStr("")
    """Base64 of 32 bytes: wraps each tenant's key. Or what Vault made of it by `helios keys wrap-root`: `vault:v1:…`.
    While it is rotated two with a comma between: the first wraps, both open."""
    root_key_file: Path | None = None
    """A file with what HELIOS_ROOT_KEY would hold, which it goes before. A change of it is taken without a restart."""
    vault_url: str = ""
    """Vault's address, e.g. https://vault.bank.example:8200, where it keeps the root key."""
    vault_mount: str = "transit"
    """The path of its Transit engine."""
    vault_key: str = "helioscs"
    """The name of the key in it."""
    vault_token: SecretStr = SecretStr("")
    """A token whose policy allows `update` of `decrypt/KEY`; rotating needs `encrypt`, `rewrap` and `keys/KEY/rotate`
    besides."""
    token_key: SecretStr = SecretStr("")
    """PEM of the Ed25519 private key that signs access tokens."""
    token_issuer: str = "helioscs"  # noqa: S105 - a name
    """The `iss` of access tokens."""

    # Mail
    mail_url: SecretStr = SecretStr("")
    """Where mail goes: `smtps://user:password@host:465`, `smtp://user:password@host:587` (with STARTTLS), or `file:`
    and a folder. Unset: files in `mail` below HELIOS_HOME."""
    mail_from: str = "HeliosCS <no-reply@helioscs.example>"
    """The sender of our mail."""

    # Single sign-on
    sso_loopback: bool = False
    """Tenants' identity providers on this machine may be asked, also over plain HTTP: for development and tests.
    Refused where `public_url` is an address that others reach."""

    # Passwords
    breached_passwords_url: str = ""
    """A service that speaks the Pwned Passwords range protocol, e.g. https://api.pwnedpasswords.com. Unset: nothing is
    asked. It sees five characters of a hash, never a password."""

    # The audit log
    audit_anchor_dir: Path | None = None
    """Where signed checkpoints of the audit log, and the list of erasures, are kept, outside of the database and of
    backups. Unset: `audit-anchor` in `home`."""
    audit_anchor_s3_url: str = ""
    """A bucket with object lock that takes them instead: https://ENDPOINT/BUCKET/PREFIX"""
    audit_anchor_s3_region: str = "us-east-1"
    """The bucket's region, which requests are signed for."""
    audit_anchor_s3_key_id: str = ""
    """The access key's id: it needs `s3:PutObject`, `s3:PutObjectRetention` and `s3:ListBucketVersions`."""
    audit_anchor_s3_secret: SecretStr = SecretStr("")
    """Its secret."""
    audit_anchor_s3_lock_days: int = Field(default=2_557, ge=1)
    """How long nobody can remove a checkpoint (mode COMPLIANCE): seven years, as the books that it stands for."""

    # Embedders of knowledge, beside the local one
    embedders: tuple[EmbedderConfig, ...] = ()
    """A JSON list of what tenants may choose, each with a `name` and either a `model` behind an API or a `folder` with
    one in ONNX: see docs/embedders.md."""
    embedder_query_timeout_s: float = Field(default=1.0, gt=0.0, le=10.0)
    """How long a turn waits for a remote embedder; then it searches with the local one's vectors."""
    embedder_keep_s: float = Field(default=3_600.0, ge=0.0)
    """How long vectors are kept that nobody searches any more: so long, going back to their embedder costs nothing."""

    # Generators
    llm: Annotated[tuple[str, ...], NoDecode] = ()
    """Generators in the order they are tried, e.g. `anthropic,openai,offline`. Unset: what has a key, then offline."""
    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"))
    """Unset: OpenAI is not asked, unless `llm` names it."""
    openai_base_url: str | None = Field(None, validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url"))
    """Another server that speaks OpenAI's protocol. Unset: OpenAI's own."""
    openai_model: str = "gpt-5-mini"
    """The model that OpenAI, or what speaks its protocol, is asked for."""
    anthropic_api_key: SecretStr = Field(
        SecretStr(""), validation_alias=AliasChoices("ANTHROPIC_API_KEY", "anthropic_api_key")
    )
    """Unset: Anthropic is not asked, unless `llm` names it."""
    anthropic_base_url: str | None = Field(
        None, validation_alias=AliasChoices("ANTHROPIC_BASE_URL", "anthropic_base_url")
    )
    """Another server that speaks Anthropic's protocol. Unset: Anthropic's own."""
    anthropic_model: str = "claude-haiku-4-5"
    """The model that Anthropic is asked for."""
    llm_first_token_timeout_s: float = 20.0
    """The longest wait for the first piece of an answer."""
    llm_idle_timeout_s: float = 15.0
    """The longest silence between two pieces of an answer before the stream counts as hung."""
    llm_answer_timeout_s: float = 120.0
    """The longest a whole answer may take, however steadily it drips."""
    llm_breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which a provider is not asked for a while."""
    llm_breaker_open_s: float = 30.0
    """How long it is not asked; then one turn tries it."""

    knowledge_sync_hours: float = Field(default=24.0, ge=1.0)
    """After how long a page or sitemap that knowledge was taken from is looked at again."""

    offline_words_per_s: float = Field(default=0.0, ge=0.0)
    """Pace of the offline generator, for watching it write. 0: as fast as it can."""

    # Behaviour
    workflow_sandbox: bool = False
    """Run workflow code in Temporal's sandbox: on in tests, where it proves determinism; off where CPU counts."""
    workflow_task_timeout_s: float = Field(default=5.0, ge=1.0, le=60.0)
    """How long a conversation waits for a worker that died in the middle of its step. A long step reports in time."""
    conversation_idle_s: float = 900.0
    """Quiet time after which a conversation's workflow run ends. The conversation itself stays open."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    demo_tenant: str = "meridian"
    """The demo bank's short name."""
    demo_page: bool = True
    """Serve `/demo/session` for the demo tenant, if there is one. It has no effect on other tenants."""

    @field_validator("llm", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """If all were trusted, every caller would choose his own address; a misspelt one uvicorn never matches."""
        if any(ip_network(each).prefixlen == 0 for each in value):
            raise ValueError("HELIOS_TRUSTED_PROXIES names addresses or networks of proxies, not everybody")
        return value

    def environment(self) -> dict[str, str]:
        """What was set, as the variables that a child process reads it from again."""
        values = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        return {_variable(name): _written(value) for name, value in values.items() if value is not None}

    def generator_chain(self) -> tuple[str, ...]:
        """The names of the generators in the order they are tried."""
        if self.llm:
            return self.llm
        keyed = (("anthropic", self.anthropic_api_key), ("openai", self.openai_api_key))
        return (*(name for name, key in keyed if key.get_secret_value()), "offline")


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"HELIOS_{name.upper()}"


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple) and any(isinstance(each, EmbedderConfig) for each in value):
        return json.dumps([each.written() for each in value])
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """This process's settings, read once."""
    return Settings()
