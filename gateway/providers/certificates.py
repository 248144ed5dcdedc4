"""Reading and judging the certificate of a CPx card: bytes in, card facts or a refusal out.

The steps, in order; the first that fails is the answer, there is one success at the end:

 1. a certificate is there, on a fresh handshake (a resumed TLS session proves no card)
 2. its DER is sound: bounded, version 3, no trailing bytes, every extension readable and no unknown critical one
 3. its issuer is a pinned authority: issuer name equal byte for byte, key identifier equal, signature verified
 4. it is valid now; RSA of 2048 bits or more; signed with SHA-256 or better
 5. it is an authentication certificate: not a CA, keyUsage digitalSignature and not nonRepudiation, extended usage
    clientAuth and not e-mail; a certificate that states no usage is refused
 6. category and product say a card of this environment, of a type this authority issues and this use accepts
 7. certificate policy, where a list is configured
 8. the subject has exactly the fields of a person's card, each once, without characters that could mislead
 9. its identifier is well formed: ASCII digits, Luhn key of the RPPS; an ADELI number has its own answer
10. user principal name and card number, where present, agree with it
11. it is not revoked, by a fresh list of its own authority

Nothing here is a trust store of the operating system, a chain sent by the client or a printed name: authorities come
from the configuration, fields by OID from the DER. Pure: the instant and the revocation view are arguments.

Sources: R30–R33; ANS nomenclatures TRE_G01 (category), TRE_G02 (product), TRE_G08 (identifier types); RFC 5280.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, ObjectIdentifier

from gateway.identity import NationalId, luhn
from gateway.ports import RevocationView
from gateway.reasons import Reason

LARGEST = 16_384  # bytes of DER; cards are near 2 KiB
_CATEGORY = ObjectIdentifier("1.2.250.1.71.1.2.5")
_PRODUCT = ObjectIdentifier("1.2.250.1.71.1.2.2")
_CARD_NUMBER = ObjectIdentifier("1.2.250.1.71.1.2.3")
_PROFESSION = ObjectIdentifier("1.2.250.1.71.1.2.7")
_FUTURE_PROFESSION = ObjectIdentifier("1.2.250.1.71.1.2.8")
_SPECIALTIES = ObjectIdentifier("1.2.250.1.71.4.2.5")
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_TITLE, _PSEUDONYM = NameOID.TITLE, NameOID.PSEUDONYM
# Extensions we look at or know to be harmless; any other is refused when it is critical (RFC 5280 §4.2).
_KNOWN_CRITICAL = frozenset({ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE})
_GOOD_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_SMALLEST_KEY = 2048
_CARD = re.compile(rb"8025000001/([0-9]{10})\Z")
_UPN_TEXT = re.compile(r"([0-9])\.([0-9A-Za-z/-]{1,32})@carte-cps\.fr\Z")
_CARD_CATEGORY, _TEST_BIT = 0x00, 0x80
_LONGEST_NAME = 80


class CardType(StrEnum):
    """The product, as TRE_G02 numbers it: 0, 1, 2, 3."""

    CPS = "cps"
    CPF = "cpf"
    CPE = "cpe"
    CPA = "cpa"


_PRODUCTS: tuple[CardType, ...] = (CardType.CPS, CardType.CPF, CardType.CPE, CardType.CPA)
# Which pinned authority may issue which product: physicians' cards come from FORT PERSONNES, staff cards from STANDARD.
_NATIONAL = frozenset({CardType.CPS, CardType.CPF})
_STAFF = frozenset({CardType.CPE, CardType.CPA})


@dataclass(frozen=True, slots=True)
class Authority:
    """A pinned issuing authority and the products it may issue."""

    certificate: x509.Certificate
    issues: frozenset[CardType]

    @property
    def key_id(self) -> bytes:
        found = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return found.value.digest

    @property
    def name(self) -> str:
        """A short name for logs and lists: SHA-256 of the certificate, first 16 hexadecimal digits."""
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CardTrust:
    """What the deployment accepts. ``hard``: a card whose revocation is unknown is refused (R30)."""

    authorities: tuple[Authority, ...]
    test: bool = False
    hard: bool = True
    policies: frozenset[str] = frozenset()
    accept_adeli: bool = False


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says of its holder, checked. Names are those on the card; codes are bare."""

    type: CardType
    id: NationalId
    family_name: str
    given_name: str
    title: str
    profession: str | None
    specialties: tuple[str, ...]
    structure: str | None
    card_number: str | None
    issuer: str
    serial: str
    not_after: datetime
    revocation_known: bool = True
    future_profession: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The reason, the step that gave it, and evidence for the log (never for the page)."""

    reason: Reason
    step: int
    evidence: Mapping[str, str] = field(default_factory=dict)


class _No(Exception):
    def __init__(self, reason: Reason, step: int, **evidence: str) -> None:
        super().__init__(reason.value)
        self.refused = Refused(reason, step, evidence)


def trust_of(
    certificates: Sequence[bytes],
    *,
    test: bool,
    hard: bool,
    policies: Sequence[str] = (),
    accept_adeli: bool = False,
) -> CardTrust:
    """The trust made of PEM files; raises ``ValueError`` when one is not an issuing authority of persons' cards."""
    authorities = []
    for pem in certificates:
        for certificate in x509.load_pem_x509_certificates(pem):
            name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            common = str(name[0].value) if len(name) == 1 else ""
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            if not constraints.ca or "PERSONNES" not in common or certificate.issuer == certificate.subject:
                raise ValueError(f"{common or 'a certificate'} is no authority that issues persons' cards")
            if common.startswith("TEST ") != test:
                raise ValueError(f"{common} belongs to the other environment (card.environment)")
            issues = (
                _NATIONAL if " FORT " in f" {common} " else _STAFF if " STANDARD " in f" {common} " else frozenset()
            )
            if not issues:
                raise ValueError(f"{common} issues no accepted card")
            authorities.append(Authority(certificate, issues))
    if not authorities:
        raise ValueError("no authority: every card would be refused")
    return CardTrust(tuple(authorities), test, hard, frozenset(policies), accept_adeli)


def judge(
    der: bytes | None,
    trust: CardTrust,
    revocation: RevocationView,
    now: datetime,
    *,
    resumed: bool = False,
    accept: frozenset[CardType] = frozenset(CardType),
) -> CardFacts | Refused:
    """The facts of a card, or why it is refused. Never raises for anything a client can send."""
    try:
        return _judge(der, trust, revocation, now, resumed=resumed, accept=accept)
    except _No as no:
        return no.refused
    except Exception as error:  # a parser's surprise is the card's fault, never a way in
        return Refused(Reason.CARD_MALFORMED, 2, {"error": type(error).__name__})


def _judge(
    der: bytes | None,
    trust: CardTrust,
    revocation: RevocationView,
    now: datetime,
    *,
    resumed: bool,
    accept: frozenset[CardType],
) -> CardFacts:
    # (1)
    if der is None:
        raise _No(Reason.CARD_ABSENT, 1)
    if resumed:
        raise _No(Reason.CARD_RESUMED, 1)
    # (2)
    certificate = _load(der)
    serial = format(certificate.serial_number, "x")
    # (3)
    authority = _issuer(certificate, trust)
    # (4)
    _validity(certificate, now)
    # (5)
    _usage(certificate)
    # (6)
    product = _product(certificate, authority, trust, accept)
    # (7)
    if trust.policies:
        _policy(certificate, trust.policies)
    # (8)
    subject = _subject(certificate, product)
    # (9)
    identifier = _identifier(subject["cn"], product, trust)
    # (10)
    number = _agreement(certificate, identifier)
    # (11)
    standing = revocation.status(authority.name, certificate.serial_number, now)
    if standing.revoked:
        raise _No(Reason.CARD_REVOKED, 11, serial=serial, issuer=authority.name)
    if standing.revoked is None and trust.hard:
        raise _No(Reason.CARD_REVOCATION_UNKNOWN, 11, why=standing.why, issuer=authority.name)
    return CardFacts(
        type=product,
        id=identifier,
        family_name=subject["sn"],
        given_name=subject["gn"],
        title=subject.get("title", ""),
        profession=_integer(certificate, _PROFESSION),
        specialties=_specialties(certificate),
        structure=subject.get("ou"),
        card_number=number,
        issuer=authority.name,
        serial=serial,
        not_after=certificate.not_valid_after_utc,
        revocation_known=standing.revoked is not None,
        future_profession=_integer(certificate, _FUTURE_PROFESSION),
    )


def _load(der: bytes) -> x509.Certificate:
    if len(der) > LARGEST:
        raise _No(Reason.CARD_MALFORMED, 2, size=str(len(der)))
    certificate = x509.load_der_x509_certificate(der)
    if certificate.public_bytes(Encoding.DER) != der or certificate.version is not x509.Version.v3:
        raise _No(Reason.CARD_MALFORMED, 2)
    if not 0 < certificate.serial_number < 1 << 160:
        raise _No(Reason.CARD_MALFORMED, 2)
    for extension in certificate.extensions:  # a duplicate raises here
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            raise _No(Reason.CARD_MALFORMED, 2, extension=extension.oid.dotted_string)
    _ = certificate.subject.rdns  # unreadable names raise here, not later
    return certificate


def _issuer(certificate: x509.Certificate, trust: CardTrust) -> Authority:
    issuer = certificate.issuer.public_bytes()
    named = [one for one in trust.authorities if one.certificate.subject.public_bytes() == issuer]
    if not named:
        raise _No(Reason.CARD_FOREIGN_ISSUER, 3, issuer=hashlib.sha256(issuer).hexdigest()[:16])
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(algorithm, _GOOD_HASHES):
        raise _No(Reason.CARD_WEAK_KEY, 4)
    for authority in named:
        key = authority.certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            continue
        try:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            continue
        try:
            told = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        except x509.ExtensionNotFound:
            told = None
        if told != authority.key_id:
            raise _No(Reason.CARD_FOREIGN_ISSUER, 3)
        return authority
    raise _No(Reason.CARD_BAD_SIGNATURE, 3)


def _validity(certificate: x509.Certificate, now: datetime) -> None:
    if now < certificate.not_valid_before_utc:
        raise _No(Reason.CARD_NOT_YET_VALID, 4)
    if now > certificate.not_valid_after_utc:
        raise _No(Reason.CARD_EXPIRED, 4)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _SMALLEST_KEY:
        raise _No(Reason.CARD_WEAK_KEY, 4)


def _usage(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise _No(Reason.CARD_IS_CA, 5)
    except x509.ExtensionNotFound:
        pass  # absent means: not a CA (RFC 5280 §4.2.1.9)
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise _No(Reason.CARD_WRONG_USAGE, 5) from None
    if usage.key_cert_sign or usage.crl_sign:
        raise _No(Reason.CARD_IS_CA, 5)
    if usage.content_commitment or ExtendedKeyUsageOID.EMAIL_PROTECTION in extended:
        raise _No(Reason.CARD_SIGNATURE_CERTIFICATE, 5)
    allowed = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON}
    if not usage.digital_signature or ExtendedKeyUsageOID.CLIENT_AUTH not in extended or set(extended) - allowed:
        raise _No(Reason.CARD_WRONG_USAGE, 5)


def _product(
    certificate: x509.Certificate, authority: Authority, trust: CardTrust, accept: frozenset[CardType]
) -> CardType:
    category = _value(certificate, _CATEGORY)
    if category is None or len(category) != 3 or category[:2] != b"\x04\x01":
        raise _No(Reason.CARD_WRONG_CATEGORY, 6)
    if category[2] & ~_TEST_BIT != _CARD_CATEGORY:  # 0x02 security module, 0x03 software certificate
        raise _No(Reason.CARD_WRONG_CATEGORY, 6, category=f"{category[2]:#04x}")
    if bool(category[2] & _TEST_BIT) != trust.test:
        raise _No(Reason.CARD_WRONG_ENVIRONMENT, 6)
    number = _integer(certificate, _PRODUCT)
    if number is None or number not in ("0", "1", "2", "3"):
        raise _No(Reason.CARD_WRONG_CATEGORY, 6)
    product = _PRODUCTS[int(number)]
    if product not in authority.issues or product not in accept:
        raise _No(Reason.CARD_TYPE_REFUSED, 6, type=product.value)
    return product


def _policy(certificate: x509.Certificate, allowed: frozenset[str]) -> None:
    try:
        told = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        raise _No(Reason.CARD_WRONG_POLICY, 7) from None
    if not any(one.policy_identifier.dotted_string in allowed for one in told):
        raise _No(Reason.CARD_WRONG_POLICY, 7)


_FIELDS: Mapping[ObjectIdentifier, str] = {
    NameOID.COUNTRY_NAME: "c",
    _TITLE: "title",
    NameOID.COMMON_NAME: "cn",
    NameOID.SURNAME: "sn",
    NameOID.GIVEN_NAME: "gn",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.LOCALITY_NAME: "l",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
}


def _subject(certificate: x509.Certificate, product: CardType) -> dict[str, str]:
    """The fields of the subject by OID, in whatever order the encoding has them (a SET is sorted by its bytes)."""
    found: dict[str, str] = {}
    for attribute in certificate.subject:
        if attribute.oid == _PSEUDONYM:
            raise _No(Reason.CARD_NOT_NOMINATIVE, 8)
        name = _FIELDS.get(attribute.oid)
        value = attribute.value
        if name is None or name in found or not isinstance(value, str):
            raise _No(Reason.CARD_BAD_SUBJECT, 8, field=attribute.oid.dotted_string)
        found[name] = value
    needed = {"c", "cn", "sn", "gn"} | ({"title"} if product in _NATIONAL else {"ou"})
    if "sn" not in found or "gn" not in found:
        raise _No(Reason.CARD_NOT_NOMINATIVE if "cn" in found else Reason.CARD_BAD_SUBJECT, 8)
    if needed - found.keys() or (product in _NATIONAL and found.keys() - needed) or found["c"] != "FR":
        raise _No(Reason.CARD_BAD_SUBJECT, 8)
    if not all(_is_name(found[name]) for name in ("sn", "gn")):
        raise _No(Reason.CARD_BAD_SUBJECT, 8)
    return found


def _is_name(text: str) -> bool:
    """Letters of any script with their marks, spaces, apostrophes, hyphens, full stops; nothing that misleads."""
    if not text.strip() or len(text) > _LONGEST_NAME:
        return False
    return all(character in " '’-.()&" or unicodedata.category(character)[0] in "LM" for character in text)


def _identifier(text: str, product: CardType, trust: CardTrust) -> NationalId:
    identifier = NationalId.parse(text)
    if identifier is None:
        raise _No(Reason.CARD_BAD_IDENTIFIER, 9)
    if product in _NATIONAL:
        if identifier.adeli is not None:
            if not trust.accept_adeli:
                raise _No(Reason.CARD_ADELI, 9)
        elif identifier.rpps is None or not luhn(identifier.rpps):
            raise _No(Reason.CARD_BAD_IDENTIFIER, 9)
        elif not trust.test and identifier.rpps.startswith("99"):  # numbers of test persons
            raise _No(Reason.CARD_WRONG_ENVIRONMENT, 9)
    elif identifier.kind not in "3456":
        raise _No(Reason.CARD_BAD_IDENTIFIER, 9)
    return identifier


def _agreement(certificate: x509.Certificate, identifier: NationalId) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    for name in names or ():
        if isinstance(name, x509.OtherName) and name.type_id == _UPN:
            match = _UPN_TEXT.match(_utf8(name.value))
            if match is None or match[1] + match[2] != identifier.text:
                raise _No(Reason.CARD_UPN_MISMATCH, 10)
    raw = _value(certificate, _CARD_NUMBER)
    if raw is None:
        return None
    match_number = _CARD.match(raw[2:]) if raw[:1] == b"\x13" and len(raw) > 2 and raw[1] == len(raw) - 2 else None
    if match_number is None:
        raise _No(Reason.CARD_BAD_SERIAL, 10)
    return match_number[1].decode("ascii")


# --- values of the proprietary extensions: short DER, read by hand -----------------------------------------------------


def _value(certificate: x509.Certificate, oid: ObjectIdentifier) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    return found.value if isinstance(found, x509.UnrecognizedExtension) else None


def _integer(certificate: x509.Certificate, oid: ObjectIdentifier) -> str | None:
    """A small non-negative INTEGER as text; ``None`` when the extension is absent."""
    raw = _value(certificate, oid)
    if raw is None:
        return None
    if len(raw) < 3 or raw[0] != 2 or raw[1] != len(raw) - 2 or raw[1] > 3 or raw[2] & 0x80:
        raise _No(Reason.CARD_MALFORMED, 2, extension=oid.dotted_string)
    return str(int.from_bytes(raw[2:], "big"))


def _specialties(certificate: x509.Certificate) -> tuple[str, ...]:
    """SEQUENCE OF UTF8String, each a short code of letters and digits."""
    raw = _value(certificate, _SPECIALTIES)
    if raw is None:
        return ()
    if len(raw) < 2 or raw[0] != 0x30 or raw[1] != len(raw) - 2:
        raise _No(Reason.CARD_MALFORMED, 2, extension=_SPECIALTIES.dotted_string)
    codes, place = [], 2
    while place < len(raw):
        length = raw[place + 1]
        code = _utf8(raw[place : place + 2 + length])
        if not re.fullmatch(r"[A-Z]{1,4}[0-9]{1,4}", code, re.ASCII):
            raise _No(Reason.CARD_MALFORMED, 2, extension=_SPECIALTIES.dotted_string)
        codes.append(code)
        place += 2 + length
    return tuple(codes)


def _utf8(raw: bytes) -> str:
    if len(raw) < 2 or raw[0] != 0x0C or raw[1] != len(raw) - 2:
        raise _No(Reason.CARD_MALFORMED, 2)
    return raw[2:].decode("utf-8")
