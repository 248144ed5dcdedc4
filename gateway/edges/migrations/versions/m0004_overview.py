"""Indexes for sums over many people: lists in the order of names, people below a path, rare acts of the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.edges.schema import CLOSED, PATH

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_accounts_search", table_name="accounts")
    if op.get_bind().dialect.name == "postgresql":  # byte by byte, as SQLite compares: no table is rewritten for it
        op.alter_column("accounts", "search", type_=PATH, existing_type=sa.String(), existing_nullable=True)
    op.create_index("ix_accounts_search", "accounts", ["search", "id", "closed_at"])
    closed = sa.text(CLOSED)
    op.create_index("ix_accounts_closed", "accounts", ["id"], sqlite_where=closed, postgresql_where=closed)
    op.drop_index("ix_scopes_path", table_name="scopes")
    op.create_index("ix_scopes_path", "scopes", ["path", "id", "kind", "parent_id"])
    op.drop_index("ix_memberships_scope_id", table_name="memberships")
    op.create_index("ix_memberships_scope_id", "memberships", ["scope_id", "account_id"])
    op.create_index("ix_audit_act", "audit", ["act", "seq"])
