"""Instants as people type them at the shell."""

from __future__ import annotations

from datetime import UTC, datetime

import click


class InstantType(click.ParamType[datetime]):
    """ISO 8601 with its offset, for example ``2026-03-02T08:00:00+01:00``: a time without one could be anybody's."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("an instant looks like 2026-03-02T08:00:00+01:00", param, ctx)
        if instant.tzinfo is None:
            self.fail("an instant needs its offset, for example 2026-03-02T08:00:00+01:00", param, ctx)
        return instant.astimezone(UTC)


INSTANT = InstantType()
