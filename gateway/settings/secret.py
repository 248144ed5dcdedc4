"""A value that never shows itself."""

from __future__ import annotations

from typing import Any


class Secret:
    """A value that never shows itself: not in a repr, a log line or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


def read_secret(value: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    # The value itself must not appear in the error, so it is raised without it.
    raise ValueError("a secret comes from a file (…_file) or from the environment, never from the configuration text")
