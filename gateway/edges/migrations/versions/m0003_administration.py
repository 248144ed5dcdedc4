"""Administration: the tree of scopes with its revisions, switches with their kind, roles, tokens, requests, imports,
daily statistics, and the chain of the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.edges.schema import PATH, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DEEPEST = 20  # levels of scopes at most


def upgrade() -> None:
    _scopes()
    _switches()
    _people()
    _work()
    _audit()


def _scopes() -> None:
    op.add_column("scopes", sa.Column("path", PATH, nullable=True))
    op.add_column("scopes", sa.Column("city", sa.String(), nullable=True))
    op.add_column("scopes", sa.Column("source", sa.String(), nullable=True))
    op.add_column("scopes", sa.Column("banner_from", UtcDateTime(), nullable=True))
    op.add_column("scopes", sa.Column("contacts", sa.Text(), nullable=True))
    op.add_column("scopes", sa.Column("legal", sa.Text(), nullable=True))
    op.add_column("scopes", sa.Column("retired_at", UtcDateTime(), nullable=True))
    op.add_column("scopes", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_scopes_path", "scopes", ["path"])
    op.create_index("ix_scopes_revision", "scopes", ["revision"])
    # Paths from the top down; what hangs on no top keeps none and is in nobody's reach.
    op.execute("UPDATE scopes SET path = '/' || id || '/' WHERE parent_id IS NULL")
    for _ in range(_DEEPEST):
        op.execute(
            "UPDATE scopes SET path = (SELECT above.path || scopes.id || '/' FROM scopes AS above "
            "WHERE above.id = scopes.parent_id) WHERE path IS NULL"
        )
    op.create_table(
        "revisions",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revisions"),
    )
    op.execute("INSERT INTO revisions (name, value) VALUES ('policy', 0)")


def _switches() -> None:
    op.add_column("switches", sa.Column("kind", sa.String(), nullable=False, server_default="switch"))
    op.add_column("switches", sa.Column("batch", sa.String(), nullable=True))
    op.add_column("switches", sa.Column("cancelled_at", UtcDateTime(), nullable=True))
    op.add_column("switches", sa.Column("cancelled_by", sa.String(), nullable=True))
    op.add_column("switches", sa.Column("cancel_reason", sa.String(), nullable=True))
    op.create_index("ix_switches_batch", "switches", ["batch"])
    op.create_table(
        "requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("wanted_from", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_requests_scope_id"),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_scope_id", "requests", ["scope_id"])


def _people() -> None:
    op.create_table(
        "roles",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("granted_by", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_roles_account_id"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_roles_scope_id"),
        sa.PrimaryKeyConstraint("account_id", "role", "scope_id", name="pk_roles"),
    )
    op.create_index("ix_roles_scope_id", "roles", ["scope_id"])
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_tokens_scope_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.add_column("accounts", sa.Column("search", sa.String(), nullable=True))
    op.create_index("ix_accounts_search", "accounts", ["search"])
    _fill_search()


def _fill_search() -> None:
    """Names as they are searched for, a page at a time: existing accounts get theirs from the code that writes it."""
    from gateway.identity import searchable

    connection = op.get_bind()
    table = sa.table("accounts", *(sa.column(name) for name in ("id", "family_name", "given_name", "search")))
    last = ""
    while True:
        page = connection.execute(
            sa.select(table.c.id, table.c.family_name, table.c.given_name)
            .where(table.c.id > last)
            .order_by(table.c.id)
            .limit(1000)
        ).all()
        if not page:
            return
        connection.execute(
            sa.update(table).where(table.c.id == sa.bindparam("account")).values(search=sa.bindparam("words")),
            [{"account": row[0], "words": searchable(row[1], row[2])} for row in page],
        )
        last = page[-1][0]


def _work() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_table(
        "import_reports",
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name="fk_import_reports_import_id"),
        sa.PrimaryKeyConstraint("import_id", "chunk", name="pk_import_reports"),
    )
    op.create_table(
        "statistics",
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("scope_id", sa.String(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "scope_id", "measure", name="pk_statistics"),
    )
    op.create_index("ix_statistics_scope_id", "statistics", ["scope_id", "day"])


def _audit() -> None:
    op.add_column("audit", sa.Column("hash", sa.String(), nullable=True))
    op.create_index("ix_audit_scope", "audit", ["scope", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("mac", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "kind", name="pk_audit_checkpoints"),
    )
