"""Alembic migrations, run by ``edges.database`` under a lock; there is no configuration file."""
