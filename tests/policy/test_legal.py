"""The legal status of means (G3, G8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.identity import Method
from gateway.policy.legal import CHANNELS, MEANS, REMINDER, Legal, Status, alarm, forbidden
from tests.ambient import START

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("legal", "expected"),
    [
        (Legal(Status.TRANSITION), None),
        (Legal(Status.TRANSITION, until=START + SECOND), None),
        (Legal(Status.TRANSITION, until=START), "ended"),
        (Legal(Status.HOMOLOGUE, "H", START + REMINDER + SECOND), None),
        (Legal(Status.HOMOLOGUE, "H", START + REMINDER), "ends-soon"),
        (Legal(Status.HOMOLOGUE, "H", START + SECOND), "ends-soon"),
        (Legal(Status.HOMOLOGUE, "H", START), "ended"),
        (Legal(Status.PSC, until=START), None),
        (Legal(Status.CPX, until=START), None),
        (Legal(Status.INTERDIT, until=START), None),
    ],
)
def test_g3_g8_what_an_administrator_is_told(legal: Legal, expected: str | None) -> None:
    """Transition means that outlive their date, homologations 90 days before their end and after it."""
    assert alarm(legal, START) == expected


def test_g3_only_forbidden_means_are_barred() -> None:
    """A homologation that ended is an alarm and bars nobody by itself."""
    statuses = {status.value: Legal(status, until=START) for status in Status}
    assert forbidden(statuses) == frozenset({"interdit"})
    assert forbidden({}) == frozenset()


def test_g3_every_method_belongs_to_one_means_at_most() -> None:
    """MonSisra speaks for another application and has no status of its own."""
    owners = {method: [name for name, methods in MEANS.items() if method in methods] for method in Method}
    assert {method for method, names in owners.items() if not names} == {Method.MONSISRA}
    assert all(len(names) <= 1 for names in owners.values())
    assert set(CHANNELS.values()) <= set(MEANS)
