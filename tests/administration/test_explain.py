"""Explainer: who may ask about whom, and addresses read as the door reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.accounts.account import Account
from gateway.accounts.register import Register
from gateway.administration.actor import Actor, Faulty, NotThere
from gateway.administration.explain import Explainer, ExplainSettings
from gateway.identity import Space
from gateway.policy.decision import Rules
from gateway.policy.origins import HIDDEN
from gateway.policy.routes import Route, RouteClass, RouteTable
from gateway.ports import Insert
from gateway.providers.code import CodePolicy
from gateway.reasons import Reason
from tests.administration.world import AURA, CLI, NATIONAL, REFERENT, REUNION, World, person, world_in
from tests.ambient import START
from tests.policy.test_explain import Arrives

TABLE = RouteTable(
    [
        Route("/T/Libre/", RouteClass.PUBLIC, "vt", Space.PROFESSIONNEL),
        Route("/T/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL),
    ]
)
SETTINGS = ExplainSettings(
    arrival=Arrives(),
    offered=dict.fromkeys(Space, ("card", "psc", "passkey", "password")),
    requires_prior_strong=False,
    entries=("/T/Libre/", "/T/"),
    hosts=frozenset({"vt.test"}),
    prefix="/_gateway",
    reserved=frozenset({"/.well-known/jwks.json"}),
    zone=ZoneInfo("Europe/Paris"),
)


class OnlyMail:
    """Codes go by mail alone."""

    async def usable(self, account: Account, policy: CodePolicy) -> tuple[tuple[str, ...], Reason]:
        found = tuple(one for one in policy.channels if one == "mail" and account.mail)
        return found, Reason.NO_CHANNEL


def explainer(world: World, settings: ExplainSettings = SETTINGS) -> Explainer:
    register = Register(world.records, world.ambient)
    return Explainer(world.desk, register, world.records, TABLE, Rules("1"), OnlyMail(), settings)


def in_world(folder: Path, work: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world_in(folder) as world:
            await world.records.write(
                *person("acc_one", "ehpad", national_id="899700000005", password_hash="x", charter_version="1"),
                *person("acc_two", "chu"),
                *person("acc_both", "ehpad", "chu"),
                *person("acc_free"),
                Insert("logins", {"key": "899700000005", "account_id": "acc_one", "created_at": START}),
                Insert("logins", {"key": "u:unefille", "account_id": "acc_one", "created_at": START}),
                Insert(
                    "passkeys",
                    {
                        "id": "k", "account_id": "acc_one", "public_key": "x", "sign_count": 0, "name": "clé",
                        "backed_up": False, "created_at": START,
                    },
                ),
            )  # fmt: skip
            await work(world)

    asyncio.run(run())


@pytest.mark.parametrize(
    "who", ["acc_one", " acc_one ", "899700000005", "99700000005", "997 0000 0005", "UneFille", "8 99700000005"]
)
def test_r56_the_person_is_found_in_any_spelling(tmp_path: Path, who: str) -> None:
    """By id or login; the answer is JSON and changes nothing."""

    async def work(world: World) -> None:
        found = await explainer(world).explain(REFERENT, who, "/T/Acces/x", world.now)
        assert (found.account, found.path, found.version) == ("acc_one", "/T/Acces/x", world.desk.revision)
        assert json.loads(json.dumps(found.as_json()))["steps"][0]["facts"]["entry"] == 2
        by = {(one.name, one.channel): one for one in found.ways}
        assert by["passkey", ""].at_sign_in.reason is None
        assert by["card", ""].at_sign_in.reason is None
        assert by["password", "sms"].at_sign_in.reason is Reason.NO_CHANNEL
        assert await world.audited() == []

    in_world(tmp_path, work)


SEEN: list[tuple[Actor, str, bool]] = [
    (NATIONAL, "acc_free", True),
    (CLI, "acc_two", True),
    (AURA, "acc_one", True),
    (AURA, "acc_both", True),
    (AURA, "acc_two", False),
    (AURA, "acc_free", False),
    (REUNION, "acc_one", False),
    (REFERENT, "acc_one", True),
    (REFERENT, "acc_free", False),
    (REFERENT, "acc_nobody", False),
    (Actor("acc_x", "Sans rôle", ()), "acc_one", False),
]


@pytest.mark.parametrize(("actor", "who", "seen"), SEEN)
def test_r87_nobody_out_of_reach_is_told_of(tmp_path: Path, actor: Actor, who: str, seen: bool) -> None:
    """Outside one's reach a person does not exist, in the same words as one who does not."""

    async def work(world: World) -> None:
        if seen:
            assert (await explainer(world).explain(actor, who, "/T/", world.now)).account == who
            return
        with pytest.raises(NotThere) as refused:
            await explainer(world).explain(actor, who, "/T/", world.now)
        assert refused.value.sentence == NotThere().sentence

    in_world(tmp_path, work)


def test_r87_an_attachment_elsewhere_is_counted_and_not_named(tmp_path: Path) -> None:
    """A référent learns that another place counts, and not which."""

    async def work(world: World) -> None:
        found = await explainer(world).explain(REFERENT, "acc_both", "/T/", world.now)
        text = json.dumps(found.as_json(), ensure_ascii=False)
        assert HIDDEN in text
        assert "chu" not in text.replace("chute", "")
        assert "CHU de l'Île" not in text
        assert "La Réunion" not in text
        assert "EHPAD Les Glycines" in text
        whole = await explainer(world).explain(NATIONAL, "acc_both", "/T/", world.now)
        assert "CHU de l'Île" in json.dumps(whole.as_json(), ensure_ascii=False)

    in_world(tmp_path, work)


GOOD: list[tuple[str, str]] = [
    ("/T/Acces/page?x=//..", "/T/Acces/page"),
    ("https://vt.test/T/Acces", "/T/Acces"),
    ("HTTPS://VT.test:8443/T/a%20b#part", "/T/a b"),
    ("https://vt.test", "/"),
    ("https://vt.test?x=1", "/"),
    ("/T/été", "/T/été"),
    ("/T/%C3%A9t%C3%A9", "/T/été"),
    ("  /T/  ", "/T/"),
]
BAD = [
    "", "T/x", "//vt.test/T", "/T//x", "/T/../x", "/T/%2e%2e/x", "/T/%2fx", "/T/%zz", "/T\\x", "/T/a b", "/T/%00",
    "https://elsewhere.test/T", "https://vt.test@elsewhere.test/T", "https://user@vt.test/T", "javascript:alert(1)",
    "/_gateway", "/_gateway/admin/", "/.well-known/jwks.json", "/" + "a" * 9000, "https://vt.test\\@elsewhere.test/",
]  # fmt: skip


@pytest.mark.parametrize(("url", "path"), GOOD)
def test_r6_an_address_is_read_as_the_door_reads_it(tmp_path: Path, url: str, path: str) -> None:
    """Absolute or a path, with what a browser does to it and nothing else."""

    async def work(world: World) -> None:
        assert explainer(world).path_of(url) == path
        assert explainer(world, replace(SETTINGS, hosts=frozenset())).path_of(url) == path

    in_world(tmp_path, work)


@pytest.mark.parametrize("url", BAD)
def test_r6_what_the_door_refuses_is_faulty(tmp_path: Path, url: str) -> None:
    """One sentence about the address, on its field."""

    async def work(world: World) -> None:
        with pytest.raises(Faulty) as refused:
            await explainer(world).explain(NATIONAL, "acc_one", url, world.now)
        assert list(refused.value.faults) == ["url"]

    in_world(tmp_path, work)


def test_r6_public_and_unlisted_paths(tmp_path: Path) -> None:
    """A public page is open to all; a path no entry names is protected and has no entry."""

    async def work(world: World) -> None:
        public = await explainer(world).explain(AURA, "acc_one", "/t/libre/x", world.now)
        assert (public.verdict.rule, public.steps[0].facts["entry"]) == ("decide:1", 1)
        other = await explainer(world).explain(AURA, "acc_one", "/other", world.now)
        assert (other.verdict.reason, other.steps[0].facts["entry"]) == (Reason.NO_SESSION, None)
        odd = await explainer(world).explain(AURA, "acc_one", "/T/Libre/a;b", world.now)
        assert (odd.steps[0].facts["class"], odd.steps[0].facts["odd"]) == ("protected", True)

    in_world(tmp_path, work)


def test_r97_another_instant(tmp_path: Path) -> None:
    """The explanation of a day to come: the account sleeps by then, and a card wakes it."""

    async def work(world: World) -> None:
        found: Any = await explainer(world).explain(AURA, "acc_one", "/T/", world.now + timedelta(days=400))
        by = {(one.name, one.channel): one.verdict for one in found.ways}
        assert found.steps[1].facts["standing"] == "dormant"
        assert by["password", "mail"].reason is Reason.ACCOUNT_DORMANT
        assert by["card", ""].reason is None

    in_world(tmp_path, work)
