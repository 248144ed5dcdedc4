"""Delegations, their history and their use; the profession staff state themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.edges.schema import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("stated_profession", sa.String()))
    op.create_table(
        "delegations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("delegator_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("family_name", sa.String(), nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("mail", sa.String()),
        sa.Column("profession", sa.String()),
        sa.Column("place", sa.String()),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("begins", UtcDateTime(), nullable=False),
        sa.Column("ends", UtcDateTime(), nullable=False),
        sa.Column("delegate_key", sa.String()),
        sa.Column("delegate_id", sa.String()),
        sa.Column("invite_digest", sa.String()),
        sa.Column("invite_until", UtcDateTime()),
        sa.Column("proposed_id", sa.String()),
        sa.Column("proposed_name", sa.String()),
        sa.Column("proposed_at", UtcDateTime()),
        sa.Column("finalised_at", UtcDateTime()),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("revoked_by", sa.String()),
        sa.Column("reminded", sa.Integer()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delegations"),
    )
    op.create_index("uq_delegations_number", "delegations", ["delegator_id", "number"], unique=True)
    op.create_index("uq_delegations_invite_digest", "delegations", ["invite_digest"], unique=True)
    for column in ("ends", "delegate_key", "delegate_id"):
        op.create_index(f"ix_delegations_{column}", "delegations", [column])
    op.create_table(
        "delegation_history",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("delegation_id", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delegation_history"),
        sa.ForeignKeyConstraint(["delegation_id"], ["delegations.id"], name="fk_delegation_history_delegation_id"),
    )
    op.create_index("ix_delegation_history_delegation", "delegation_history", ["delegation_id", "at"])
    op.create_table(
        "delegation_uses",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("delegation_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_delegation_uses"),
        sa.ForeignKeyConstraint(["delegation_id"], ["delegations.id"], name="fk_delegation_uses_delegation_id"),
    )
    op.create_index("ix_delegation_uses_delegation", "delegation_uses", ["delegation_id", "began_at"])
    op.create_index("ix_delegation_uses_session", "delegation_uses", ["session"])
    op.create_index("ix_delegation_uses_user", "delegation_uses", ["user_id", "began_at"])
