"""Passkeys: real ceremonies with an authenticator in software, right and wrong in every way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gateway.accounts.account import Account, Origin
from gateway.accounts.passkeys import NewPasskey, PasskeyRegister
from gateway.accounts.register import Register
from gateway.edges.database import Database
from gateway.identity import Assurance, Method, Proof, Space
from gateway.ports import Update
from gateway.providers.base import Attempt, Outcome, Rejected, Reply
from gateway.providers.passkey import UNNAMED, Passkeys, PasskeySettings
from gateway.reasons import Reason
from tests.accounts.shelf import account as row_of
from tests.accounts.shelf import database
from tests.ambient import TestAmbient
from tests.softkey import BE, BS, EDDSA, RS256, UP, UV, SoftKey, b64, unb64

ORIGIN = "https://vt.test:8443"
SETTINGS = PasskeySettings.of(ORIGIN, "ViaTrajectoire", b"k" * 32, timedelta(minutes=5))


@dataclass
class World:
    provider: Passkeys
    register: PasskeyRegister
    records: Database
    ambient: TestAmbient
    accounts: Register

    async def account(self, name: str = "a") -> Account:
        found = await self.accounts.by_id(f"acc_{name}")
        assert found is not None
        return found

    async def options(self, name: str = "a") -> tuple[str, Mapping[str, str]]:
        mine = await self.register.list(f"acc_{name}")
        return self.provider.enrol_options(await self.account(name), mine, self.ambient.now())

    async def enrol(self, key: SoftKey, name: str = "a", **lies: Any) -> NewPasskey | Rejected:
        """The whole ceremony; what is accepted is kept."""
        options, memory = await self.options(name)
        account = await self.account(name)
        made = self.provider.enrol(account, memory, key.make(options, **lies), "Mon téléphone", self.ambient.now())
        if isinstance(made, NewPasskey):
            assert await self.register.add(account.id, made, self.ambient.now())
        return made

    async def begin(self) -> tuple[str, Attempt]:
        attempt = Attempt("att", "b" * 64, Space.PROFESSIONNEL, "/", "passkey", self.ambient.now())
        form = await self.provider.begin(attempt, self.ambient.now())
        return form.facts["options"], replace(attempt, memory=form.memory)

    async def complete(self, attempt: Attempt, credential: str) -> Outcome:
        return await self.provider.complete(attempt, Reply({"credential": credential}), self.ambient.now())

    async def sign_in(self, key: SoftKey, **lies: Any) -> Outcome:
        options, attempt = await self.begin()
        return await self.complete(attempt, key.use(options, **lies))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables; each test has a copy."""
    folder = tmp_path_factory.mktemp("passkey")

    async def make() -> None:
        async with database(folder):
            pass

    asyncio.run(make())
    return folder / "records.db"


@pytest.fixture
async def world(tmp_path: Path, empty: Path) -> AsyncIterator[World]:
    ambient = TestAmbient()
    shutil.copy(empty, tmp_path)
    records = Database(f"sqlite:///{tmp_path / 'records.db'}")
    await records.write(row_of("a", national_id="899700000005", profession="10"), row_of("b"))
    register, accounts = PasskeyRegister(records), Register(records, ambient)
    yield World(Passkeys(SETTINGS, accounts, register, ambient), register, records, ambient, accounts)
    await records.close()


def refused(outcome: object) -> str:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.reason is Reason.PASSKEY_REFUSED
    assert set(outcome.evidence) == {"why"}
    return outcome.evidence["why"]


# What browsers are asked


async def test_the_options_ask_for_a_verified_user_and_no_name(world: World) -> None:
    """Sign-in names no credential and no person; the user has to be verified; the challenge is 32 bytes, never the same."""
    options, attempt = await world.begin()
    asked = json.loads(options)
    assert (asked["rpId"], asked["userVerification"], asked["timeout"]) == ("vt.test", "required", 300_000)
    assert asked.get("allowCredentials", []) == []
    assert len(unb64(asked["challenge"])) == 32
    assert attempt.memory["challenge"] == asked["challenge"]
    assert json.loads((await world.begin())[0])["challenge"] != asked["challenge"]


async def test_the_options_of_a_new_key(world: World) -> None:
    """Discoverable, verified, no attestation, three algorithms, the keys already there excluded; and no identifier of the
    person: the handle is 32 bytes of its own for each account."""
    await world.enrol(first := SoftKey(ORIGIN))
    options, _ = await world.options()
    asked = json.loads(options)
    assert asked["rp"] == {"name": "ViaTrajectoire", "id": "vt.test"}
    assert asked["attestation"] == "none"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-7, -8, -257]
    assert [one["id"] for one in asked["excludeCredentials"]] == [b64(first.id)]
    assert "99700000005" not in options
    assert len(unb64(asked["user"]["id"])) == 32
    assert asked["user"]["id"] == b64(world.provider.handle("acc_a"))
    assert json.loads((await world.options("b"))[0])["user"]["id"] != asked["user"]["id"]


# Right


@pytest.mark.parametrize("algorithm", [-7, EDDSA, RS256])
async def test_a_key_that_was_added_signs_in(world: World, algorithm: int) -> None:
    """The proof names its account, is a transition means, and its evidence is no credential."""
    key = SoftKey(ORIGIN, algorithm)
    made = await world.enrol(key)
    assert isinstance(made, NewPasskey)
    assert (made.id, made.name, made.backed_up) == (b64(key.id), "Mon téléphone", False)
    proof = await world.sign_in(key)
    assert isinstance(proof, Proof)
    assert (proof.method, proof.assurance, proof.remembered) == (Method.PASSKEY, Assurance.TRANSITION, False)
    assert proof.identity.id is not None
    assert (proof.identity.id.text, proof.identity.profession) == ("899700000005", "10")
    assert proof.evidence["account"] == "acc_a"
    assert len(proof.evidence["credential"]) == 8
    assert b64(key.id) not in str(proof)
    assert (await world.register.list("acc_a"))[0].last_used_at == world.ambient.now()


async def test_a_key_without_counter_signs_in_again_and_again(world: World) -> None:
    """Synchronised keys count nothing: zero after zero is right."""
    made = await world.enrol(key := SoftKey(ORIGIN), flags=UP | UV | BE | BS)
    assert isinstance(made, NewPasskey)
    assert made.backed_up
    for _ in range(3):
        assert isinstance(await world.sign_in(key), Proof)


async def test_a_device_may_vouch_for_itself(world: World) -> None:
    """Some browsers leave the device's own word (packed, without certificate) although nothing was asked for."""
    key, (options, memory) = SoftKey(ORIGIN), await world.options()
    bare = json.loads(key.make(options))
    attested = cbor2.loads(unb64(bare["response"]["attestationObject"]))
    client = unb64(bare["response"]["clientDataJSON"])
    signed = attested["authData"] + hashlib.sha256(client).digest()
    attested |= {"fmt": "packed", "attStmt": {"alg": -7, "sig": key.sign(signed)}}
    bare["response"]["attestationObject"] = b64(cbor2.dumps(attested))
    made = world.provider.enrol(await world.account(), memory, json.dumps(bare), "", world.ambient.now())
    assert isinstance(made, NewPasskey)
    assert made.name == UNNAMED


# Signing in, wrong

LIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "another origin": ("origin", {"origin": "https://vt.test"}),
    "an origin that begins alike": ("origin", {"origin": ORIGIN + ".evil.test"}),
    "an origin of another kind": ("origin", {"origin": ["a"]}),
    "another site": ("site", {"site": "evil.test"}),
    "no verification of the user": ("verification", {"flags": UP}),
    "nobody there": ("presence", {"flags": UV}),
    "another challenge": ("challenge", {"challenge": b64(b"x" * 32)}),
    "a cut challenge": ("challenge", {"challenge": ""}),
    "the other ceremony": ("ceremony", {"type": "webauthn.create"}),
    "inside another's page": ("framed", {"crossOrigin": True}),
    "a signature of nothing": ("signature", {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"}),
    "no signature": ("signature", {"signature": b"\x00"}),
    "no user handle": ("user", {"handle": b""}),
    "another user handle": ("user", {"handle": b"h" * 32}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_wrong_assertion_is_refused(world: World, lie: str) -> None:
    """Whatever is not as it was asked is refused, and the log has one word for it."""
    word, changes = LIES[lie]
    await world.enrol(key := SoftKey(ORIGIN))
    assert refused(await world.sign_in(key, **changes)) == word
    assert (await world.register.list("acc_a"))[0].last_used_at is None
    assert isinstance(await world.sign_in(key), Proof)


async def test_an_unknown_key_is_told_apart_in_the_log(world: World) -> None:
    """A key that nobody added, or that was removed, opens nothing."""
    stranger = SoftKey(ORIGIN, handle=world.provider.handle("acc_a"))
    outcome = await world.sign_in(stranger)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PASSKEY_UNKNOWN
    await world.enrol(key := SoftKey(ORIGIN))
    await world.register.remove("acc_a", b64(key.id))
    outcome = await world.sign_in(key)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PASSKEY_UNKNOWN


async def test_a_key_opens_its_own_account_alone(world: World) -> None:
    """Neither another's handle nor another's credential id lends an account."""
    await world.enrol(mine := SoftKey(ORIGIN))
    await world.enrol(theirs := SoftKey(ORIGIN), "b")
    assert refused(await world.sign_in(mine, handle=theirs.handle)) == "user"
    forged = replace(mine, id=theirs.id, handle=theirs.handle)  # a key of its own, under the other's name
    assert refused(await world.sign_in(forged)) == "signature"
    proof = await world.sign_in(theirs)
    assert isinstance(proof, Proof)
    assert proof.evidence["account"] == "acc_b"


async def test_a_counter_that_goes_back_is_refused(world: World) -> None:
    """Equal or smaller than the last one: perhaps a copy of the key; and the stored count stays."""
    await world.enrol(key := SoftKey(ORIGIN, count=5, counts=True))
    assert isinstance(await world.sign_in(key), Proof)
    for back in (5, 4, -1):
        key.count = back  # one more is said
        assert refused(await world.sign_in(key)) == "counter"
    assert (await world.register.list("acc_a"))[0].sign_count == 6
    key.count = 2**31 - 1
    assert refused(await world.sign_in(key)) == "counter"
    key.count = 6
    assert isinstance(await world.sign_in(key), Proof)


async def test_fifty_at_once_with_one_count_are_one(world: World) -> None:
    """Even without the attempt's single use, a counter lets one of equal assertions through."""
    await world.enrol(key := SoftKey(ORIGIN, count=1, counts=True))
    options, attempt = await world.begin()
    credential = key.use(options)
    outcomes = await asyncio.gather(*(world.complete(attempt, credential) for _ in range(50)))
    assert sum(isinstance(one, Proof) for one in outcomes) == 1
    assert {refused(one) for one in outcomes if isinstance(one, Rejected)} == {"counter"}


@pytest.mark.parametrize(("seconds", "right"), [(299, True), (300, True), (301, False), (-60, True), (-61, False)])
async def test_a_challenge_lives_five_minutes(world: World, seconds: float, right: bool) -> None:
    """And a clock set back does not make it live again (R80)."""
    await world.enrol(key := SoftKey(ORIGIN))
    options, attempt = await world.begin()
    world.ambient.advance(seconds)
    outcome = await world.complete(attempt, key.use(options))
    assert isinstance(outcome, Proof) if right else refused(outcome) == "late"


async def test_an_answer_belongs_to_its_challenge(world: World) -> None:
    """An answer to one attempt is worth nothing to another, nor to one that never began."""
    await world.enrol(key := SoftKey(ORIGIN))
    options, attempt = await world.begin()
    answer = key.use(options)
    _, other = await world.begin()
    assert refused(await world.complete(other, answer)) == "challenge"
    assert refused(await world.complete(replace(attempt, memory={}), answer)) == "challenge"
    assert isinstance(await world.complete(attempt, answer), Proof)


def _without(path: str) -> Callable[[dict[str, Any]], object]:
    return lambda answer: answer["response"].pop(path)


DAMAGE: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "no id": lambda answer: answer.pop("id"),
    "no raw id": lambda answer: answer.pop("rawId"),
    "two ids": lambda answer: answer.update(id="AAAA"),
    "another type": lambda answer: answer.update(type="password"),
    "a response of text": lambda answer: answer.update(response="x"),
    "no client data": _without("clientDataJSON"),
    "no authenticator data": _without("authenticatorData"),
    "no signature": _without("signature"),
    "client data of numbers": lambda answer: answer["response"].update(clientDataJSON=b64(b"[1]")),
    "client data of bytes": lambda answer: answer["response"].update(clientDataJSON=b64(b"\xff\xfe")),
    "short data": lambda answer: answer["response"].update(authenticatorData="AAAA"),
    "data with a tail": lambda answer: answer["response"].update(
        authenticatorData=b64(unb64(answer["response"]["authenticatorData"]) + b"\x00")
    ),
    "a handle of numbers": lambda answer: answer["response"].update(userHandle=1),
    "not base64": lambda answer: answer["response"].update(signature="é"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_assertion_is_refused(world: World, damage: str) -> None:
    """No shape of answer is an accident."""
    await world.enrol(key := SoftKey(ORIGIN))
    options, attempt = await world.begin()
    answer = json.loads(key.use(options))
    DAMAGE[damage](answer)
    assert refused(await world.complete(attempt, json.dumps(answer))) == "malformed"


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("", "empty"),
        ("x", "malformed"),
        ("null", "malformed"),
        ("[" * 16_000, "malformed"),
        ('{"id":"' + "A" * 12_000 + '","rawId":"' + "A" * 2000 + '"}', "malformed"),
        (" " * 16_384, "malformed"),
        (" " * 16_385, "size"),
        ("\ud800", "malformed"),
    ],
)
async def test_anything_posted_is_refused(world: World, raw: str, word: str) -> None:
    """Text that is no answer at all, at both ceremonies."""
    _, attempt = await world.begin()
    assert refused(await world.complete(attempt, raw)) == word
    _, memory = await world.options()
    assert refused(world.provider.enrol(await world.account(), memory, raw, "x", world.ambient.now())) == word


async def test_a_closed_account_is_left_to_the_pages(world: World) -> None:
    """Standing is judged in one place for all means: the provider proves who it is, no more."""
    await world.enrol(key := SoftKey(ORIGIN))
    await world.records.write(Update("accounts", {"suspended_at": world.ambient.now()}, {"id": "acc_a"}))
    assert isinstance(await world.sign_in(key), Proof)


# Adding one, wrong

WRONG_KEYS: Mapping[str, tuple[str, SoftKey, dict[str, Any]]] = {
    "another origin": ("origin", SoftKey("https://evil.test"), {}),
    "another site": ("site", SoftKey(ORIGIN), {"site": "evil.test"}),
    "no verification of the user": ("verification", SoftKey(ORIGIN), {"flags": UP}),
    "another challenge": ("challenge", SoftKey(ORIGIN), {"challenge": b64(b"x" * 32)}),
    "the other ceremony": ("ceremony", SoftKey(ORIGIN), {"type": "webauthn.get"}),
    "inside another's page": ("framed", SoftKey(ORIGIN), {"crossOrigin": True}),
    "an algorithm nobody asked for": ("algorithm", SoftKey(ORIGIN, -65535), {}),
    "a weak key": ("weak", SoftKey(ORIGIN, RS256, bits=1024), {}),
    "a maker's word": ("attestation", SoftKey(ORIGIN), {"format": "packed", "statement": {"x5c": [b"a"], "sig": b"b"}}),
    "another maker's word": ("attestation", SoftKey(ORIGIN), {"format": "tpm", "statement": {"ver": "2.0"}}),
    "a word where none is": ("malformed", SoftKey(ORIGIN), {"statement": {"sig": b"x"}}),
    "an id that is too long": ("malformed", SoftKey(ORIGIN, id=b"i" * 1024), {}),
}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
async def test_a_wrong_new_key_is_refused(world: World, wrong: str) -> None:
    """Nothing is kept of a key that was not made as it was asked."""
    word, key, lies = WRONG_KEYS[wrong]
    assert refused(await world.enrol(key, **lies)) == word
    assert await world.register.count("acc_a") == 0


async def test_a_key_that_is_no_point_of_the_curve_is_refused(world: World) -> None:
    """A public key with which nothing could ever be verified is not kept."""

    class Broken(SoftKey):
        @property
        def cose(self) -> dict[int, Any]:
            return {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x01" * 32}

    assert refused(await world.enrol(Broken(ORIGIN))) == "malformed"


async def test_options_serve_their_account_alone(world: World) -> None:
    """Options given to one person add nothing to another's account, nor after five minutes."""
    options, memory = await world.options("a")
    answer, now = SoftKey(ORIGIN).make(options), world.ambient.now()
    assert refused(world.provider.enrol(await world.account("b"), memory, answer, "x", now)) == "user"
    late = now + timedelta(seconds=301)
    assert refused(world.provider.enrol(await world.account("a"), memory, answer, "x", late)) == "late"
    assert isinstance(world.provider.enrol(await world.account("a"), memory, answer, "x", now), NewPasskey)


async def test_a_person_without_name_gets_options(world: World) -> None:
    """The library asks for a name; an account without one has the site's."""
    nameless = replace(await world.account(), given_name="", family_name="", origin=Origin.IMPORT)
    options, _ = world.provider.enrol_options(nameless, [], world.ambient.now())
    assert json.loads(options)["user"]["name"] == "ViaTrajectoire"


@pytest.mark.parametrize("url", ["https://vt.test:8443", "https://localhost:8443", "https://vt.test"])
def test_the_site_is_the_host_of_the_public_address(url: str) -> None:
    """The origin is the address exactly; the site is its host, without port."""
    settings = PasskeySettings.of(url, "x", b"k" * 32, timedelta(minutes=5))
    assert (settings.origin, settings.site) == (url, url.removeprefix("https://").partition(":")[0])
