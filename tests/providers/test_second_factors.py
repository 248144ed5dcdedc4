"""Beyond the plain code: remembered factors, lanes of known devices, an application, addresses that may not serve."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.identity import Assurance, Method, Proof
from gateway.policy.throttle import Pace
from gateway.providers.base import Form, Rejected
from gateway.providers.code import CodePolicy, CodeSettings, is_nobody
from gateway.providers.otp import LoginSettings
from gateway.reasons import Reason
from tests.ambient import START
from tests.providers.world import PASSWORD, World, reason

HERE, ELSEWHERE = "b" * 64, "c" * 64
HOURS = timedelta(hours=8)


async def remember(world: World) -> None:
    """A code was given here a moment ago, and the policy remembers it for eight hours."""
    world.policy = CodePolicy(True, memory=HOURS)
    account = world.accounts["acc_1"]
    await world.devices.remember(HERE, account, Method.OTP_MAIL, world.ambient.now(), HOURS)


async def test_r78_password_alone_where_the_second_factor_is_remembered(world: World) -> None:
    """In the browser that gave a code the password is enough until the delay's end; the proof says it was remembered."""
    await remember(world)
    world.ambient.advance(8 * 3600 - 1)
    _, proof = await world.login()
    assert isinstance(proof, Proof)
    assert (proof.method, proof.assurance, proof.remembered) == (Method.OTP_MAIL, Assurance.TRANSITION, True)
    assert not world.mail.sent
    world.ambient.advance(2)
    assert isinstance((await world.login())[1], Form)


@pytest.mark.parametrize(
    "what",
    ["browser", "password", "mail", "phone", "everywhere", "everywhere, by a slow clock", "policy", "shared", "clock"],
)
async def test_r78_what_ends_a_remembered_second_factor(world: World, what: str) -> None:
    """Another browser, a change of password, mail or mobile, sign-out everywhere, a harder policy, a shared workstation
    and a clock set back: each asks for a code again."""
    await remember(world)
    world.ambient.advance(3600)
    account = world.accounts["acc_1"]
    changes = {
        "password": {"password_set_at": world.ambient.now()},
        "mail": {"mail": "autre@example.test"},
        "phone": {"phone": "+33698765432"},
        "everywhere": {"memory_void_at": world.ambient.now()},
        # the machine where it was ticked was ahead of the one where everything was closed afterwards
        "everywhere, by a slow clock": {"memory_void_at": world.ambient.now() - timedelta(seconds=3605)},
    }
    world.accounts["acc_1"] = replace(account, **changes.get(what, {}))  # type: ignore[arg-type]
    if what == "policy":
        world.policy = CodePolicy(True, memory=timedelta(minutes=30))
    if what == "clock":
        world.ambient.advance(-7200)
    browser = ELSEWHERE if what == "browser" else HERE
    _, outcome = await world.login(browser=browser, shared=what == "shared")
    assert isinstance(outcome, Form)


async def test_r78_remembered_just_after_everything_was_closed_by_a_fast_clock(world: World) -> None:
    """A machine that is ahead closed everything; what the next one remembers a moment later is younger, and counts."""
    ahead = world.ambient.now() + timedelta(seconds=5)
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], memory_void_at=ahead)
    await remember(world)
    _, proof = await world.login()
    assert isinstance(proof, Proof)


async def test_r78_the_cookie_says_nothing_of_another_account(world: World) -> None:
    """A browser that remembers one account asks a code for another."""
    await remember(world)
    world.accounts["acc_2"] = replace(world.accounts["acc_1"], id="acc_2", logins=("899700100011",))
    assert isinstance((await world.login("899700100011"))[1], Form)


async def test_r146_a_shared_workstation_forgets(world: World) -> None:
    """Ticking « Ce poste est partagé » ends what the browser remembered, for later sign-ins too."""
    await remember(world)
    await world.login(shared=True)
    assert isinstance((await world.login())[1], Form)


async def test_r58_failures_elsewhere_do_not_lock_a_known_device(world: World) -> None:
    """After 25 wrong passwords from elsewhere the person's own browser still gets in; elsewhere even the right one does
    not, and the known browser has a bound of its own."""
    await world.devices.signed_in(HERE, "acc_1")
    for _ in range(25):
        await world.login(password="wrong", browser=ELSEWHERE)
        world.ambient.advance(3000)
    assert reason((await world.login(browser=ELSEWHERE))[1]) is Reason.TOO_MANY_ATTEMPTS
    assert isinstance((await world.login(browser=HERE))[1], Form)
    for _ in range(25):
        await world.login(password="wrong", browser=HERE)
        world.ambient.advance(600)
    assert reason((await world.login(browser=HERE))[1]) is Reason.TOO_MANY_ATTEMPTS


async def test_r58_an_address_has_its_bound(world: World) -> None:
    """Failures from one address, spread over identifiers, end at the configured number."""
    world.build(login=LoginSettings(even=0, address_pace=Pace(after=1_000_000, most=300)))
    for number in range(300):
        assert reason((await world.login(f"user{number}"))[1]) is Reason.WRONG_CREDENTIALS
    assert reason((await world.login("user300"))[1]) is Reason.TOO_MANY_ATTEMPTS


async def test_r59_an_old_hash_is_made_again(world: World) -> None:
    """A right password under yesterday's parameters is hashed again with today's."""
    await world.login()
    assert world.renewed == 0
    weak = type(world.passwords._hasher)(time_cost=1, memory_cost=7168, parallelism=1)
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], password_hash=weak.hash(PASSWORD))
    assert isinstance((await world.login())[1], Form)
    assert world.renewed == 1


async def test_totp_is_a_channel_a_scope_may_allow(world: World) -> None:
    """With an application enrolled its code opens, and no message is sent; without, the channel is not offered."""
    world.policy = CodePolicy(True, channels=("totp", "mail"))
    _, outcome = await world.login(channel="totp")
    assert isinstance(outcome, Form)
    assert outcome.facts["channels"] == "mail"
    world.mail.sent.clear()
    world.own_codes = {"123456"}
    attempt, outcome = await world.login(browser=ELSEWHERE)
    assert isinstance(outcome, Form)
    assert (outcome.facts["channel"], outcome.facts["destination"]) == ("totp", "")
    assert not world.mail.sent
    assert reason(await world.type(attempt, "654321")) is Reason.WRONG_CODE
    proof = await world.type(attempt, "123 456")
    assert isinstance(proof, Proof)
    assert (proof.method, proof.assurance) == (Method.OTP_TOTP, Assurance.TRANSITION)


async def test_totp_fifty_right_codes_one_proof(world: World) -> None:
    """Of fifty equal entries of the application's code at once, one is accepted."""
    world.policy = CodePolicy(True, channels=("totp",))
    world.own_codes = {"123456"}
    attempt, _ = await world.login()
    outcomes = await asyncio.gather(*(world.type(attempt, "123456") for _ in range(50)))
    assert sum(isinstance(one, Proof) for one in outcomes) == 1


async def test_totp_guesses_are_counted(world: World) -> None:
    """Five wrong codes end the attempt; the sixth is refused though right."""
    world.policy = CodePolicy(True, channels=("totp",))
    world.own_codes = {"123456"}
    attempt, _ = await world.login()
    guesses = await asyncio.gather(*(world.type(attempt, f"{number:06d}") for number in range(20)))
    assert [reason(one) for one in guesses].count(Reason.WRONG_CODE) == 5
    assert reason(await world.type(attempt, "123456")) is Reason.CODE_DEAD


async def test_a_recovery_code_replaces_the_application(world: World) -> None:
    """A recovery code opens once, and the proof says how many are left."""
    world.policy = CodePolicy(True, channels=("totp",))
    world.own_codes, world.recovery = {"123456"}, {"ABCDE-FGHJK", "LMNPQ-RSTUV"}
    attempt, _ = await world.login()
    proof = await world.type(attempt, "ABCDE-FGHJK")
    assert isinstance(proof, Proof)
    assert (proof.method, proof.evidence["recovery_left"]) == (Method.OTP_RECOVERY, "1")
    attempt, _ = await world.login(browser=ELSEWHERE)
    assert reason(await world.type(attempt, "ABCDE-FGHJK")) is Reason.WRONG_CODE


async def test_r72_the_last_channel_is_offered_first(world: World) -> None:
    """Without a choice the code goes the way the last one went."""
    world.policy = CodePolicy(True, channels=("mail", "sms"))
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], phone_proved_at=START, last_channel="sms")
    await world.login()
    assert (len(world.mail.sent), len(world.sms.sent)) == (0, 1)


async def test_r75_the_other_channel_is_offered(world: World) -> None:
    """When the mail cannot leave, the answer names the other way, and a code by SMS works."""
    world.policy = CodePolicy(True, channels=("mail", "sms"))
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], phone_proved_at=START)
    world.mail.broken = True
    attempt, outcome = await world.login()
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.DELIVERY_FAILED
    assert outcome.facts["channels"] == "mail,sms"
    attempt = replace(attempt, account="acc_1", memory=outcome.facts)
    again = await world.provider.resend(attempt, "sms", world.ambient.now())
    assert isinstance(again, Form)
    assert isinstance(await world.type(replace(attempt, memory=again.facts), world.sms.code), Proof)


async def test_r19_strict_asks_the_link_first(world: World) -> None:
    """With verify_mail = strict no code goes to an address before its link was used."""
    world.build(codes=CodeSettings(prove_mail_first=True))
    assert reason((await world.login())[1]) is Reason.MAIL_UNPROVED
    assert not world.mail.sent
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], mail_proved_at=START)
    assert isinstance((await world.login())[1], Form)


async def test_r99_a_shared_address_gets_no_code(world: World) -> None:
    """Two accounts with one address: no code there, while SMS still works."""
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], mail_shared=True)
    assert reason((await world.login())[1]) is Reason.MAIL_SHARED
    world.policy = CodePolicy(True, channels=("mail", "sms"))
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], phone_proved_at=START)
    assert isinstance((await world.login())[1], Form)
    assert (len(world.mail.sent), len(world.sms.sent)) == (0, 1)


async def test_r98_a_generic_account_can_be_kept_from_codes(world: World) -> None:
    """An account named after a service gets no code where the deployment blocks it."""
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], family_name="Secrétariat", given_name="Gériatrie")
    assert isinstance((await world.login())[1], Form)
    world.build(codes=CodeSettings(blocked_names=frozenset({"SECRETARIAT"})))
    assert reason((await world.login(browser=ELSEWHERE))[1]) is Reason.GENERIC_ACCOUNT


async def test_r81_the_code_page_for_everybody(world: World) -> None:
    """With uniform failures a wrong password and an unknown identifier lead to the code page, with a stable mask; no
    code is right there, and the account's failures are counted."""
    world.build(login=LoginSettings(even=0, uniform=True))
    first, known = await world.login(password="wrong")
    _, again = await world.login(password="wrong", browser=ELSEWHERE)
    _, unknown = await world.login("inconnu")
    assert isinstance(known, Form) and isinstance(again, Form) and isinstance(unknown, Form)
    assert known.facts["destination"] == again.facts["destination"]
    assert set(known.facts) == set(unknown.facts)
    assert is_nobody(first.account or "")
    assert not world.mail.sent
    for _ in range(5):
        assert reason(await world.type(first, "123456")) is Reason.WRONG_CODE
    assert reason(await world.type(first, "123456")) is Reason.CODE_DEAD
    _, right = await world.login(browser="d" * 64)
    assert isinstance(right, Form)
    await world.codes.close()
    assert len(world.mail.sent) == 1
    for _ in range(3):
        await world.login(password="wrong")
    assert reason((await world.login())[1]) is Reason.TOO_MANY_ATTEMPTS


async def test_r4_a_code_for_somebody_signed_in_needs_no_password(world: World) -> None:
    """A step-up sends a code to the account of the attempt and proves it by that code."""
    attempt = replace(world.attempt(), account="acc_1")
    form = await world.provider.ask(attempt, None, world.ambient.now())
    assert isinstance(form, Form)
    proof = await world.type(replace(attempt, memory=form.facts), world.mail.code)
    assert isinstance(proof, Proof)
    assert proof.evidence["account"] == "acc_1"


async def test_a2_forty_guesses_at_once_are_forty(world: World) -> None:
    """Of forty wrong passwords at the same instant five are judged; the right one sent with them waits like the rest."""
    tries = [world.login(password=f"faux-{number}") for number in range(39)]
    outcomes = [outcome for _, outcome in await asyncio.gather(*tries, world.login())]
    judged = [reason(one) for one in outcomes].count(Reason.WRONG_CREDENTIALS)
    assert judged == 5
    assert reason(outcomes[-1]) is Reason.TOO_MANY_ATTEMPTS


async def test_a2_right_passwords_at_once_do_not_count_against_each_other(world: World) -> None:
    """Ten tabs that send the right password together all come to the code page."""
    outcomes = [outcome for _, outcome in await asyncio.gather(*(world.login() for _ in range(10)))]
    assert all(isinstance(one, Form) for one in outcomes)
    assert isinstance((await world.login())[1], Form)


async def test_r58_empty_and_odd_identifiers_are_counted_by_address(world: World) -> None:
    """What can be nobody's identifier costs a hash and counts all the same."""
    world.build(login=LoginSettings(even=0, address_pace=Pace(after=1_000_000, most=10)))
    for _ in range(10):
        assert reason((await world.login("", "x"))[1]) is Reason.WRONG_CREDENTIALS
    assert reason((await world.login("", "x"))[1]) is Reason.TOO_MANY_ATTEMPTS


async def test_r58_a_full_address_does_not_close_a_known_browser(world: World) -> None:
    """Behind an address that many share, the browser a person used before still gets in."""
    world.build(login=LoginSettings(even=0, address_pace=Pace(after=1_000_000, most=10)))
    for number in range(10):
        await world.login(f"inconnu{number}")
    assert reason((await world.login(browser=ELSEWHERE))[1]) is Reason.TOO_MANY_ATTEMPTS
    await world.devices.signed_in(HERE, "acc_1")
    assert isinstance((await world.login(browser=HERE))[1], Form)


async def test_r58_one_customer_has_a_whole_64(world: World) -> None:
    """Failures from addresses of one IPv6 /64 count together; another /64 has its own."""
    now = world.ambient.now()
    world.build(login=LoginSettings(even=0, address_pace=Pace(after=1_000_000, most=2)))
    await world.tries.failed_from("2001:db8:1:2::1", now)
    await world.tries.failed_from("2001:db8:1:2:ffff::9", now)
    assert await world.tries.address_waits("2001:db8:1:2:abcd::7", now)
    assert not await world.tries.address_waits("2001:db8:1:3::1", now)


async def test_r71_a_dead_code_is_not_a_shorter_way_to_another(world: World) -> None:
    """After five wrong entries a new code still waits for the delay, and so does changing the channel back and forth."""
    world.policy = CodePolicy(True, channels=("mail", "sms"))
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], phone_proved_at=START)
    attempt, _ = await world.login()
    for _ in range(5):
        await world.type(attempt, "x")
    assert reason(await world.provider.resend(attempt, None, world.ambient.now())) is Reason.RESEND_TOO_SOON
    for channel in ("sms", "mail") * 5:
        await world.provider.ask(replace(attempt, account="acc_1"), channel, world.ambient.now())
    assert len(world.mail.sent) + len(world.sms.sent) <= 2


async def test_r19_r96_a_code_is_good_at_the_address_of_now(world: World) -> None:
    """A code sent to the address of before opens nothing by now, and does not serve again; the next goes to the new one,
    and proves it."""
    attempt, _ = await world.login()
    code = world.mail.code
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], mail="autre@example.test")
    assert reason(await world.type(attempt, code)) is Reason.CODE_EXPIRED
    attempt, _ = await world.login()
    pending = world.mail.code
    world.accounts["acc_1"] = replace(world.accounts["acc_1"], mail="encore@example.test")
    attempt, _ = await world.login()
    assert world.mail.sent[-1].to == "encore@example.test"
    assert world.mail.code != pending
    attempt, _ = await world.login(browser=ELSEWHERE)
    proof = await world.type(attempt, world.mail.code)
    assert isinstance(proof, Proof)
    assert proof.evidence["proved"] == "mail"
