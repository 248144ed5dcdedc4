"""The page of an invitation: a password chosen once, the address proved by it, and nobody signed in (R100, R19)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.password import Passwords
from gateway.accounts.register import Register
from gateway.administration.invitations import Invitations, InvitationSettings
from gateway.edges.memory_store import MemoryStore
from gateway.pages.house import HOUSE
from gateway.pages.invitation import InvitationPages
from gateway.pages.proving import MailProof
from gateway.ports import Update
from tests.administration.world import World, person, world_in
from tests.pages.hollow import PREFIX, house_of

PASSWORD = "Un-beau-matin-7"
STAMPS = {
    "vtgw-client": "192.0.2.7",
    "vtgw-request-id": "ab" * 16,
    "vtgw-scheme": "https",
    "vtgw-host": "vt.test",
}


@dataclass
class Browser:
    world: World
    client: TestClient[Any, Any]
    token: str
    heard: list[str]
    invitations: Invitations
    cookie: str = ""
    csrf: str = ""

    async def open(self, token: str = "", page: str = "invitation") -> tuple[int, str]:
        answer = await self.client.get(f"{PREFIX}/{page}", params={"token": token or self.token})
        text = await answer.text()
        given = re.search(r"__Host-vtgw-browser=([^;]+)", answer.headers.get("Set-Cookie", ""))
        self.cookie = given[1] if given else self.cookie
        form = re.search(r'name="csrf" value="([^"]+)"', text)
        self.csrf = form[1] if form else self.csrf
        return answer.status, text

    async def choose(
        self, password: str, again: str = "", token: str = "", page: str = "invitation"
    ) -> tuple[int, str]:
        answer = await self.client.post(
            f"{PREFIX}/{page}",
            data={
                "csrf": self.csrf,
                "token": token or self.token,
                "password": password,
                "repeat_password": again or password,
            },
            headers={"Cookie": f"__Host-vtgw-browser={self.cookie}"},
            allow_redirects=False,
        )
        return answer.status, answer.headers.get("Location", "") or await answer.text()

    async def row(self) -> dict[str, Any]:
        (found,) = await self.world.records.find("accounts", {"id": "acc_new"})
        return dict(found)


def token_of(text: str) -> str:
    return text.partition("token=")[2].split()[0]


@asynccontextmanager
async def invited(folder: Path) -> AsyncIterator[Browser]:
    """Somebody who was invited, with the link of their mail."""
    async with world_in(folder) as world:
        await world.records.write(
            *person("acc_new", "ehpad", origin="referent", mail_proved_at=None, last_sign_in_at=None)
        )
        heard: list[str] = []

        async def changed(account_id: str) -> None:
            heard.append(account_id)

        store, passwords = MemoryStore(world.ambient), Passwords(memory=8192, threads=1)
        invitations = Invitations(store, world.ambient, InvitationSettings("https://vt.test/_gateway"))
        house = house_of(
            ambient=world.ambient,
            store=store,
            register=Register(world.records, world.ambient),
            passwords=passwords,
            audit=world.audit,
            changed=changed,
            least_bits=0,
            dormancy=timedelta(days=365),
        )
        app = web.Application()
        app[HOUSE] = house
        app.router.add_routes(InvitationPages(house, invitations).routes())
        app.router.add_routes(MailProof(house, Mailboxes(world.records)).routes())
        text = (await invitations.invite("acc_new", "acc_new@example.test", "EHPAD", world.now)).text
        try:
            async with TestClient(TestServer(app), headers=STAMPS) as client:
                yield Browser(world, client, token_of(text), heard, invitations)
        finally:
            passwords.close()


async def test_r100_choosing_a_password_proves_the_address_and_signs_nobody_in(tmp_path: Path) -> None:
    """Opening the link changes nothing; the form does, once, and leads to the sign-in page without a session."""
    async with invited(tmp_path) as browser:
        for _ in range(2):
            status, text = await browser.open()
            assert (status, "Bienvenue" in text) == (200, True)
        assert (await browser.row())["password_hash"] is None
        status, where = await browser.choose(PASSWORD)
        assert (status, where) == (303, f"{PREFIX}/sign-in?space=professionnel&said=password")
        row = await browser.row()
        assert str(row["password_hash"]).startswith("$argon2id$")
        assert row["mail_proved_at"] == row["password_set_at"] == browser.world.now
        assert row["last_sign_in_at"] is None
        assert browser.heard == ["acc_new"]
        traces = await browser.world.audited()
        assert [(one["act"], one["facts"]["by"], one["address"]) for one in traces] == [
            ("password:change", "invitation", "192.0.2.7"),
            ("mail:prove", "invitation", "192.0.2.7"),
        ]
        assert PASSWORD not in repr(traces)
        assert (await browser.choose("Un-autre-matin-8"))[0] == 403
        status, text = await browser.open()
        assert (status, "plus valable" in text) == (403, True)


async def test_r100_of_two_at_the_same_instant_one_wins(tmp_path: Path) -> None:
    """The other is told that the link has served; the password is the winner's."""
    async with invited(tmp_path) as browser:
        await browser.open()
        outcomes = await asyncio.gather(browser.choose(PASSWORD), browser.choose("Un-autre-matin-8"))
        assert sorted(status for status, _ in outcomes) == [303, 403]
        assert len(await browser.world.audited("password:change")) == 1


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [("court", "", "8 caractères"), (PASSWORD, "Un-autre-matin-8", "sont différents")],
)
async def test_r14_a_password_that_will_not_do(tmp_path: Path, password: str, again: str, words: str) -> None:
    """Said on the page; the link stays good."""
    async with invited(tmp_path) as browser:
        await browser.open()
        status, text = await browser.choose(password, again)
        assert (status, words in text) == (422, True)
        assert (await browser.choose(PASSWORD))[0] == 303


async def test_r100_an_expired_or_foreign_link_says_what_to_do(tmp_path: Path) -> None:
    """Ask the référent; nothing tells whether it ever was a link. A suspended account's is none."""
    async with invited(tmp_path) as browser:
        await browser.open()
        status, text = await browser.open("A" * 32)
        assert (status, "référent" in text) == (403, True)
        browser.world.ambient.advance(7 * 86400)
        expired = await browser.open()
        assert expired[0] == 403
        assert (await browser.choose(PASSWORD))[0] == 403
        assert (await browser.row())["password_hash"] is None


async def test_r100_a_suspended_account_is_not_opened_by_its_link(tmp_path: Path) -> None:
    """The form that was open already is refused too."""
    async with invited(tmp_path) as browser:
        await browser.open()
        await browser.world.records.write(Update("accounts", {"suspended_at": browser.world.now}, {"id": "acc_new"}))
        assert (await browser.choose(PASSWORD))[0] == 403


async def test_r100_the_proof_of_a_corrected_address_is_an_ordinary_one(tmp_path: Path) -> None:
    """The link that a correction sends opens the page of every proof, which proves that address once."""
    async with invited(tmp_path) as browser:
        mail = await browser.invitations.prove("acc_new", "acc_new@example.test", browser.world.now)
        token = token_of(mail.text)
        status, _ = await browser.open(token, "mail/prove")
        assert (status, (await browser.row())["mail_proved_at"]) == (200, None)
        assert (await browser.choose("", token=token, page="mail/prove"))[0] == 200
        assert (await browser.row())["mail_proved_at"] == browser.world.now
        assert (await browser.choose("", token=token, page="mail/prove"))[0] == 403
        other = token_of((await browser.invitations.prove("acc_new", "old@example.test", browser.world.now)).text)
        await browser.open(other, "mail/prove")
        assert (await browser.choose("", token=other, page="mail/prove"))[0] == 403
