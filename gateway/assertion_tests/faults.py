"""Bad test assertions: each is a good one with a single fault, and says why a backend must refuse it."""

from __future__ import annotations

import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.assertion_tests.press import DOCTOR, PERSON, Press, base64url, part

Fault = tuple[str, str, str]  # name, token, why
_LATER = 30  # seconds: more than any difference of clocks that is allowed for


def faults(press: Press) -> list[Fault]:
    """Every bad one."""
    return [
        *_forms(press),
        *_payloads(press),
        *_headers(press),
        *_signatures(press),
        *_times(press),
        *_names(press),
        *_delegations(press),
        *_delegation_parts(press),
        *_actors(press),
    ]


def _forms(press: Press) -> list[Fault]:
    """Texts that are no compact signed token (RFC 7515 §7.1)."""
    whole = press.token()
    head, body, signature = whole.split(".")
    padded = f"{head}{'=' * (-len(head) % 4 or 4)}.{body}"
    marks = json.dumps(press.claims(family_name="?????")).encode()
    slashed = f"{head}.{base64url(marks).replace('_', '/').replace('-', '+')}"
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = signature[:-1] + letters[letters.index(signature[-1]) ^ 1]
    return [
        ("nothing", "", "There is no assertion, so nobody is known."),
        ("two parts", f"{head}.{body}", "A signed token has three parts; without the third nothing is signed."),
        ("four parts", f"{whole}.{signature}", "A signed token has three parts and nothing after them."),
        ("five parts", f"{head}..{body}.{signature}.{signature}", "An encrypted token is none that the gateway makes."),
        ("padded", f"{padded}.{press.signature(padded)}", "The parts are base64url without padding."),
        ("another alphabet", f"{slashed}.{press.signature(slashed)}", "The parts are base64url: no + and no /."),
        (
            "a letter that is none",
            f"{head}.{body[:9]}!{body[9:]}.{signature}",
            "A stray character must not be skipped.",
        ),
        ("spare bits", f"{head}.{body}.{respelled}", "One signature has one spelling; the unused bits are zero."),
        ("two tokens", f"{whole}, {press.token()}", "A header that came twice says nothing certain."),
    ]


def _payloads(press: Press) -> list[Fault]:
    """Signed, and yet no claims."""
    text = json.dumps(press.claims(), ensure_ascii=False).encode()
    twice = text[:-1] + b', "sub": "' + DOCTOR.encode() + b'"}'
    broken = text.replace("É".encode(), b"\xc9")
    return [
        ("payload cut", press.token(text[:-1]), "The payload is not JSON."),
        ("payload is a list", press.token(b"[" + text + b"]"), "The payload is not an object."),
        ("payload is a text", press.token(json.dumps(PERSON).encode()), "The payload is not an object."),
        ("payload is null", press.token(b"null"), "The payload is not an object."),
        ("payload is empty", press.token(b"{}"), "It says nothing of anybody."),
        ("payload says sub twice", press.token(twice), "Readers differ on which of two equal names counts."),
        ("payload with text after", press.token(text + b" {}"), "Something follows the payload."),
        ("payload not in UTF-8", press.token(broken), "JSON is UTF-8; another encoding is no claim."),
        ("payload with a number that is none", press.token(text[:-1] + b', "x": NaN}'), "NaN is not JSON."),
    ]


def _headers(press: Press) -> list[Fault]:
    """A header the gateway does not write (RFC 8725 §3.1, §3.10, §3.11)."""
    kid = press.keys.current.jwk["kid"]
    pem = press.keys.current.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hashed = f"{part(press.header(alg='HS256'))}.{part(press.claims())}"
    mac = base64url(hmac.new(pem, hashed.encode(), "sha256").digest())
    own = press.keys.stranger
    twice = f'{{"alg":"none","alg":"ES256","kid":"{kid}","typ":"JWT"}}'.encode()
    deep = b'{"alg":' + b"[" * 2000 + b"]" * 2000 + b"}"

    def with_header(**changes: Any) -> str:
        return press.token(header=press.header(**changes))

    def without(name: str) -> str:
        return press.token(header={one: value for one, value in press.header().items() if one != name})

    return [
        ("algorithm none", f"{part(press.header(alg='none'))}.{part(press.claims())}.", "Nothing is signed."),
        ("algorithm none, signature kept", with_header(alg="none"), "The header says that nothing is signed."),
        ("algorithm HS256, public key as secret", f"{hashed}.{mac}", "Everybody knows the public key."),
        ("algorithm ES384", with_header(alg="ES384"), "Only ES256 is agreed on."),
        ("algorithm in small letters", with_header(alg="es256"), "Names of algorithms are compared exactly."),
        ("algorithm is a list", with_header(alg=["ES256"]), "The algorithm is one text."),
        ("no algorithm", without("alg"), "Nothing says how it is signed."),
        ("algorithm twice", press.token(header=twice), "Readers differ on which of two equal names counts."),
        ("header is a list", press.token(header=b'["ES256"]'), "The header is not an object."),
        ("header is not JSON", press.token(header=b"ES256"), "The header is not JSON."),
        ("header two thousand deep", press.token(header=deep), "It must be refused without harm to the reader."),
        ("type of an access token", with_header(typ="at+jwt"), "A token for another purpose is no assertion."),
        ("no type", without("typ"), "An assertion says that it is a JWT."),
        ("no kid", without("kid"), "Nothing says which key signed; keys are not tried in turn."),
        ("unknown kid", with_header(kid=own.jwk["kid"]), "The key set has no such key."),
        ("kid is a number", with_header(kid=1), "The name of a key is a text."),
        ("unknown kid, key of a stranger", press.token(header=press.header(kid=own.jwk["kid"]), key=own),
         "A key that is not published says nothing."),
        ("critical extension", with_header(crit=["exp"], exp=press.at(50)), "What is critical and not known refuses."),
        ("payload not encoded", with_header(b64=False, crit=["b64"]), "The gateway never signs like this."),
        ("brings its own key", press.token(header=press.header(jwk=own.jwk), key=own),
         "Keys come from the key set alone, never from the token."),
        ("names its own key set", press.token(header=press.header(jku="https://keys.invalid/jwks.json"), key=own),
         "Keys come from the key set alone; the token's address must not even be fetched."),
        ("names a key set, signed rightly", with_header(jku="https://keys.invalid/jwks.json"),
         "The gateway writes three members; another one is not ours."),
    ]  # fmt: skip


def _signatures(press: Press) -> list[Fault]:
    """Signatures that are none (RFC 7518 §3.4)."""
    head, body, signature = press.token().split(".")
    other = part(press.claims(sub=DOCTOR, idnat_ps=DOCTOR))
    raw = press.keys.current.sign(f"{head}.{body}".encode("ascii"))
    der = press.keys.current.der(f"{head}.{body}".encode("ascii"))

    def with_signature(data: bytes) -> str:
        return f"{head}.{body}.{base64url(data)}"

    return [
        ("payload altered", f"{head}.{other}.{signature}", "The signature is not of this payload."),
        ("header altered", f"{part({**press.header(), 'typ': 'jwt'})}.{body}.{signature}", "It is not of this header."),
        ("signature empty", f"{head}.{body}.", "There is no signature."),
        ("signature cut", with_signature(raw[:-1]), "It is 63 bytes long instead of 64."),
        ("signature with a byte more", with_signature(raw + b"\0"), "It is 65 bytes long instead of 64."),
        ("signature in DER", with_signature(der), "In a JWT it is the two numbers, 32 bytes each, and nothing else."),
        ("signature of zeros", with_signature(bytes(64)), "Zeros sign nothing, though some libraries took them."),
        ("signature's halves changed places", with_signature(raw[32:] + raw[:32]), "It is not the signature."),
        ("key of a stranger under a known kid", press.token(key=press.keys.stranger), "Not signed by the key named."),
        ("key before under the kid of today", press.token(key=press.keys.previous), "Not signed by the key named."),
    ]


def _times(press: Press) -> list[Fault]:
    """Not now, or for too long (R136)."""

    def at(why: str, name: str, *, without: tuple[str, ...] = (), **times: Any) -> Fault:
        return name, press.token(press.claims(without=without, **times)), why

    soon, late = press.at(_LATER), press.at(-_LATER)
    return [
        at("Its time is over.", "expired", iat=press.at(-60 - _LATER), exp=late),
        at("It was made in the future.", "made later", iat=soon, exp=press.at(60 + _LATER)),
        at("The gateway's assertions live 60 seconds at most.", "lives an hour", exp=press.at(3590)),
        at("The gateway's assertions live 60 seconds at most.", "lives a second too long", exp=press.at(51)),
        at("It ends before it begins.", "ends before it begins", iat=press.at(2), exp=press.at(-2)),
        at("Nothing says when it ends.", "no exp", without=("exp",)),
        at("Nothing says when it was made, so not how long it lives.", "no iat", without=("iat",)),
        at("An instant is a number.", "exp is a text", exp=str(press.at(50))),
        at("An instant is a number.", "exp is null", exp=None),
        at("An instant is a whole number of seconds.", "exp is true", exp=True),
        at("An instant is a whole number of seconds.", "iat has a fraction", iat=press.at(-10) + 0.5),
        at("It says itself that it does not count yet.", "not before later", nbf=soon),
    ]


def _names(press: Press) -> list[Fault]:
    """From another, for another, of nobody (RFC 8725 §3.8, §3.9; R139)."""

    def named(why: str, name: str, *, without: tuple[str, ...] = (), **claims: Any) -> Fault:
        return name, press.token(press.claims(without=without, **claims)), why

    own, issuer = press.audience, press.issuer
    return [
        named("It was made for another application.", "another audience", aud=own + "-other"),
        named("Audiences are compared exactly.", "audience begins alike", aud=own[:-1]),
        named("The gateway makes one assertion for each application.", "several audiences", aud=["other", own]),
        named("Nothing says for whom it is.", "no audience", without=("aud",)),
        named("Another gateway made it.", "another issuer", iss="https://other.invalid"),
        named("Issuers are compared exactly.", "issuer with a slash more", iss=issuer + "/"),
        named("The issuer is one text.", "issuer is a list", iss=[issuer]),
        named("Nothing says who made it.", "no issuer", without=("iss",)),
        named("It says nothing of who is here.", "no subject", without=("sub",)),
        named("An empty number is nobody's.", "empty subject", sub="", idnat_ps=""),
        named("A subject is a text.", "subject is a number", sub=int(PERSON)),
        named("It names two persons.", "two persons", idnat_ps=DOCTOR),
        named("Every assertion has its own number.", "no jti", without=("jti",)),
    ]


def _delegations(press: Press) -> list[Fault]:
    """A delegation as a whole (R109, R127, R139; RFC 9396 §2, §5)."""

    def acting(why: str, name: str, details: Any, **claims: Any) -> Fault:
        return name, press.token(press.claims(authorization_details=details, **claims)), why

    one = press.delegation()
    first, second = press.delegation("grandage:consulter", "sanitaire:consulter", "sanitaire:creer")
    foreign = {**second, "type": "payment_initiation"}
    return [
        acting("The delegation ended yesterday.", "delegation ended", press.delegation(last=-1)),
        acting("The delegation begins tomorrow.", "delegation not begun", press.delegation(first=1)),
        acting("Said, and yet nothing said.", "details are null", None),
        acting("It is a list, of one too.", "details are an object", one[0]),
        acting("An empty list leaves open for whom.", "details are an empty list", []),
        acting("Its elements are objects.", "details are texts", ["fr.viatrajectoire.delegation"]),
        acting("What is not understood may be a limit.", "unknown type", [{**one[0], "type": "payment_initiation"}]),
        acting("What is not understood may be a limit.", "unknown type beside ours", [first, foreign]),
        acting("What is not understood may be a limit.", "delegation without a type", [_less(one[0], "type")]),
        acting("One acts under one delegation.", "two delegations", [first, {**second, "identifier": "dlg_b3RoZXI"}]),
        acting("One acts for one doctor.", "two doctors", [first, {**second, "on_behalf_of": "899700990031"}]),
        acting("All parts are of one kind.", "two kinds", [first, {**second, "kind": "colleague"}]),
        acting("All parts end together.", "two ends",
               [first, {**second, "valid_until": press.delegation(last=31)[0]["valid_until"]}]),
        acting("Nobody acts for oneself.", "acting for oneself", press.delegation(on_behalf_of=PERSON)),
    ]  # fmt: skip


def _delegation_parts(press: Press) -> list[Fault]:
    """One member of a delegation missing, empty, strange or too much."""
    one = press.delegation()[0]

    def changed(why: str, name: str, **members: Any) -> Fault:
        return name, press.token(press.claims(authorization_details=[{**one, **members}])), why

    def lacking(member: str, why: str) -> Fault:
        return f"delegation without {member}", press.token(
            press.claims(authorization_details=[_less(one, member)])
        ), why  # fmt: skip

    return [
        lacking("identifier", "Nobody could find out later under what was acted."),
        lacking("on_behalf_of", "It leaves open for whom."),
        lacking("kind", "It leaves open which kind it is."),
        lacking("actions", "It leaves open what may be done; that is nothing, not everything."),
        lacking("datatypes", "It leaves open where; that is nowhere, not everywhere."),
        lacking("valid_from", "It leaves open since when."),
        lacking("valid_until", "It leaves open until when; that is not for ever."),
        changed("No right is granted.", "no action", actions=[]),
        changed("No right is granted.", "no datatype", datatypes=[]),
        changed("Actions are a list.", "actions are a text", actions="consulter"),
        changed("An action is a text.", "action is a number", actions=[1]),
        changed("An action has a name.", "action is empty", actions=["consulter", ""]),
        changed("The doctor has a number.", "doctor is empty", on_behalf_of=""),
        changed("The doctor's number is a text.", "doctor is a list", on_behalf_of=[DOCTOR]),
        changed("There are two kinds.", "unknown kind", kind="owner"),
        changed("The end is an instant.", "end is no instant", valid_until="soon"),
        changed("A time without its offset is another one elsewhere.", "end without offset",
                valid_until=one["valid_until"][:19]),
        changed("A member that is not understood may be a limit.", "unknown limit", patients=["2690780028"]),
    ]  # fmt: skip


def _actors(press: Press) -> list[Fault]:
    """The profile with an actor (RFC 8693 §4.1): who acts, and for whom, said twice and alike."""
    details = press.delegation()

    def acted(why: str, name: str, *, without: tuple[str, ...] = (), **claims: Any) -> Fault:
        whole = {"sub": DOCTOR, "act": {"sub": PERSON}, "authorization_details": details} | claims
        return name, press.token(press.claims(without=without, **whole)), why

    return [
        acted("Nothing says what the actor may do.", "actor without delegation", without=("authorization_details",)),
        acted("The subject is not the doctor of the delegation.", "actor for another doctor", sub="899700990031"),
        acted("Nobody acts for oneself.", "actor is the doctor", act={"sub": DOCTOR}, idnat_ps=DOCTOR),
        acted("Nothing says who acts.", "actor without number", act={}),
        acted("The actor is an object.", "actor is a text", act=PERSON),
        acted("Said, and yet nobody said.", "actor is null", act=None),
        acted("Nobody acts through another.", "actor behind an actor", act={"sub": PERSON, "act": {"sub": "8"}}),
        acted("It names two persons.", "actor is another person", idnat_ps=DOCTOR),
    ]


def _less(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {one: value for one, value in members.items() if one != name}
