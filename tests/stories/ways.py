"""How people of the stories come in, by each means."""

from __future__ import annotations

from tests.stories.test_main_job import DEEP, by_password, by_psc, card_of, headers_of
from tests.visitor import Demo, Visitor

__all__ = ["DEEP", "by_card", "by_password", "by_psc", "card_of", "headers_of", "registered"]

PASSWORD = "Un-beau-matin-7"


def by_card(demo: Demo, key: str, space: str = "liberal", back: str = DEEP) -> Visitor:
    """Present the card of this person in a browser of its own."""
    visitor = Visitor(demo, card_of(demo, key))
    visitor.get(f"/_gateway/sign-in/card?space={space}&return={back.replace('&', '%26')}")
    return visitor


def registered(demo: Demo, key: str, **fields: str) -> Visitor:
    """Somebody by card, with an account from now on if there was none."""
    visitor = by_card(demo, key)
    if "/register" in visitor.last.url:
        given = {"email": demo.person(key)["mail"], "password": PASSWORD, "repeat_password": PASSWORD, **fields}
        visitor.submit("/register", **given)
        visitor.submit("/charter", accept="1")
    return visitor
