"""The test card authority: a hierarchy shaped like IGC-Santé TEST, cards of every kind, and cards that must be refused.

Everything is made once in a folder and kept. All persons are invented; numbers are in the range of test persons.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.reasons import Reason

_SITE = "http://igc-sante.esante.gouv.fr"
_POLICY = ObjectIdentifier("1.2.250.1.213.1.7.2.1.1.1.1")
PASSWORD = "1234"
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def tlv(tag: int, body: bytes) -> bytes:
    """DER of one short value."""
    return bytes([tag, len(body)]) + body


def extension(oid: str, der: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(ObjectIdentifier(oid), der)


def category(value: int) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.1.2.5", tlv(4, bytes([value])))


def product(value: int) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.1.2.2", tlv(2, bytes([value])))


def card_number(text: str) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.1.2.3", tlv(0x13, b"8025000001/" + text.encode("ascii")))


def profession(value: int) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.1.2.7", tlv(2, bytes([value])))


def future_profession(value: int) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.1.2.8", tlv(2, bytes([value])))


def specialties(*codes: str) -> x509.UnrecognizedExtension:
    return extension("1.2.250.1.71.4.2.5", tlv(0x30, b"".join(tlv(0x0C, code.encode()) for code in codes)))


def usage(*on: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in on for name in _USAGES})


def rdn(*pairs: tuple[ObjectIdentifier, str]) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in pairs])


def person(idnat: str, surname: str, given: str, title: str) -> x509.Name:
    """The subject of a CPS or CPF: three RDNs, the last one with several values."""
    return x509.Name(
        [
            rdn((NameOID.COUNTRY_NAME, "FR")),
            rdn((NameOID.TITLE, title)),
            rdn((NameOID.COMMON_NAME, idnat), (NameOID.SURNAME, surname), (NameOID.GIVEN_NAME, given)),
        ]
    )


def staff(idnat: str, surname: str, given: str, structure: str) -> x509.Name:
    """The subject of a nominative CPE or CPA."""
    return x509.Name(
        [
            rdn((NameOID.COUNTRY_NAME, "FR")),
            rdn((NameOID.ORGANIZATION_NAME, "ETABLISSEMENT DE TEST")),
            rdn((NameOID.ORGANIZATIONAL_UNIT_NAME, structure)),
            rdn((NameOID.COMMON_NAME, idnat), (NameOID.SURNAME, surname), (NameOID.GIVEN_NAME, given)),
        ]
    )


class Authority:
    """A certification authority with its key."""

    def __init__(
        self,
        name: str,
        key: rsa.RSAPrivateKey,
        now: dt.datetime,
        parent: Authority | None = None,
        organisation: str = "IGC-SANTE TEST",
    ) -> None:
        self.key = key
        self.name = x509.Name(
            [
                rdn((NameOID.COUNTRY_NAME, "FR")),
                rdn((NameOID.ORGANIZATION_NAME, "ASIP-SANTE")),
                rdn((NameOID.ORGANIZATIONAL_UNIT_NAME, "0002 187512751")),
                rdn((NameOID.ORGANIZATIONAL_UNIT_NAME, organisation)),
                rdn((NameOID.COMMON_NAME, name)),
            ]
        )
        above = parent or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(above.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=400))
            .not_valid_after(now + dt.timedelta(days=3000))
            .add_extension(x509.BasicConstraints(True, 0 if parent else None), True)
            .add_extension(usage("key_cert_sign", "crl_sign"), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()), False)
        )
        self.certificate = builder.sign(above.key, hashes.SHA256())

    def crl(
        self,
        revoked: Sequence[int] = (),
        *,
        now: dt.datetime,
        number: int = 1,
        age: dt.timedelta = dt.timedelta(hours=1),
        life: dt.timedelta = dt.timedelta(days=30),
    ) -> bytes:
        """A revocation list in DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(now - age)
            .next_update(now - age + life)
            .add_extension(x509.CRLNumber(number), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - age).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class Card:
    """What a card certificate is made of; the defaults make a good CPS of the test environment."""

    subject: x509.Name
    extensions: Sequence[x509.ExtensionType] = ()
    usages: tuple[str, ...] | None = ("digital_signature",)
    extended: tuple[ObjectIdentifier, ...] | None = (
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SMARTCARD_LOGON,
    )
    start: int = -30
    days: int = 1096
    ca: bool = False
    upn: str | None = None
    critical: frozenset[str] = frozenset()
    serial: int | None = None
    digest: hashes.SHA256 | hashes.SHA512 = field(default_factory=hashes.SHA256)
    issuer_key: rsa.RSAPrivateKey | None = None  # signs instead of the authority: a forged certificate

    def issue(self, authority: Authority, key: rsa.RSAPrivateKey, now: dt.datetime) -> x509.Certificate:
        begin = now + dt.timedelta(days=self.start)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(authority.name)
            .public_key(key.public_key())
            .serial_number(self.serial or x509.random_serial_number() >> 32)
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=self.days))
            .add_extension(x509.BasicConstraints(self.ca, None), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False)
            .add_extension(
                x509.CertificatePolicies([x509.PolicyInformation(_POLICY, [_SITE + "/PC%20TEST"])]),
                False,
            )
            .add_extension(
                x509.AuthorityInformationAccess(
                    [
                        x509.AccessDescription(
                            AuthorityInformationAccessOID.OCSP,
                            x509.UniformResourceIdentifier("http://ocsp.esante.gouv.fr"),
                        )
                    ]
                ),
                False,
            )
        )
        if self.usages is not None:
            builder = builder.add_extension(usage(*self.usages), True)
        if self.extended is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.extended), False)
        if self.upn is not None:
            name = x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), tlv(0x0C, self.upn.encode()))
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), False)
        for one in self.extensions:
            builder = builder.add_extension(one, one.oid.dotted_string in self.critical)
        return builder.sign(self.issuer_key or authority.key, self.digest)


def keys(count: int, size: int = 2048) -> list[rsa.RSAPrivateKey]:
    """RSA keys, made in parallel."""
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        return list(pool.map(lambda _: rsa.generate_private_key(65537, size), range(count)))


@dataclass(frozen=True)
class Hierarchy:
    """The authorities of the test world, and one that nobody accepts."""

    root: Authority
    fort: Authority
    standard: Authority
    organisations: Authority
    elementary: Authority
    foreign: Authority

    @classmethod
    def make(cls, now: dt.datetime) -> Hierarchy:
        made = iter(keys(6))
        root = Authority("TEST AC RACINE IGC-SANTE FORT", next(made), now)
        return cls(
            root,
            Authority("TEST AC IGC-SANTE FORT PERSONNES", next(made), now, root),
            Authority("TEST AC IGC-SANTE STANDARD PERSONNES", next(made), now, root),
            Authority("TEST AC IGC-SANTE FORT ORGANISATIONS", next(made), now, root),
            Authority("TEST AC IGC-SANTE ELEMENTAIRE PERSONNES", next(made), now, root),
            Authority("TEST AC IGC-SANTE FORT PERSONNES", next(made), now, None, "NOT IGC-SANTE"),
        )


GOOD = (category(0x80), product(0), card_number("2800123456"), profession(10), specialties("SM54"))
_WHO = ("899700123450", "DUPONT-LÉVY", "CAMILLE")


def doctor(**changes: object) -> Card:
    """A good CPS of a physician, with changes."""
    card = Card(person(*_WHO, "Médecin"), GOOD)
    for name, value in changes.items():
        setattr(card, name, value)
    return card


def refused_cards(
    world: Hierarchy, spare: Sequence[rsa.RSAPrivateKey], weak: rsa.RSAPrivateKey
) -> dict[str, tuple[Authority, Card, rsa.RSAPrivateKey, Reason]]:
    """Cards that must be refused: by name, who issues it, what it is, with which key, and why."""
    fort, key = world.fort, spare[0]
    sign = {"usages": ("content_commitment",), "extended": (ExtendedKeyUsageOID.EMAIL_PROTECTION,)}
    organisation = x509.Name(
        [
            rdn((NameOID.COUNTRY_NAME, "FR")),
            rdn((NameOID.STATE_OR_PROVINCE_NAME, "Paris (75)")),
            rdn((NameOID.ORGANIZATION_NAME, "HOPITAL DE TEST")),
            rdn((NameOID.ORGANIZATIONAL_UNIT_NAME, "11B0062640")),
            rdn((NameOID.COMMON_NAME, "application")),
        ]
    )
    anonymous = x509.Name(
        [
            rdn((NameOID.COUNTRY_NAME, "FR")),
            rdn((NameOID.ORGANIZATION_NAME, "ETABLISSEMENT DE TEST")),
            rdn((NameOID.ORGANIZATIONAL_UNIT_NAME, "1760021832")),
            rdn((NameOID.TITLE, "Carte de service santé ou social")),
            rdn((NameOID.PSEUDONYM, "EMPLOYE000000018")),
            rdn((NameOID.COMMON_NAME, "3760021832/000000018")),
        ]
    )
    cpe = (category(0x80), product(2), card_number("2800123456"))
    return {
        "expired": (fort, doctor(start=-1200, days=1096), key, Reason.CARD_EXPIRED),
        "not-yet-valid": (fort, doctor(start=10), key, Reason.CARD_NOT_YET_VALID),
        "revoked": (fort, doctor(serial=0x7E57), key, Reason.CARD_REVOKED),
        "foreign": (world.foreign, doctor(), key, Reason.CARD_FOREIGN_ISSUER),
        "forged": (fort, doctor(issuer_key=spare[1]), key, Reason.CARD_BAD_SIGNATURE),
        "issued-by-root": (world.root, doctor(), key, Reason.CARD_FOREIGN_ISSUER),
        "signature": (fort, doctor(**sign), key, Reason.CARD_SIGNATURE_CERTIFICATE),
        "no-extended-usage": (fort, doctor(extended=None), key, Reason.CARD_WRONG_USAGE),
        "mail-and-client": (
            fort,
            doctor(extended=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)),
            key,
            Reason.CARD_SIGNATURE_CERTIFICATE,
        ),
        "server": (fort, doctor(extended=(ExtendedKeyUsageOID.SERVER_AUTH,)), key, Reason.CARD_WRONG_USAGE),
        "authority": (fort, doctor(ca=True), key, Reason.CARD_IS_CA),
        "organisation": (
            world.organisations,
            Card(organisation, (category(0x83),)),
            key,
            Reason.CARD_FOREIGN_ISSUER,
        ),
        "software": (fort, doctor(extensions=(category(0x83), *GOOD[1:])), key, Reason.CARD_WRONG_CATEGORY),
        "production": (fort, doctor(extensions=(category(0x00), *GOOD[1:])), key, Reason.CARD_WRONG_ENVIRONMENT),
        "no-category": (
            fort,
            doctor(extensions=GOOD[1:]),
            key,
            Reason.CARD_WRONG_CATEGORY,
        ),
        "no-product": (fort, doctor(extensions=(GOOD[0], *GOOD[2:])), key, Reason.CARD_WRONG_CATEGORY),
        "weak-key": (fort, doctor(), weak, Reason.CARD_WEAK_KEY),
        "adeli": (fort, doctor(subject=person("0692099990", *_WHO[1:], "Médecin")), key, Reason.CARD_ADELI),
        "bad-luhn": (
            fort,
            doctor(subject=person("899700123455", *_WHO[1:], "Médecin")),
            key,
            Reason.CARD_BAD_IDENTIFIER,
        ),
        "foreign-digits": (
            fort,
            doctor(subject=person("8９９７００１２３４５３", *_WHO[1:], "Médecin")),
            key,
            Reason.CARD_BAD_IDENTIFIER,
        ),
        "upn-mismatch": (fort, doctor(upn="8.99700000999@carte-cps.fr"), key, Reason.CARD_UPN_MISMATCH),
        "bad-card-number": (
            fort,
            doctor(extensions=(*GOOD[:2], card_number("28-0012345"), *GOOD[3:])),
            key,
            Reason.CARD_BAD_SERIAL,
        ),
        "line-break-in-name": (
            fort,
            doctor(subject=person(_WHO[0], "DUPONT\r\nX-VT-RPPS: 1", "CAMILLE", "Médecin")),
            key,
            Reason.CARD_BAD_SUBJECT,
        ),
        "two-identifiers": (
            fort,
            doctor(
                subject=x509.Name(
                    [
                        rdn((NameOID.COUNTRY_NAME, "FR")),
                        rdn((NameOID.TITLE, "Médecin")),
                        rdn(
                            (NameOID.COMMON_NAME, _WHO[0]), (NameOID.SURNAME, "DUPONT"), (NameOID.GIVEN_NAME, "CAMILLE")
                        ),
                        rdn((NameOID.COMMON_NAME, "899700000007")),
                    ]
                )
            ),
            key,
            Reason.CARD_BAD_SUBJECT,
        ),
        "unknown-critical": (
            fort,
            doctor(extensions=(*GOOD, extension("1.2.3.4.5", tlv(4, b"x"))), critical=frozenset({"1.2.3.4.5"})),
            key,
            Reason.CARD_MALFORMED,
        ),
        "non-nominative": (world.standard, Card(anonymous, cpe), key, Reason.CARD_NOT_NOMINATIVE),
        "elementary": (world.elementary, doctor(), key, Reason.CARD_FOREIGN_ISSUER),
    }


@dataclass(frozen=True)
class Holder:
    """Who gets a card: ``kind`` is cps, cpf, cpe or cpa; ``structure`` only for staff."""

    key: str
    kind: str
    idnat: str
    family_name: str
    given_name: str
    title: str = "Médecin"
    profession: int = 10
    specialty: str | None = None
    structure: str = ""


def holder_card(holder: Holder, number: int) -> Card:
    """The card of this holder."""
    digits = f"28{number:08d}"
    family, given = holder.family_name.upper(), holder.given_name.upper()
    if holder.kind in ("cps", "cpf"):
        subject = person(holder.idnat, family, given, holder.title)
        kind = product(0) if holder.kind == "cps" else product(1)
        what: tuple[x509.ExtensionType, ...] = (
            (profession(holder.profession),) if holder.kind == "cps" else (future_profession(holder.profession),)
        )
        if holder.specialty:
            what = (*what, specialties(holder.specialty))
        upn = f"{holder.idnat[0]}.{holder.idnat[1:]}@carte-cps.fr"
        return Card(subject, (category(0x80), kind, card_number(digits), *what), upn=upn)
    subject = staff(holder.idnat, family, given, holder.structure)
    kind = product(2) if holder.kind == "cpe" else product(3)
    return Card(subject, (category(0x80), kind, card_number(digits)))


def write_world(folder: Path, holders: Sequence[Holder], now: dt.datetime) -> None:
    """Make authorities, cards, refused cards and revocation lists in the folder; what exists is kept."""
    cards, refused, pki = folder / "cards", folder / "cards" / "refused", folder / "pki"
    if (refused / "index.json").exists():
        return
    for place in (cards, refused, pki):
        place.mkdir(parents=True, exist_ok=True)
    now = now.replace(microsecond=0)
    world = Hierarchy.make(now)
    made = keys(len(holders) + 2)
    weak = keys(1, 1024)[0]
    for number, holder in enumerate(holders):
        authority = world.fort if holder.kind in ("cps", "cpf") else world.standard
        certificate = holder_card(holder, number + 1).issue(authority, made[number], now)
        _write_pair(cards / f"{holder.key}", certificate, made[number], authority)
    index = []
    for name, (authority, card, key, reason) in refused_cards(world, made[-2:], weak).items():
        _write_pair(refused / name, card.issue(authority, key, now), key)
        index.append({"cert": f"cards/refused/{name}.pem", "key": f"cards/refused/{name}.key", "reason": reason.value})
    for authority, name, serials in ((world.fort, "fort", (0x7E57,)), (world.standard, "standard", ())):
        pem = authority.certificate.public_bytes(serialization.Encoding.PEM)
        (pki / f"{name}.pem").write_bytes(pem)
        (pki / f"{name}.crl").write_bytes(authority.crl(serials, now=now, life=dt.timedelta(days=3000)))
    (refused / "index.json").write_text(json.dumps(index, indent=1))


def _write_pair(
    stem: Path, certificate: x509.Certificate, key: rsa.RSAPrivateKey, authority: Authority | None = None
) -> None:
    stem.with_suffix(".pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    stem.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    if authority is not None:
        bag = pkcs12.serialize_key_and_certificates(
            stem.name.encode(),
            key,
            certificate,
            [authority.certificate],
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
        stem.with_suffix(".p12").write_bytes(bag)


def write_server_certificates(folder: Path, now: dt.datetime) -> None:
    """A small authority for the demo's own servers and one certificate for localhost; what exists is kept."""

    if (folder / "server.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    now = now.replace(microsecond=0)
    top, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([rdn((NameOID.COMMON_NAME, "vt-gateway demo"))])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=800))
            .not_valid_after(now + dt.timedelta(days=3000))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(top.public_key()), False)
        )

    authority = (
        builder(name, top.public_key())
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(usage("key_cert_sign", "crl_sign"), True)
        .sign(top, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
    server = (
        builder(x509.Name([rdn((NameOID.COMMON_NAME, "localhost"))]), key.public_key())
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(usage("digital_signature"), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName(names), False)
        .sign(top, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
