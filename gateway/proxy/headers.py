"""What crosses to the backend and back, and what does not. Pure.

* Two names are one name when they are equal after lower-casing and turning every other character into ``-``: some
  backends do exactly that. Whatever looks like ours in this normal form is removed, on every route (R135).
* The block for the backend is built from an empty list: allowed fields of the client first, what we say ourselves
  after, last. A token in ``Connection`` may only remove what came from the client and is neither ours nor framing.
* From the backend: hop-by-hop fields, our own cookies and our own headers are dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.proxy.wire import Lines, tokens
from gateway.request import INTERNAL_PREFIX

OWN_COOKIES = b"__Host-vtgw"
# A cookie without a name is sent back as its bare value: "=__Host-vtgw=x" would come again as a cookie of ours.
_BEFORE_A_NAME = b" \t=\xa0\x85"
_ODD = re.compile(rb"[^a-z0-9]")
_PLAIN_NAME = re.compile(rb"[a-z0-9-]+\Z")

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
# Re-made by the door for every request, whatever came in.
_REMADE = frozenset({b"host", b"content-length", b"expect", b"x-request-id", b"traceparent", b"tracestate", b"via"})
# Who speaks for the client, or for another target or method: dropped from everybody, re-made by the door (P7, P12).
_SPOKEN_FOR = frozenset(
    {
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"true-client-ip",
        b"x-cluster-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"x-remote-ip",
        b"x-remote-addr",
        b"x-host",
        b"x-original-url",
        b"x-original-uri",
        b"x-original-host",
        b"x-rewrite-url",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"proxy",
        b"client-cert",
        b"client-cert-chain",
        b"remote-user",
    }
)
_SPOKEN_FOR_PREFIXES = (b"x-forwarded-", b"x-ssl-", b"ssl-client-", b"x-client-cert", b"x-envoy-")
# A token in Connection never removes these.
_KEPT = frozenset({b"host", b"content-length", b"content-type", b"cookie", b"authorization"})
_FROM_BACKEND = HOP_BY_HOP - {b"upgrade"} | {b"content-length", b"upgrade", b"client-cert"}


def normal(name: bytes) -> bytes:
    """The form in which two spellings of one name are equal."""
    return _ODD.sub(b"-", name.lower())


@dataclass(frozen=True, slots=True)
class Names:
    """The names that only we may say: the identity prefix and the assertion's header, in normal form."""

    prefix: bytes
    assertion: bytes

    @classmethod
    def of(cls, prefix: str, assertion: str) -> Names:
        return cls(normal(prefix.encode()), normal(assertion.encode()))

    def ours(self, name: bytes) -> bool:
        form = normal(name)
        return form.startswith((self.prefix, INTERNAL_PREFIX.encode())) or form == self.assertion


def cut_cookies(value: bytes) -> bytes:
    """A Cookie value without our own cookies; the rest stays byte for byte (P16)."""
    if OWN_COOKIES not in value:
        return value
    return b";".join(
        part for part in value.split(b";") if not part.lstrip(_BEFORE_A_NAME).startswith(OWN_COOKIES)
    ).lstrip()


def crossing(lines: Lines, names: Names, *, own_cookies: bool = False) -> bytes:
    """The client's fields that may go to a backend, as lines with CRLF; framing and Host are not among them.

    ``own_cookies``: the way leads to our own pages, which alone see our cookies.
    """
    listed = tokens(lines, b"connection") - _KEPT
    out: list[bytes] = []
    for lower, name, value in lines:
        form = normal(lower)
        if form in HOP_BY_HOP or form in _REMADE or form in _SPOKEN_FOR or form.startswith(_SPOKEN_FOR_PREFIXES):
            continue
        if lower in listed or names.ours(lower) or not _PLAIN_NAME.match(lower):
            continue
        if lower == b"cookie" and not own_cookies:
            value = cut_cookies(value)
            if not value:
                continue
        out.append(b"%b: %b\r\n" % (name, value))
    return b"".join(out)


def returning(lines: Lines, names: Names, *, trusted: bool) -> bytes:
    """The backend's fields that may go to the client, as lines with CRLF; framing is not among them.

    ``trusted``: our own pages, which alone may set our cookies and say our headers (to a front proxy).
    """
    listed = tokens(lines, b"connection") - _KEPT
    out: list[bytes] = []
    for lower, name, value in lines:
        if lower in _FROM_BACKEND or lower in listed or (not trusted and names.ours(lower)):
            continue
        if lower == b"set-cookie" and not trusted and value.lstrip(_BEFORE_A_NAME).startswith(OWN_COOKIES):
            continue
        out.append(b"%b: %b\r\n" % (name, value))
    return b"".join(out)


def says_framing(crossing: bytes) -> bool:
    """Whether what goes on of a backend's answer says itself who may frame its page (R8)."""
    pairs = (line.partition(b":") for line in crossing.lower().split(b"\r\n"))
    return any(
        name == b"x-frame-options" or (name == b"content-security-policy" and b"frame-ancestors" in value)
        for name, _, value in pairs
    )
