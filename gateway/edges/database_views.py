"""What is asked for as one table though it lies in several: one question costs one turn of the server."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.edges.schema import metadata

_NOTHING = sa.literal_column("''", sa.String)


def _part(kind: str, table: str, name: str | None, scope: str | None) -> sa.Select[tuple[str, str, str, str]]:
    source = metadata.tables[table]
    return sa.select(
        source.c.account_id.label("account_id"),
        sa.literal_column(f"'{kind}'", sa.String).label("kind"),
        (_NOTHING if name is None else source.c[name]).label("name"),
        (_NOTHING if scope is None else source.c[scope]).label("scope_id"),
    )


# All that stands beside the row of an account. ``kind``: "login" with its key as ``name``, "membership" with its
# ``scope_id``, "role" with both.
BELONGINGS = sa.union_all(
    _part("login", "logins", "key", None),
    _part("membership", "memberships", None, "scope_id"),
    _part("role", "roles", "role", "scope_id"),
).subquery("belongings")
VIEWS: dict[str, sa.FromClause] = {"belongings": BELONGINGS}
