"""The judgement of a card, kind by kind and trap by trap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo import cards
from gateway.demo.cards import Card, Hierarchy, doctor
from gateway.ports import Standing
from gateway.providers.certificates import CardFacts, CardTrust, CardType, Refused, judge, trust_of
from gateway.reasons import Reason

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class Lists:
    """A revocation view that says what the test says."""

    def __init__(self, standing: Standing | None = None) -> None:
        self.standing = standing

    def status(self, authority: str, serial: int, now: datetime) -> Standing:
        return self.standing or Standing(serial == 0x7E57)


class World:
    def __init__(self) -> None:
        self.world = Hierarchy.make(NOW)
        self.keys = cards.keys(2)
        self.weak = cards.keys(1, 1024)[0]
        self.trust = self.trusting()
        self.good = self.issue(doctor())

    def trusting(self, **changes: object) -> CardTrust:
        pem = [one.certificate.public_bytes(Encoding.PEM) for one in (self.world.fort, self.world.standard)]
        return trust_of(pem, **({"test": True, "hard": True} | changes))  # type: ignore[arg-type]

    def issue(self, card: Card, key: rsa.RSAPrivateKey | None = None) -> bytes:
        return card.issue(self.world.fort, key or self.keys[0], NOW).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_r31_cps_of_a_physician(world: World) -> None:
    """A good CPS gives its holder's RPPS, names, profession and speciality."""
    found = judge(world.issue(doctor()), world.trust, Lists(), NOW)
    assert isinstance(found, CardFacts)
    assert (found.type, found.id.text, found.id.rpps) == (CardType.CPS, "899700123450", "99700123450")
    assert (found.family_name, found.given_name, found.profession) == ("DUPONT-LÉVY", "CAMILLE", "10")
    assert (found.specialties, found.card_number) == (("SM54",), "2800123456")


def test_r31_cps_with_adeli_only_where_accepted(world: World) -> None:
    """An old ADELI card is read when the deployment accepts it, and has its own refusal otherwise."""
    der = world.issue(doctor(subject=cards.person("0069209997", "PETIT", "PAUL", "Médecin")))
    found = judge(der, world.trusting(accept_adeli=True), Lists(), NOW)
    assert isinstance(found, CardFacts)
    assert (found.id.text, found.id.adeli, found.id.rpps) == ("0069209997", "069209997", None)
    refused = judge(der, world.trust, Lists(), NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CARD_ADELI


@pytest.mark.parametrize(("number", "kind"), [(2, CardType.CPE), (3, CardType.CPA)])
def test_r31_r114_staff_cards_have_no_rpps(world: World, number: int, kind: CardType) -> None:
    """A nominative CPE or CPA names its holder inside a structure."""
    subject = cards.staff("3690780028/000000042", "MOREAU", "LÉA", "1690780028")
    card = Card(subject, (cards.category(0x80), cards.product(number), cards.card_number("2800000009")))
    der = card.issue(world.world.standard, world.keys[0], NOW).public_bytes(Encoding.DER)
    found = judge(der, world.trust, Lists(), NOW)
    assert isinstance(found, CardFacts)
    assert (found.type, found.id.kind, found.id.rpps, found.structure) == (kind, "3", None, "1690780028")


def test_r31_student_card_gives_no_profession(world: World) -> None:
    """A CPF carries a future profession, which is not a profession."""
    extensions = (cards.category(0x80), cards.product(1), cards.future_profession(10))
    found = judge(world.issue(doctor(extensions=extensions)), world.trust, Lists(), NOW)
    assert isinstance(found, CardFacts)
    assert (found.type, found.profession, found.future_profession) == (CardType.CPF, None, "10")


def test_r30_every_refused_card_and_its_reason(world: World) -> None:
    """Each bad card of the test authority is refused with its own reason."""
    table = cards.refused_cards(world.world, world.keys, world.weak)
    assert len(table) >= 25
    for name, (authority, card, key, reason) in table.items():
        der = card.issue(authority, key, NOW).public_bytes(Encoding.DER)
        found = judge(der, world.trust, Lists(), NOW)
        assert isinstance(found, Refused), name
        assert found.reason is reason, name


def test_r30_revocation_unknown_hard_and_soft(world: World) -> None:
    """Without a list in force a card is refused (hard), or accepted and marked (soft)."""
    der = world.issue(doctor())
    hard = judge(der, world.trust, Lists(Standing(None, "no list")), NOW)
    assert isinstance(hard, Refused)
    assert hard.reason is Reason.CARD_REVOCATION_UNKNOWN
    soft = judge(der, world.trusting(hard=False), Lists(Standing(None, "no list")), NOW)
    assert isinstance(soft, CardFacts)
    assert not soft.revocation_known
    revoked = judge(der, world.trusting(hard=False), Lists(Standing(True)), NOW)
    assert isinstance(revoked, Refused)


def test_r34_a_resumed_session_or_no_certificate_is_no_card(world: World) -> None:
    """Only a certificate proved in this very handshake counts."""
    resumed = judge(world.issue(doctor()), world.trust, Lists(), NOW, resumed=True)
    absent = judge(None, world.trust, Lists(), NOW)
    assert isinstance(resumed, Refused)
    assert isinstance(absent, Refused)
    assert (resumed.reason, absent.reason) == (Reason.CARD_RESUMED, Reason.CARD_ABSENT)


@pytest.mark.parametrize("moment", [-30 * 86400, (1096 - 30) * 86400])
def test_r30_validity_at_its_edges(world: World, moment: int) -> None:
    """A card is good at the first and the last instant of its validity and not a second outside."""
    der = world.issue(doctor())
    edge = NOW + timedelta(seconds=moment)
    outside = edge + timedelta(seconds=1 if moment > 0 else -1)
    assert isinstance(judge(der, world.trust, Lists(), edge), CardFacts)
    assert isinstance(judge(der, world.trust, Lists(), outside), Refused)


def test_r32_types_not_accepted_here_are_refused(world: World) -> None:
    """A good card of a family that this use does not accept is refused by its type."""
    found = judge(world.issue(doctor()), world.trust, Lists(), NOW, accept=frozenset({CardType.CPE}))
    assert isinstance(found, Refused)
    assert found.reason is Reason.CARD_TYPE_REFUSED


def test_r30_an_authority_issues_only_its_products(world: World) -> None:
    """A CPS issued by the authority of staff cards is refused: STANDARD issues no physician."""
    der = doctor().issue(world.world.standard, world.keys[0], NOW).public_bytes(Encoding.DER)
    found = judge(der, world.trust, Lists(), NOW)
    assert isinstance(found, Refused)
    assert found.reason is Reason.CARD_TYPE_REFUSED


def test_r30_certificate_policy_when_listed(world: World) -> None:
    """With a list of policies, a card of another policy is refused."""
    der = world.issue(doctor())
    good = world.trusting(policies=["1.2.250.1.213.1.7.2.1.1.1.1"])
    other = judge(der, world.trusting(policies=["1.2.3"]), Lists(), NOW)
    assert isinstance(judge(der, good, Lists(), NOW), CardFacts)
    assert isinstance(other, Refused)
    assert other.reason is Reason.CARD_WRONG_POLICY


@pytest.mark.parametrize(
    "name",
    ["DUPONT\x00", "DUPONT\u202e", "DUP,ONT", "DUP=ONT", "DUP/ONT", "DUP+ONT", "", "  ", "X" * 81, "DUP\nONT", "123"],
)
def test_k6_names_that_mislead_are_refused(world: World, name: str) -> None:
    """Control and direction characters, separators and digits never pass as a surname."""
    try:
        der = world.issue(doctor(subject=cards.person("899700123450", name, "CAMILLE", "Médecin")))
    except ValueError:
        return  # the authority itself cannot write it
    found = judge(der, world.trust, Lists(), NOW)
    assert isinstance(found, Refused)
    assert found.reason in (Reason.CARD_BAD_SUBJECT, Reason.CARD_MALFORMED, Reason.CARD_NOT_NOMINATIVE)


@pytest.mark.parametrize("name", ["LI", "D'ALMÉIDA", "D’ALMÉIDA", "SAINT-ÉTIENNE DU BOIS", "O. ŒUVRE", "Ñandú"])
def test_r138_names_of_people_are_accepted(world: World, name: str) -> None:
    """Short names, accents, apostrophes and hyphens are names, whatever order the encoding gives them."""
    der = world.issue(doctor(subject=cards.person("899700123450", name, "ANNE", "Médecin")))
    found = judge(der, world.trust, Lists(), NOW)
    assert isinstance(found, CardFacts)
    assert found.family_name == name


@pytest.mark.parametrize(
    "identifier",
    ["0123450", "99700123450", "8997001234500", " 899700123450", "8 99700123450", "899700123450/1", "3690780028/1"],
)
def test_r31_identifiers_must_be_exact(world: World, identifier: str) -> None:
    """Nothing is trimmed, padded or searched in the identifier of a card."""
    der = world.issue(doctor(subject=cards.person(identifier, "DUPONT", "CAMILLE", "Médecin")))
    assert isinstance(judge(der, world.trust, Lists(), NOW), Refused)


def test_k2_production_and_test_never_mix(world: World) -> None:
    """A test authority cannot be configured in production, nor a root or an organisations authority anywhere."""
    pem = world.world.fort.certificate.public_bytes(Encoding.PEM)
    with pytest.raises(ValueError, match="other environment"):
        trust_of([pem], test=False, hard=True)
    for wrong in (world.world.root, world.world.organisations):
        with pytest.raises(ValueError, match="no authority"):
            trust_of([wrong.certificate.public_bytes(Encoding.PEM)], test=True, hard=True)
    with pytest.raises(ValueError, match="no authority"):
        trust_of([], test=True, hard=True)


def test_k1_trailing_bytes_and_size(world: World) -> None:
    """Bytes after the certificate, or a huge one, are refused before anything is read from it."""
    der = world.issue(doctor())
    for data in (der + b"\x00", b"", b"\x30", der[:-1], b"\x30\x84" + b"\xff" * 20_000):
        found = judge(data, world.trust, Lists(), NOW)
        assert isinstance(found, Refused)
        assert found.reason is Reason.CARD_MALFORMED


def test_old_encodings_are_refused_without_an_exception(world: World) -> None:
    """A T61String in the subject, as old cards had, is a refusal and not an error."""
    der = world.issue(doctor(subject=cards.person("899700123450", "DUPONT", "CAMILLE", "Médecin")))
    old = der.replace(b"\x0c\x06DUPONT", b"\x14\x06DUPONT")
    assert old != der
    assert isinstance(judge(old, world.trust, Lists(), NOW), Refused)


def test_two_surnames_are_refused(world: World) -> None:
    """A field that stands twice makes the subject ambiguous."""
    subject = x509.Name(
        [
            cards.rdn((NameOID.COUNTRY_NAME, "FR")),
            cards.rdn((NameOID.TITLE, "Médecin")),
            cards.rdn((NameOID.COMMON_NAME, "899700123450"), (NameOID.SURNAME, "A"), (NameOID.GIVEN_NAME, "B")),
            cards.rdn((NameOID.SURNAME, "C")),
        ]
    )
    found = judge(world.issue(doctor(subject=subject)), world.trust, Lists(), NOW)
    assert isinstance(found, Refused)
    assert found.reason is Reason.CARD_BAD_SUBJECT


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_flipped_bit_raises_or_gives_another_identity(data: st.DataObject) -> None:
    """A good certificate with any bytes changed is refused; nothing a client sends makes the judge raise."""
    world = _shared()
    der = bytearray(world.good)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(der) - 1))
        der[place] ^= data.draw(st.integers(1, 255))
    found = judge(bytes(der), world.trust, Lists(), NOW)
    if isinstance(found, CardFacts):  # the changes undid each other
        assert found.id.text == "899700123450"


_kept: list[World] = []


def _shared() -> World:
    if not _kept:
        _kept.append(World())
    return _kept[0]
