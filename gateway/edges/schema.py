"""The tables of the Records port. Every constraint has a name, so that a violation says which value was taken."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Instants, UTC and aware on both sides whatever the engine; naive ones are a programming error."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its zone")
        moved = value.astimezone(UTC)
        return moved.replace(tzinfo=None) if dialect.name == "sqlite" else moved

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("national_id", String, unique=True),
    Column("family_name", String, nullable=False),
    Column("given_name", String, nullable=False),
    Column("profession", String),
    Column("specialty", String),
    Column("mail", String),
    Column("mail_key", String, unique=True),  # absent while the address is shared with another account (R99)
    Column("mail_canonical", String, index=True),  # the same spelling, shared or not
    Column("mail_proved_at", UtcDateTime),
    Column("phone", String),
    Column("phone_proved_at", UtcDateTime),
    Column("address", String),
    Column("postal_code", String),
    Column("city", String),
    Column("password_hash", String),
    Column("password_set_at", UtcDateTime),
    Column("password_must_change", Boolean, nullable=False, default=False),
    Column("first_strong_at", UtcDateTime),
    Column("last_sign_in_at", UtcDateTime, index=True),
    Column("last_method", String),
    Column("last_channel", String),
    Column("suspended_at", UtcDateTime),
    Column("suspended_reason", String),
    Column("closed_at", UtcDateTime),
    Column("reactivated_at", UtcDateTime),  # woken by a référent, counts as a sign of life (R97)
    Column("warned_at", UtcDateTime),  # the last warning before dormancy (R97)
    Column("memory_void_at", UtcDateTime),  # second factors remembered before this instant count no more (R78)
    Column("origin", String, nullable=False),
    Column("space_default", String, nullable=False),
    Column("charter_version", String),
    Column("charter_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
authenticators = Table(
    "authenticators",
    metadata,
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("secret", String, nullable=False),  # sealed
    Column("last_step", Integer, nullable=False),  # the newest time step that served: each serves once
    Column("created_at", UtcDateTime, nullable=False),
)
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("digest", String, nullable=False),
    Column("used_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)
passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String, primary_key=True),  # credential id, unpadded base64url
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("public_key", String, nullable=False),  # COSE key, unpadded base64url
    Column("sign_count", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
)
logins = Table(
    "logins",
    metadata,
    Column("key", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
)
acceptances = Table(
    "acceptances",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("charter_version", String, nullable=False),
    Column("text_hash", String, nullable=False),
    Column("method", String, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
)
scopes = Table(
    "scopes",
    metadata,
    Column("id", String, primary_key=True),
    Column("parent_id", String, ForeignKey("scopes.id"), index=True),
    Column("kind", String, nullable=False),
    Column("finess", String, index=True),
    Column("name", String, nullable=False),
    Column("code_validity", Integer),
    Column("second_factor_memory", Integer),
    Column("channels", String),
    Column("methods", String),
    Column("session_absolute", Integer),
    Column("session_idle", Integer),
    Column("banner", Text),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
memberships = Table(
    "memberships",
    metadata,
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("scope_id", String, ForeignKey("scopes.id"), primary_key=True, index=True),
    Column("since", UtcDateTime, nullable=False),
)
switches = Table(
    "switches",
    metadata,
    Column("id", String, primary_key=True),
    Column("scope_id", String, ForeignKey("scopes.id"), nullable=False, index=True),
    Column("state", String, nullable=False),
    Column("effective_from", UtcDateTime, nullable=False),
    Column("reason", String, nullable=False),
    Column("author", String, nullable=False),
    Column("derogation_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("act", String, nullable=False),
    Column("account", String),
    Column("reason", String),
    Column("scope", String),
    Column("address", String),
    Column("correlation", String),
    Column("facts", Text, nullable=False),
    Index("ix_audit_account", "account", "seq"),
)
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", String, primary_key=True),
    Column("account_id", String, ForeignKey("accounts.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("method", String, nullable=False),
    Column("assurance", String, nullable=False),
    Column("space", String, nullable=False),
    Column("address", String),
    Index("ix_sign_ins_account", "account_id", "at"),
    Index("ix_sign_ins_at", "at"),  # what is too old is found by age (R148)
)
