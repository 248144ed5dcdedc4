"""Password and code: every rule of the two steps, with a clock moved by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.accounts.account import Origin
from gateway.accounts.password import Passwords
from gateway.identity import Assurance, Method, NationalId, Proof
from gateway.providers.base import Form, Rejected
from gateway.providers.code import CodePolicy, mask_mail, mask_phone
from gateway.reasons import Reason
from tests.ambient import START, TestAmbient
from tests.providers.world import PASSWORD, World, reason


@pytest.mark.parametrize(
    "typed", ["899700000005", "99700000005", "8 99 700 000 005", "8997.0000.0005", "0 06920999 7", "0069209997"]
)
async def test_j5_password_then_code(world: World, typed: str) -> None:
    """The right password and the code received prove the person, at the level of a transition means."""
    attempt, outcome = await world.login(typed)
    assert isinstance(outcome, Form)
    assert outcome.facts["destination"] == "c•••@e•••.test"
    code = world.mail.code
    proof = await world.type(attempt, f" {code[:3]} {code[3:]} ")
    assert isinstance(proof, Proof)
    assert (proof.method, proof.assurance) == (Method.OTP_MAIL, Assurance.TRANSITION)
    assert proof.identity.id == NationalId("8", "99700000005")


async def test_r64_no_message_for_a_wrong_password(world: World) -> None:
    """A wrong password sends nothing."""
    _, outcome = await world.login(password="wrong")
    assert reason(outcome) is Reason.WRONG_CREDENTIALS
    assert not world.mail.sent


async def test_r55_all_first_step_failures_are_one_answer_after_one_hash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, wrong, suspended and never-strong accounts answer alike, each after computing a hash."""
    hashes = 0
    original = Passwords._verify

    def counted(self: Passwords, stored: str | None, password: str) -> object:
        nonlocal hashes
        hashes += 1
        return original(self, stored, password)

    monkeypatch.setattr(Passwords, "_verify", counted)
    account = world.accounts["acc_1"]
    cases = [("899700100011", PASSWORD, account), ("899700000005", "wrong", account), ("", "", account)]
    cases += [("899700000005", PASSWORD, replace(account, suspended_at=START))]
    cases += [("899700000005", PASSWORD, replace(account, first_strong_at=None))]
    for identifier, password, stored in cases:
        world.accounts["acc_1"] = stored
        _, outcome = await world.login(identifier, password)
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.facts) == (Reason.WRONG_CREDENTIALS, {})
    assert hashes == len(cases)
    assert not world.mail.sent


async def test_r79_an_account_made_by_a_referent_needs_no_card_first(world: World) -> None:
    """The rule of a first strong sign-in is for accounts of the liberal kind."""
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], first_strong_at=None, origin=Origin.REFERENT)
    _, outcome = await world.login()
    assert isinstance(outcome, Form)


@pytest.mark.parametrize(
    ("validity", "age", "good"),
    [(600, 599, True), (600, 601, False), (28800, 28740, True), (28800, 28860, False)],
)
async def test_r67_validity_of_a_code(world: World, validity: int, age: int, good: bool) -> None:
    """A code works until its end, as it was when it was made; a later policy does not prolong it."""
    world.policy = CodePolicy(True, timedelta(seconds=validity))
    attempt, _ = await world.login()
    world.policy = CodePolicy(True, timedelta(hours=8))
    world.ambient.advance(age)
    outcome = await world.type(attempt, world.mail.code)
    assert isinstance(outcome, Proof) is good
    if not good:
        assert reason(outcome) is Reason.CODE_EXPIRED


async def test_r68_fifty_right_codes_one_proof(world: World) -> None:
    """Of fifty right entries at the same instant one is accepted."""
    attempt, _ = await world.login()
    outcomes = await asyncio.gather(*(world.type(attempt, world.mail.code) for _ in range(50)))
    assert sum(isinstance(one, Proof) for one in outcomes) == 1
    assert {reason(one) for one in outcomes} == {None, Reason.CODE_USED}


async def test_r70_fifty_guesses_at_once_count_as_many(world: World) -> None:
    """Parallel wrong entries kill the code; the right one afterwards does nothing."""
    attempt, _ = await world.login()
    right = world.mail.code
    guesses = [f"{n:06d}" for n in range(50) if f"{n:06d}" != right]
    outcomes = await asyncio.gather(*(world.type(attempt, guess) for guess in guesses))
    assert [reason(one) for one in outcomes].count(Reason.WRONG_CODE) == 5
    assert reason(await world.type(attempt, right)) is Reason.CODE_DEAD


async def test_r69_another_browser_cannot_use_the_code(world: World) -> None:
    """The right code typed in another browser is refused."""
    attempt, _ = await world.login()
    other = replace(attempt, browser="c" * 64)
    assert reason(await world.type(other, world.mail.code)) is Reason.CODE_EXPIRED
    assert isinstance(await world.type(attempt, world.mail.code), Proof)


async def test_r69_a_pending_code_of_this_browser_serves_again(world: World) -> None:
    """A second password sign-in in the same browser sends no second message; in another browser it does."""
    world.policy = CodePolicy(True, timedelta(hours=8))
    await world.login()
    world.ambient.advance(3600)
    attempt, outcome = await world.login()
    assert isinstance(outcome, Form)
    assert len(world.mail.sent) == 1
    assert isinstance(await world.type(attempt, world.mail.code), Proof)
    await world.login(browser="c" * 64)
    assert len(world.mail.sent) == 2


async def test_r71_resend_voids_the_old_code_and_keeps_the_count(world: World) -> None:
    """After a resend the first code is wrong, and earlier wrong entries still count."""
    attempt, _ = await world.login()
    first = world.mail.code
    for _ in range(3):
        await world.type(attempt, "x")
    assert reason(await world.provider.resend(attempt, None, world.ambient.now())) is Reason.RESEND_TOO_SOON
    world.ambient.advance(30)
    assert isinstance(await world.provider.resend(attempt, None, world.ambient.now()), Form)
    assert reason(await world.type(attempt, first)) is Reason.WRONG_CODE
    assert reason(await world.type(attempt, "x")) is Reason.WRONG_CODE
    assert reason(await world.type(attempt, world.mail.code)) is Reason.CODE_DEAD


async def test_r71_limits_of_sending(world: World) -> None:
    """Three messages per attempt and twenty per day."""
    attempt, _ = await world.login()
    for expected in (None, None, Reason.RESEND_TOO_MANY):
        world.ambient.advance(31)
        assert reason(await world.provider.resend(attempt, None, world.ambient.now())) is expected
    for number in range(30):
        await world.login(browser=f"{number:032d}" * 2)
    assert len(world.mail.sent) == 20


async def test_r58_slow_down_and_the_day(world: World) -> None:
    """After five failures in a row a minute, then two; at most 25 in a day even with the right password."""
    for _ in range(5):
        await world.login(password="wrong")
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(59)
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(1)
    assert reason((await world.login(password="wrong"))[1]) is Reason.WRONG_CREDENTIALS
    world.ambient.advance(119)
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(1)
    world.policy = CodePolicy(False)
    assert isinstance((await world.login())[1], Proof)
    failures = 6
    while failures < 25:
        for _ in range(4):
            if failures < 25:
                assert reason((await world.login(password="wrong"))[1]) is Reason.WRONG_CREDENTIALS
                failures += 1
        if failures < 25:
            assert isinstance((await world.login())[1], Proof)
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(-7200)
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(7200 + 86400)
    assert isinstance((await world.login())[1], Proof)


async def test_r80_a_clock_set_back_revives_nothing(world: World) -> None:
    """A used code stays used when the clock goes back."""
    attempt, _ = await world.login()
    world.ambient.advance(300)
    assert isinstance(await world.type(attempt, world.mail.code), Proof)
    world.ambient.advance(-200)
    assert reason(await world.type(attempt, world.mail.code)) is Reason.CODE_USED


async def test_r72_r73_channels(world: World) -> None:
    """SMS is offered where the policy allows it and the mobile was proved; the choice is obeyed."""
    world.policy = CodePolicy(True, channels=("mail", "sms"))
    _, outcome = await world.login(channel="sms")
    assert isinstance(outcome, Form)
    assert outcome.facts["channels"] == "mail"
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], phone_proved_at=START)
    attempt, outcome = await world.login(browser="c" * 64, channel="sms")
    assert isinstance(outcome, Form)
    assert (outcome.facts["channel"], outcome.facts["destination"]) == ("sms", "•• •• •• •• 78")
    assert len(world.sms.sent[-1].text) <= 160
    proof = await world.type(attempt, world.sms.code)
    assert isinstance(proof, Proof)
    assert proof.method is Method.OTP_SMS


async def test_r74_no_usable_channel(world: World) -> None:
    """Without a mailbox that can be reached nothing is sent and the person is told."""
    for mail in (None, "x@pro.mssante.fr"):
        world.accounts["acc_1"] = replace(world.accounts["acc_1"], mail=mail)
        assert reason((await world.login())[1]) is Reason.NO_CHANNEL
    assert not world.mail.sent


async def test_r75_delivery_failure_voids_the_code(world: World) -> None:
    """A relay that fails gives a refusal, a dead code, and room for another try."""
    world.mail.broken = True
    _, outcome = await world.login()
    assert reason(outcome) is Reason.DELIVERY_FAILED
    world.mail.broken = False
    attempt, outcome = await world.login()
    assert isinstance(outcome, Form)
    assert isinstance(await world.type(attempt, world.mail.code), Proof)


async def test_r76_r77_the_code_stands_in_the_message_only(world: World) -> None:
    """Neither store, audit nor outcome holds the code; the mail holds no identifier and no link."""
    attempt, outcome = await world.login()
    code = world.mail.code
    proof = await world.type(attempt, code)
    kept = repr(world.store._entries) + repr(world.acts) + repr(outcome) + repr(proof) + repr(attempt)
    assert code not in kept
    assert PASSWORD not in kept
    mail = world.mail.sent[0]
    assert "http" not in mail.text
    assert "997000" not in mail.text + (mail.html or "")
    assert "10\u00a0minutes" in mail.text
    assert mail.subject == "ViaTrajectoire : votre code de connexion"


def test_r66_masks() -> None:
    """Only a first letter or the last two digits are shown."""
    assert mask_mail("claire.martin@chu-lyon.fr") == "c•••@c•••.fr"
    assert mask_phone("+33612345678") == "•• •• •• •• 78"


def test_r63_codes_are_uniform_and_keep_leading_zeros() -> None:
    """Digits are spread evenly and codes may begin with zero."""
    ambient = TestAmbient()
    codes = [ambient.digits(6) for _ in range(20_000)]
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    for place in range(6):
        counts = [sum(code[place] == str(digit) for code in codes) for digit in range(10)]
        assert max(abs(count - 2000) for count in counts) < 250
