"""Runs the migrations on the connection that ``edges.database`` hands over."""

from __future__ import annotations

from alembic import context

from gateway.edges.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
    transactional_ddl=True,  # SQLite too: all or nothing, and nobody in between
)
with context.begin_transaction():
    context.run_migrations()
