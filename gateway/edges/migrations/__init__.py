"""Alembic migrations, run by ``edges.migrating`` under a lock; there is no configuration file.

The rule of a step, from 0006 on: it only adds, so that workers of the version before go on while it is done and after.
New columns of old tables may stay out or have a server default; nothing new is asked of columns that there were; indexes on
tables that may be big are made ``CONCURRENTLY`` in an ``autocommit_block``, in a way that may be done again; values are filled
in by a job, in portions. What is to go is first left unused for one version. Proved by ``tests/edges/test_migrations.py``.
"""
