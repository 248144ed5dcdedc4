"""Authenticator applications and recovery codes, over a real database, with a clock moved by hand."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pyotp import TOTP

from gateway.accounts.authenticator import Authenticators
from gateway.edges.database import Database
from gateway.edges.keys import Secrets, ensure_secret
from gateway.ports import Insert
from gateway.reasons import Stale
from tests.ambient import START, TestAmbient

# RFC 6238, appendix B: the secret of the SHA-1 rows, and the last six digits of each code of eight.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables; each test has a copy."""
    path = tmp_path_factory.mktemp("authenticator") / "empty.db"

    async def make() -> None:
        database = Database(f"sqlite:///{path}")
        await database.migrate()
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def records(tmp_path: Path, empty: Path) -> AsyncIterator[Database]:
    shutil.copy(empty, tmp_path / "records.db")
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    for number in (1, 2):
        values: dict[str, Any] = {
            "id": f"acc_{number}",
            "family_name": "DURAND",
            "given_name": "Inès",
            "password_must_change": False,
            "origin": "strong",
            "space_default": "liberal",
            "created_at": START,
            "updated_at": START,
            "version": 1,
        }
        await database.write(Insert("accounts", values))
    yield database
    await database.close()


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(ensure_secret(tmp_path / "secret"))


@pytest.fixture
def ours(records: Database, secrets: Secrets, ambient: TestAmbient) -> Authenticators:
    return make(records, secrets, ambient)


def make(records: Database, secrets: Secrets, ambient: TestAmbient) -> Authenticators:
    key = secrets.key("recovery")
    return Authenticators(records, seal=secrets.seal, unseal=secrets.unseal, key=key, ambient=ambient)


def code(secret: str, ambient: TestAmbient, steps: int = 0) -> str:
    return TOTP(secret).at(ambient.now(), counter_offset=steps)


async def enrol(ours: Authenticators, ambient: TestAmbient, account_id: str = "acc_1") -> tuple[str, tuple[str, ...]]:
    """An application added at this instant, five minutes ago when it returns."""
    secret = ours.new_secret()
    codes = await ours.confirm(account_id, secret, code(secret, ambient), ambient.now())
    assert codes is not None
    ambient.advance(300)
    return secret, codes


@pytest.mark.parametrize(("seconds", "eight"), VECTORS)
async def test_rfc_6238_vectors(ours: Authenticators, ambient: TestAmbient, seconds: int, eight: str) -> None:
    """The codes of RFC 6238 appendix B are right at their instants, and no others."""
    ambient.instant = START.fromtimestamp(seconds, START.tzinfo)
    assert TOTP(RFC_SECRET, digits=8).at(ambient.now()) == eight
    assert ours.right(RFC_SECRET, eight[2:], ambient.now())
    assert not ours.right(RFC_SECRET, f"{(int(eight) + 1) % 10**6:06d}", ambient.now())
    assert not ours.right(RFC_SECRET, eight, ambient.now())


async def test_a_secret_has_160_bits_and_applications_understand_its_address(ours: Authenticators) -> None:
    """32 base32 characters, never the same twice; the address says issuer, algorithm, digits and step."""
    secret = ours.new_secret()
    assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    assert len({ours.new_secret() for _ in range(20)}) == 20
    parts = urlsplit(ours.uri(secret, "inès:d & co/1"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert re.fullmatch(r"/ViaTrajectoire:[\w.%~-]+", parts.path)
    assert unquote(parts.path) == "/ViaTrajectoire:inès:d & co/1"
    asked = {name: value for name, (value,) in parse_qs(parts.query).items()}
    expected = {"secret": secret, "issuer": "ViaTrajectoire", "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert asked == expected


async def test_the_qr_code_is_black_on_white_with_its_margin(ours: Authenticators) -> None:
    """A picture that needs nothing from outside and can be read on a dark page; the longest login fits."""
    for label in ("899700000005", "é" * 128):
        picture = ours.qr(ours.uri(ours.new_secret(), label))
        assert picture.startswith("data:image/svg+xml")
        svg = unquote(picture.partition(",")[2])
        assert "#fff" in svg and "#000" in svg
        assert "script" not in svg
        assert len(picture) < 20_000


async def test_the_first_code_has_to_be_right(ours: Authenticators, ambient: TestAmbient) -> None:
    """A wrong first code keeps nothing; a right one enrols and gives ten codes of the announced form."""
    secret = ours.new_secret()
    for wrong in ("", "12345", "1234567", code(ours.new_secret(), ambient), "²²²²²²", "١٢٣٤٥٦"):
        assert await ours.confirm("acc_1", secret, wrong, ambient.now()) is None
    assert not await ours.enrolled("acc_1")
    typed = code(secret, ambient)
    codes = await ours.confirm("acc_1", secret, f" {typed[:3]}\u00a0{typed[3:]} ", ambient.now())
    assert codes is not None and len(set(codes)) == 10
    assert all(re.fullmatch(r"[A-HJ-NP-Z2-9]{5}-[A-HJ-NP-Z2-9]{5}", one) for one in codes)
    assert await ours.enrolled("acc_1") and not await ours.enrolled("acc_2")
    assert await ours.recovery_left("acc_1") == 10


async def test_r68_the_confirming_code_opens_nothing(ours: Authenticators, ambient: TestAmbient) -> None:
    """The code that added the application has served; the next step's is good."""
    secret = ours.new_secret()
    first = code(secret, ambient)
    assert await ours.confirm("acc_1", secret, first, ambient.now())
    assert not await ours.verify("acc_1", first, ambient.now())
    ambient.advance(30)
    assert await ours.verify("acc_1", code(secret, ambient), ambient.now())


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
@pytest.mark.parametrize("second", [0, 29])
async def test_r80_window(ours: Authenticators, ambient: TestAmbient, steps: int, good: bool, second: int) -> None:
    """One step before and after is right at the first and the last second of a step; two are not."""
    secret, _ = await enrol(ours, ambient)
    ambient.advance(second)
    assert await ours.verify("acc_1", code(secret, ambient, steps), ambient.now()) is good


async def test_r68_a_step_serves_once_and_voids_the_older(ours: Authenticators, ambient: TestAmbient) -> None:
    """After the next step's code has served, neither it nor the codes before it serve."""
    secret, _ = await enrol(ours, ambient)
    before, present, ahead = (code(secret, ambient, steps) for steps in (-1, 0, 1))
    assert await ours.verify("acc_1", ahead, ambient.now())
    for used in (ahead, present, before):
        assert not await ours.verify("acc_1", used, ambient.now())
    ambient.advance(30)
    assert not await ours.verify("acc_1", ahead, ambient.now())
    ambient.advance(30)
    assert await ours.verify("acc_1", code(secret, ambient), ambient.now())


async def test_r68_fifty_right_codes_at_once_are_one(ours: Authenticators, ambient: TestAmbient) -> None:
    """Of fifty right entries at the same instant exactly one is accepted."""
    secret, _ = await enrol(ours, ambient)
    right = code(secret, ambient)
    answers = await asyncio.gather(*(ours.verify("acc_1", right, ambient.now()) for _ in range(50)))
    assert answers.count(True) == 1


async def test_two_codes_at_once_each_count_once(ours: Authenticators, ambient: TestAmbient) -> None:
    """The codes of two steps typed together: each at most once, and the newer one always."""
    secret, _ = await enrol(ours, ambient)
    codes = [code(secret, ambient, steps) for steps in (-1, 0)] * 10
    answers = await asyncio.gather(*(ours.verify("acc_1", one, ambient.now()) for one in codes))
    assert sum(answers[1::2]) == 1
    assert sum(answers[::2]) <= 1


async def test_r80_a_clock_set_back_revives_nothing(ours: Authenticators, ambient: TestAmbient) -> None:
    """A used code stays used when the clock goes back, and so does every older one."""
    secret, _ = await enrol(ours, ambient)
    used = code(secret, ambient)
    assert await ours.verify("acc_1", used, ambient.now())
    for back in (30, 60, 3600):
        ambient.advance(-back)
        assert not await ours.verify("acc_1", used, ambient.now())
        assert not await ours.verify("acc_1", code(secret, ambient), ambient.now())
        ambient.advance(back)
    ambient.advance(60)
    assert await ours.verify("acc_1", code(secret, ambient), ambient.now())


async def test_a_code_is_of_one_account(ours: Authenticators, ambient: TestAmbient) -> None:
    """Another account's code is wrong, and so is any code without an application."""
    secret, codes = await enrol(ours, ambient)
    assert not await ours.verify("acc_2", code(secret, ambient), ambient.now())
    await enrol(ours, ambient, "acc_2")
    assert not await ours.verify("acc_2", code(secret, ambient), ambient.now())
    assert await ours.use_recovery("acc_2", codes[0], ambient.now()) is None
    assert await ours.recovery_left("acc_1") == 10


@pytest.mark.parametrize("spelling", ["{}", " {} ", "{l}", "{n}", "{s}", "{d}"])
async def test_recovery_codes_as_people_type_them(ours: Authenticators, ambient: TestAmbient, spelling: str) -> None:
    """Spaces, lower case, other hyphens and none are the same code; it serves once."""
    _, codes = await enrol(ours, ambient)
    one = codes[3]
    typed = spelling.format(
        one, l=one.lower(), n=one.replace("-", ""), s=" ".join(one.replace("-", "")), d=one.replace("-", "\u2013")
    )
    assert await ours.use_recovery("acc_1", typed, ambient.now()) == 9
    assert await ours.use_recovery("acc_1", one, ambient.now()) is None
    assert await ours.recovery_left("acc_1") == 9


@pytest.mark.parametrize("wrong", ["", "AAAAA", "AAAAA-AAAAAA", "OOOOO-11111", "é" * 10, "\x00" * 10, "A" * 5000])
async def test_what_is_no_recovery_code(ours: Authenticators, ambient: TestAmbient, wrong: str) -> None:
    """Anything else is refused without an accident and uses up nothing."""
    await enrol(ours, ambient)
    assert await ours.use_recovery("acc_1", wrong, ambient.now()) is None
    assert not await ours.verify("acc_1", wrong, ambient.now())
    assert await ours.recovery_left("acc_1") == 10


async def test_r68_fifty_times_one_recovery_code(ours: Authenticators, ambient: TestAmbient) -> None:
    """Of fifty entries of one recovery code at the same instant exactly one is accepted."""
    _, codes = await enrol(ours, ambient)
    answers = await asyncio.gather(*(ours.use_recovery("acc_1", codes[0], ambient.now()) for _ in range(50)))
    assert [one for one in answers if one is not None] == [9]


async def test_new_recovery_codes_void_the_old(ours: Authenticators, ambient: TestAmbient) -> None:
    """After a renewal only the new ten are good; the last one used leaves none."""
    _, old = await enrol(ours, ambient)
    await ours.use_recovery("acc_1", old[0], ambient.now())
    new = await ours.renew_recovery("acc_1", ambient.now())
    assert not set(old) & set(new)
    assert await ours.use_recovery("acc_1", old[1], ambient.now()) is None
    assert [await ours.use_recovery("acc_1", one, ambient.now()) for one in new] == list(range(9, -1, -1))
    assert await ours.recovery_left("acc_1") == 0


async def test_two_renewals_at_once_leave_one_set(ours: Authenticators, ambient: TestAmbient) -> None:
    """However many renewals run together, ten codes are good at the end, all of one set."""
    await enrol(ours, ambient)
    sets = await asyncio.gather(*(ours.renew_recovery("acc_1", ambient.now()) for _ in range(5)))
    assert await ours.recovery_left("acc_1") == 10
    good = [codes for codes in sets if await ours.use_recovery("acc_1", codes[0], ambient.now()) is not None]
    assert len(good) == 1


async def test_sealed_at_rest(ours: Authenticators, ambient: TestAmbient, records: Database, tmp_path: Path) -> None:
    """The bytes of the database hold neither the secret, in any spelling, nor a recovery code."""
    secret, codes = await enrol(ours, ambient)
    await ours.use_recovery("acc_1", codes[0], ambient.now())
    await records.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("records.db*"))
    assert b"authenticators" in stored and b"rec_" in stored
    raw = base64.b32decode(secret)
    hidden = [secret.encode(), secret.lower().encode(), raw, raw.hex().encode(), base64.b64encode(raw)]
    for one in codes:
        hidden += [one.encode(), one.replace("-", "").encode()]
    for text in hidden:
        assert text not in stored


async def test_another_key_makes_every_code_wrong(
    ours: Authenticators, ambient: TestAmbient, records: Database, tmp_path: Path
) -> None:
    """With a secret sealed by another key a right code is wrong, no accident; and the old key still opens it."""
    secret, codes = await enrol(ours, ambient)
    stranger = make(records, Secrets(ensure_secret(tmp_path / "other")), ambient)
    assert not await stranger.verify("acc_1", code(secret, ambient), ambient.now())
    assert await stranger.use_recovery("acc_1", codes[0], ambient.now()) is None
    assert await ours.verify("acc_1", code(secret, ambient), ambient.now())


async def test_removal_forgets_everything(ours: Authenticators, ambient: TestAmbient, records: Database) -> None:
    """After removal no code of any kind is right, nothing is left at rest, and removing again does nothing."""
    secret, codes = await enrol(ours, ambient)
    await enrol(ours, ambient, "acc_2")
    await ours.remove("acc_1")
    await ours.remove("acc_1")
    assert not await ours.enrolled("acc_1")
    assert not await ours.verify("acc_1", code(secret, ambient), ambient.now())
    assert await ours.use_recovery("acc_1", codes[0], ambient.now()) is None
    for table in ("authenticators", "recovery_codes"):
        assert not await records.find(table, {"account_id": "acc_1"})
    with pytest.raises(Stale):
        await ours.renew_recovery("acc_1", ambient.now())
    assert await ours.recovery_left("acc_2") == 10


async def test_another_application_takes_the_place_of_the_first(ours: Authenticators, ambient: TestAmbient) -> None:
    """A second confirmation replaces secret and recovery codes."""
    old, old_codes = await enrol(ours, ambient)
    new, _ = await enrol(ours, ambient)
    assert not await ours.verify("acc_1", code(old, ambient), ambient.now())
    assert await ours.use_recovery("acc_1", old_codes[0], ambient.now()) is None
    assert await ours.verify("acc_1", code(new, ambient), ambient.now())
    assert await ours.recovery_left("acc_1") == 10
