"""Compliance.report: what is accepted, what runs on borrowed time, what could not be kept as a reservation."""

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

from gateway.administration.actor import Actor, NotYours
from gateway.administration.compliance import Compliance, ComplianceSettings
from gateway.ports import Insert, Update
from tests.administration.world import AURA, CUT_OFF, NATIONAL, REFERENT, REUNION, World, paths, world_in
from tests.ambient import START

DAY = timedelta(days=1)
SETTINGS = ComplianceSettings(
    offered=frozenset({"card", "psc", "password"}),
    password_bits=0,
    failures_in_a_row=5,
    failures_in_a_day=25,
    idle=timedelta(minutes=30),
    absolute=timedelta(hours=4),
    revocation="hard",
    revoke_on_enable=True,
    derogation_max=timedelta(days=365),
    breakglass_max=timedelta(hours=24),
    dormancy=timedelta(days=365),
    generic_names=(),
    generic_mailboxes=(),
    zone=ZoneInfo("Europe/Paris"),
)


def switch(number: int, scope: str, until: timedelta, kind: str = "switch", **more: Any) -> Insert:
    values = {
        "id": f"swi_{number}", "scope_id": scope, "state": "password_only", "effective_from": START - DAY,
        "derogation_until": START + until, "reason": f"motif {number}", "author": "acc_aura", "kind": kind,
        "batch": f"swb_{number}", "created_at": START - DAY,
    }  # fmt: skip
    return Insert("switches", values | more)


def in_world(folder: Path, work: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world_in(folder) as world:
            world.overview.by_path = {paths()["ehpad"]: (12, 9), paths()["chu"]: (5, 5)}
            await work(world)

    asyncio.run(run())


async def touched(world: World, *changes: Insert, **legal: str) -> None:
    """Write these switches, and by scope a legal status of SMS codes."""
    await world.records.write(
        *changes,
        *(Update("scopes", {"legal": text}, {"id": scope}) for scope, text in legal.items()),
        Update("revisions", {"value": 1}, {"name": "policy"}),
    )
    for one in await world.records.find("scopes", {}):
        await world.records.write(Update("scopes", {"revision": 1}, {"id": one["id"]}))
    await world.desk.refresh()


async def report(world: World, actor: Actor = NATIONAL, **changes: Any) -> dict[str, Any]:
    settings = replace(SETTINGS, **changes)
    made = await Compliance(world.desk, world.overview, world.records, settings).report(actor, world.now)
    found: dict[str, Any] = json.loads(json.dumps(made))
    return found


def means(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [line for line in found["means"] if line["means"] == name]
    return dict(one)


def points(found: dict[str, Any]) -> dict[str, bool]:
    return {one["key"]: one["holds"] for one in found["points"]}


def test_g3_a_transition_means_still_on_is_an_alarm(tmp_path: Path) -> None:
    """Codes by mail are on after the date; SMS and passkeys are off; card and Pro Santé Connect are accepted by law."""

    async def work(world: World) -> None:
        found = await report(world)
        assert [(one["means"], one["scope"], one["alarm"]) for one in found["alarms"]] == [("otp_mail", None, "ended")]
        assert "admis jusqu'au" in found["alarms"][0]["sentence"]
        on = [one["means"] for one in found["means"] if one["enabled"]]
        assert on == ["psc", "card", "otp_mail"]
        assert means(found, "otp_mail")["until"] == CUT_OFF.isoformat()
        assert (means(found, "card")["status"], means(found, "card")["alarm"]) == ("cpx", None)
        assert found["reach"] == ["France entière"]

    in_world(tmp_path, work)


def test_g3_g8_scopes_that_say_otherwise(tmp_path: Path) -> None:
    """A homologation that ends soon is an alarm of its place; a scope out of reach is not told of."""
    ending = json.dumps({"otp_mail": {"status": "homologue", "reference": "H-1", "until": str(START + 30 * DAY)}})

    async def work(world: World) -> None:
        await touched(world, aura=ending)
        found = await report(world, AURA)
        (override,) = means(found, "otp_mail")["overrides"]
        assert (override["scope"], override["status"], override["reference"]) == ("aura", "homologue", "H-1")
        assert ("otp_mail", "aura", "ends-soon") in [(a["means"], a["scope"], a["alarm"]) for a in found["alarms"]]
        assert "l'homologation H-1 prend fin le" in json.dumps(found["alarms"], ensure_ascii=False)
        elsewhere = await report(world, REUNION)
        assert means(elsewhere, "otp_mail")["overrides"] == []
        assert elsewhere["reach"] == ["La Réunion"]

    in_world(tmp_path, work)


def test_g18_g26_exceptions_that_run(tmp_path: Path) -> None:
    """Derogations and emergencies with reason, author, end and people, the first to end first; what is over is not there."""

    async def work(world: World) -> None:
        await touched(
            world,
            switch(1, "ehpad", 20 * DAY),
            switch(2, "aura", timedelta(hours=3), "breakglass"),
            switch(3, "ssr", -timedelta(hours=1)),
            switch(4, "ch", 5 * DAY, cancelled_at=START, cancelled_by="x", cancel_reason="x"),
            switch(5, "chu", 9 * DAY),
        )
        found = (await report(world))["exceptions"]
        assert [(one["kind"], one["scope"], one["reason"], one["author"], one["people"]) for one in found] == [
            ("breakglass", "aura", "motif 2", "acc_aura", 12),
            ("derogation", "chu", "motif 5", "acc_aura", 5),
            ("derogation", "ehpad", "motif 1", "acc_aura", 12),
        ]
        assert "Ouverture de secours\u00a0: Auvergne-Rhône-Alpes, mot de passe seul jusqu'à" in found[0]["sentence"]
        assert [one["scope"] for one in (await report(world, REFERENT))["exceptions"]] == ["ehpad"]

    in_world(tmp_path, work)


def test_g27_the_five_points(tmp_path: Path) -> None:
    """Each point holds or not by what is set, with a sentence."""

    async def work(world: World) -> None:
        good = points(await report(world, password_bits=50))
        assert good == dict.fromkeys(("password_alone", "entropy", "failures", "idle", "revocation"), True)
        bad = points(
            await report(world, failures_in_a_day=26, idle=timedelta(hours=2), revocation="soft", password_bits=49)
        )
        assert bad == {
            "password_alone": True, "entropy": False, "failures": False, "idle": False, "revocation": False,
        }  # fmt: skip
        await touched(world, switch(1, "ehpad", 20 * DAY))
        weak = await report(world, AURA)
        assert points(weak)["password_alone"] is False
        assert weak["points"][0]["sentence"].startswith("1 établissements ou services sur 4 acceptent")
        assert means(weak, "password")["enabled"] is True
        assert points(await report(world, REUNION))["password_alone"] is True

    in_world(tmp_path, work)


def test_g16_g17_identities_and_the_yearly_declaration(tmp_path: Path) -> None:
    """The declaration lists exactly the means that are on, with their dates; counts of people are of the reach."""

    async def work(world: World) -> None:
        await world.records.write(Update("scopes", {"channels": "mail,totp"}, {"id": "nation"}))
        await touched(world)
        found = await report(world, AURA, offered=frozenset({"psc", "passkey", "password"}))
        assert [one["means"] for one in found["declaration"]["means"]] == ["psc", "otp_mail", "otp_totp", "passkey"]
        assert found["declaration"]["renew_by"].startswith("2027-03-02")
        assert found["identities"]["people"] == 12
        assert world.overview.asked[-1] == (paths()["aura"],)
        assert found["bounds"]["breakglass_max_seconds"] == 86_400
        with pytest.raises(NotYours):
            await report(world, Actor("acc_x", "Sans rôle", ()))

    in_world(tmp_path, work)


def test_g3_channels_of_scopes_and_forbidden_means(tmp_path: Path) -> None:
    """A channel that only a scope uses is on; a means the nation forbids is off unless a scope may use it."""
    barred = json.dumps({"otp_sms": {"status": "interdit", "reference": "", "until": None}})

    async def work(world: World) -> None:
        await world.records.write(Update("scopes", {"channels": "mail,sms"}, {"id": "ehpad"}))
        await touched(world, ssr=barred)
        found = await report(world, AURA)
        assert means(found, "otp_sms")["enabled"] is True
        assert [one["scope"] for one in means(found, "otp_sms")["overrides"]] == ["ssr"]
        assert means(await report(world, REUNION), "otp_sms")["enabled"] is False
        assert means(await report(world, offered=frozenset({"card", "psc"})), "otp_mail")["enabled"] is False

    in_world(tmp_path, work)


def test_g3_what_is_set_above_the_reach_holds_in_it(tmp_path: Path) -> None:
    """A référent reads the status and the channels that the region set, not the nation's."""
    homologated = json.dumps({"otp_sms": {"status": "homologue", "reference": "H-2", "until": str(START + 900 * DAY)}})

    async def work(world: World) -> None:
        await world.records.write(Update("scopes", {"channels": "sms"}, {"id": "aura"}))
        await touched(world, aura=homologated)
        found = await report(world, REFERENT)
        assert (means(found, "otp_sms")["status"], means(found, "otp_sms")["enabled"]) == ("homologue", True)
        assert means(found, "otp_mail")["enabled"] is False
        assert means(found, "otp_sms")["overrides"] == []

    in_world(tmp_path, work)
