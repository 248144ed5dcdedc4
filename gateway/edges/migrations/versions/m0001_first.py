"""The first schema: accounts, logins, charter, scopes and their switches, audit, sign-ins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.edges.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("national_id", sa.String(), nullable=True),
        sa.Column("family_name", sa.String(), nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("profession", sa.String(), nullable=True),
        sa.Column("specialty", sa.String(), nullable=True),
        sa.Column("mail", sa.String(), nullable=True),
        sa.Column("mail_key", sa.String(), nullable=True),
        sa.Column("mail_proved_at", UtcDateTime(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("phone_proved_at", UtcDateTime(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("postal_code", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("password_set_at", UtcDateTime(), nullable=True),
        sa.Column("password_must_change", sa.Boolean(), nullable=False),
        sa.Column("first_strong_at", UtcDateTime(), nullable=True),
        sa.Column("last_sign_in_at", UtcDateTime(), nullable=True),
        sa.Column("last_method", sa.String(), nullable=True),
        sa.Column("last_channel", sa.String(), nullable=True),
        sa.Column("suspended_at", UtcDateTime(), nullable=True),
        sa.Column("suspended_reason", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("space_default", sa.String(), nullable=False),
        sa.Column("charter_version", sa.String(), nullable=True),
        sa.Column("charter_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("mail_key", name=op.f("uq_accounts_mail_key")),
        sa.UniqueConstraint("national_id", name=op.f("uq_accounts_national_id")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("scope", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("correlation", sa.String(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_account", "audit", ["account", "seq"], unique=False)
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "scopes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("finess", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("code_validity", sa.Integer(), nullable=True),
        sa.Column("second_factor_memory", sa.Integer(), nullable=True),
        sa.Column("channels", sa.String(), nullable=True),
        sa.Column("methods", sa.String(), nullable=True),
        sa.Column("session_absolute", sa.Integer(), nullable=True),
        sa.Column("session_idle", sa.Integer(), nullable=True),
        sa.Column("banner", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["scopes.id"], name=op.f("fk_scopes_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scopes")),
    )
    op.create_index(op.f("ix_scopes_finess"), "scopes", ["finess"], unique=False)
    op.create_index(op.f("ix_scopes_parent_id"), "scopes", ["parent_id"], unique=False)
    op.create_table(
        "acceptances",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("charter_version", sa.String(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_acceptances_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptances")),
    )
    op.create_index(op.f("ix_acceptances_account_id"), "acceptances", ["account_id"], unique=False)
    op.create_table(
        "logins",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_logins_account_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_logins")),
    )
    op.create_index(op.f("ix_logins_account_id"), "logins", ["account_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_memberships_account_id")),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name=op.f("fk_memberships_scope_id")),
        sa.PrimaryKeyConstraint("account_id", "scope_id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_scope_id"), "memberships", ["scope_id"], unique=False)
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("assurance", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sign_ins_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
    )
    op.create_index("ix_sign_ins_account", "sign_ins", ["account_id", "at"], unique=False)
    op.create_table(
        "switches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("effective_from", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("derogation_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name=op.f("fk_switches_scope_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
    )
    op.create_index(op.f("ix_switches_scope_id"), "switches", ["scope_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_switches_scope_id"), table_name="switches")
    op.drop_table("switches")
    op.drop_index("ix_sign_ins_account", table_name="sign_ins")
    op.drop_table("sign_ins")
    op.drop_index(op.f("ix_memberships_scope_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_index(op.f("ix_logins_account_id"), table_name="logins")
    op.drop_table("logins")
    op.drop_index(op.f("ix_acceptances_account_id"), table_name="acceptances")
    op.drop_table("acceptances")
    op.drop_index(op.f("ix_scopes_parent_id"), table_name="scopes")
    op.drop_index(op.f("ix_scopes_finess"), table_name="scopes")
    op.drop_table("scopes")
    op.drop_index(op.f("ix_audit_at"), table_name="audit")
    op.drop_index("ix_audit_account", table_name="audit")
    op.drop_table("audit")
    op.drop_table("accounts")
