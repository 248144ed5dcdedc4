"""Means of one's own (authenticator, recovery codes, passkeys), shared addresses, the end of accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.edges.schema import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("mail_canonical", sa.String(), nullable=True))
    op.add_column("accounts", sa.Column("closed_at", UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("reactivated_at", UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("warned_at", UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("memory_void_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE accounts SET mail_canonical = mail_key")
    op.create_index("ix_accounts_mail_canonical", "accounts", ["mail_canonical"])
    op.create_index("ix_accounts_last_sign_in_at", "accounts", ["last_sign_in_at"])
    op.create_index("ix_sign_ins_at", "sign_ins", ["at"])
    op.create_table(
        "authenticators",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_authenticators"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_authenticators_account_id"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_recovery_codes_account_id"),
    )
    op.create_index("ix_recovery_codes_account_id", "recovery_codes", ["account_id"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_passkeys_account_id"),
    )
    op.create_index("ix_passkeys_account_id", "passkeys", ["account_id"])
