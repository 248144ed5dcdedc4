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
    text,
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


# Compared byte by byte on every engine, so that what begins alike is one span of an index: paths, names as searched.
PATH = String().with_variant(String(collation="C"), "postgresql")

CLOSED = "closed_at IS NOT NULL"

accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("national_id", String, unique=True),
    Column("family_name", String, nullable=False),
    Column("given_name", String, nullable=False),
    Column("search", PATH),  # both names as ``identity.searchable`` spells them
    Column("profession", String),
    Column("specialty", String),
    Column("stated_profession", String),  # as staff without a national number say it themselves (R113); never forwarded
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
    Index("ix_accounts_search", "search", "id", "closed_at"),  # lists walk in this order, and count homonyms
    Index("ix_accounts_closed", "id", sqlite_where=text(CLOSED), postgresql_where=text(CLOSED)),  # few, to be left out
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
    Column("path", PATH),  # /nation/region/…/id/: all below a scope is one span
    Column("city", String),
    Column("source", String),  # finess, csv, or who made it
    Column("code_validity", Integer),
    Column("second_factor_memory", Integer),
    Column("channels", String),
    Column("methods", String),
    Column("session_absolute", Integer),
    Column("session_idle", Integer),
    Column("banner", Text),
    Column("banner_from", UtcDateTime),
    Column("contacts", Text),  # JSON: a list of {label, url, topics}
    Column("legal", Text),  # JSON: by means, {status, reference, until} (G3, G8)
    Column("retired_at", UtcDateTime),  # closed by FINESS or by hand; never deleted, the audit speaks of it
    Column("revision", Integer, nullable=False, default=0, index=True),  # of the policy, when it last changed
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_scopes_path", "path", "id", "kind", "parent_id"),  # with what sums ask of a scope beside its place
)
revisions = Table(
    # One counter by name; raised in the transaction of what it counts, so that none is ever missed. import:<kind>:<author>
    # is the mark of an import that runs.
    "revisions",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)
memberships = Table(
    "memberships",
    metadata,
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("scope_id", String, ForeignKey("scopes.id"), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Index("ix_memberships_scope_id", "scope_id", "account_id"),
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
    Column("kind", String, nullable=False, default="switch"),  # switch, breakglass
    Column("batch", String, index=True),  # switches made by one act
    Column("cancelled_at", UtcDateTime),  # undone: counts no more, and stays in the history
    Column("cancelled_by", String),
    Column("cancel_reason", String),
    Column("created_at", UtcDateTime, nullable=False),
)
requests = Table(
    "requests",  # a référent asks the region to switch a scope (R87)
    metadata,
    Column("id", String, primary_key=True),
    Column("scope_id", String, ForeignKey("scopes.id"), nullable=False, index=True),
    Column("author", String, nullable=False),
    Column("wanted_from", UtcDateTime),
    Column("reason", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("settled_by", String),
    Column("outcome", String),  # done, refused
)
roles = Table(
    "roles",
    metadata,
    Column("account_id", String, ForeignKey("accounts.id"), primary_key=True),
    Column("role", String, primary_key=True),  # national, region, referent
    Column("scope_id", String, ForeignKey("scopes.id"), primary_key=True, index=True),
    Column("granted_by", String, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
tokens = Table(
    "tokens",  # of the API; the token itself is shown once and never kept
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("scope_id", String, ForeignKey("scopes.id"), nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)
imports = Table(
    "imports",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),  # accounts, scopes
    Column("author", String, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("state", String, nullable=False),  # running, done, failed
    Column("total", Integer),  # bytes of the file, when known
    Column("done", Integer, nullable=False),  # bytes read
    Column("counts", Text, nullable=False),  # JSON: lines by outcome
    Column("fault", String),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
import_reports = Table(
    "import_reports",
    metadata,
    Column("import_id", String, ForeignKey("imports.id"), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("lines", Text, nullable=False),  # JSON lines: {line, outcome, key, detail}
)
statistics = Table(
    "statistics",  # sums of a day by scope: what the dashboard draws, kept when the single traces are gone
    metadata,
    Column("day", String, primary_key=True),  # 2026-03-02, in the deployment's time zone
    Column("scope_id", String, primary_key=True),  # "" for people without scope
    Column("measure", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Index("ix_statistics_scope_id", "scope_id", "day"),
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
    Column("hash", String),  # of this row and the hash before; absent in rows older than the chain
    Index("ix_audit_account", "account", "seq"),
    Index("ix_audit_act", "act", "seq"),  # rare acts among millions of sign-ins
    Index("ix_audit_scope", "scope", "seq"),
)
audit_head = Table(
    "audit_head",  # one row: the last link, under a key that is not in the database
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String, nullable=False),
    Column("mac", String, nullable=False),
)
audit_checkpoints = Table(
    "audit_checkpoints",  # signed: the chain as it stood (kind time), or where it begins after a removal (kind purge)
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("hash", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kid", String, nullable=False),
    Column("signature", String, nullable=False),
)
delegations = Table(
    "delegations",  # people by their account's id, without a constraint: what was done outlives an account (R104, R149)
    metadata,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("delegator_id", String, nullable=False),
    Column("kind", String, nullable=False),  # assistant, colleague
    Column("family_name", String, nullable=False),
    Column("given_name", String, nullable=False),
    Column("mail", String),
    Column("profession", String),
    Column("place", String),
    Column("rights", Text, nullable=False),  # "module:action", spaces between
    Column("begins", UtcDateTime, nullable=False),
    Column("ends", UtcDateTime, nullable=False, index=True),
    Column("delegate_key", String, index=True),
    Column("delegate_id", String, index=True),
    Column("invite_digest", String),
    Column("invite_until", UtcDateTime),
    Column("proposed_id", String),
    Column("proposed_name", String),
    Column("proposed_at", UtcDateTime),
    Column("finalised_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String),
    Column("reminded", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("uq_delegations_number", "delegator_id", "number", unique=True),
    Index("uq_delegations_invite_digest", "invite_digest", unique=True),
)
delegation_history = Table(
    "delegation_history",  # R126; kept with its delegation
    metadata,
    Column("id", String, primary_key=True),
    Column("delegation_id", String, ForeignKey("delegations.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("what", String, nullable=False),
    Column("author", String, nullable=False),  # account id, cli:…, token:…, or system
    Column("detail", Text, nullable=False),  # JSON: what changed, old and new
    Index("ix_delegation_history_delegation", "delegation_id", "at"),
)
delegation_uses = Table(
    "delegation_uses",  # each time somebody acted: who, by which means, from when to when (R149)
    metadata,
    Column("id", String, primary_key=True),
    Column("delegation_id", String, ForeignKey("delegations.id"), nullable=False),
    Column("user_id", String, nullable=False),
    Column("session", String, nullable=False),  # as the access journal names it
    Column("method", String, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),  # absent: to the end of the session
    Index("ix_delegation_uses_delegation", "delegation_id", "began_at"),
    Index("ix_delegation_uses_session", "session"),
    Index("ix_delegation_uses_user", "user_id", "began_at"),
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
epochs = Table(
    "epochs",  # the newest is in force: what the store holds of another is dead
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("reason", String, nullable=False),
)
pulses = Table(
    "pulses",  # of each store, by the name it was given: how far it was seen to have counted
    metadata,
    Column("name", String, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("beats", Integer, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),  # the store was emptied or put back: this name never counts again
)
