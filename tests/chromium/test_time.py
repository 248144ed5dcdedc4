"""Pages and time: the warning before a session's end, « Rester connecté », and a code about to expire. The clock of
the browser and the clock of the demo are moved together."""

from __future__ import annotations

from datetime import datetime

from tests.browser import Person
from tests.chromium.conftest import Meet
from tests.visitor import Demo


async def at_the_demo_s_time(me: Person) -> None:
    """The browser's clock shows what the demo's shows, and goes on by itself."""
    now = me.demo.console("GET", "/clock")["now"]
    await me.page.clock.install(time=datetime.fromisoformat(now))


async def pass_by(me: Person, minutes: float) -> None:
    me.demo.advance(minutes * 60)
    await me.page.clock.fast_forward(int(minutes * 60_000))


async def test_g82_warned_before_the_idle_end_and_staying(meet: Meet) -> None:
    """Somebody who reads a page for long is warned, stays with one press of a key, and is told when it is over."""
    me = await meet()
    await at_the_demo_s_time(me)
    await me.sign_in_by_psc("dr-bernard")
    await me.sees_nothing_of("Votre session va se fermer")
    await pass_by(me, 29)
    await me.sees("Votre session va se fermer")
    assert await me.axe() == []
    dialog = me.page.get_by_role("alertdialog")
    assert await dialog.evaluate("one => one.contains(document.activeElement)")
    await dialog.get_by_role("button", name="Rester connecté").click()
    await me.sees_nothing_of("Votre session va se fermer")
    await pass_by(me, 29)
    await me.sees("Votre session va se fermer")
    await pass_by(me, 2)
    await me.sees("Votre session s'est fermée", "Ce que vous avez saisi reste sur cette page.")
    # The address asked every time without being activity answers 401 once it is over.
    me.faults = [fault for fault in me.faults if "401" not in fault]


async def test_r151_the_code_page_warns_before_the_code_expires(demo: Demo, meet: Meet) -> None:
    """A minute before its end the page says so, and a new code can be asked for."""
    me = await meet()
    await at_the_demo_s_time(me)
    await me.open("/_gateway/sign-in?space=liberal")
    await me.type_password("dr-bernard")
    await me.stands_under("J'ai reçu mon code")
    warning = me.page.get_by_text("Ce code va bientôt expirer")
    assert not await warning.is_visible()
    await pass_by(me, 9.5)
    await me.sees("Ce code va bientôt expirer")
    await me.press(await me.one_of("Renvoyer un code par e-mail", "Demander un nouveau code par e-mail"))
    await me.code_from_mailbox("dr-bernard")
    await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-bernard"))
    await me.press("Valider")
    await me.sees("BERNARD")
