"""Pro Santé Connect, or any OpenID Connect issuer: authorization code with PKCE, state and nonce (R39–R44).

* What the provider publishes is wider than what is accepted: algorithms, issuer and hosts are ours to choose.
* Nothing of the browser's query shapes the request; every answer is bounded in size and time; redirects are not
  followed; keys are fetched at most once a minute.
* State, nonce and verifier stay on the server with the attempt. The page consumes the attempt before calling
  ``complete``, so that an answer is used once.
* ``Proof.evidence["logout_hint"]`` holds the ID token, for the page to seal and keep with the session (R44); it is
  removed before the audit.

Raises ``ProviderUnavailable`` when the provider gives no answer; everything else it may say is an outcome.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import structlog
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.identity import Assurance, Proof
from gateway.ports import Ambient
from gateway.providers.base import Attempt, Redirect, Rejected, Reply
from gateway.providers.oidc_checks import (
    Expected,
    Unsound,
    authenticated_at,
    check_id_token,
    identity_of,
    method_of,
    strict_object,
)
from gateway.reasons import ProviderUnavailable, Reason

_METADATA_LIFE = 3600.0  # seconds; the last good copy serves while a fresh one cannot be had
_KEYS_EVERY = 60.0  # seconds between two fetches of keys, whatever tokens say
_LARGEST = {"metadata": 1 << 20, "keys": 1 << 20, "token": 256 << 10, "userinfo": 256 << 10}
_PATIENCE = aiohttp.ClientTimeout(total=10)
_log = structlog.get_logger("gateway.oidc")


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """One provider. ``client_secret`` never shows in a repr."""

    issuer: str
    discovery_url: str
    client_id: str
    redirect_uri: str
    post_logout_redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)
    client_auth: str = "basic"
    scope: str = "openid scope_all"
    acr_values: str = "eidas1"
    min_acr: str = "eidas1"
    acr_when_missing: str = "accept"
    algorithms: Sequence[str] = ("RS256",)
    session_cap: timedelta = timedelta(hours=4)
    accept_test_ids: bool = False
    name: str = "psc"


class OpenIdProvider:
    """The provider ``psc``. ``http`` is a session without cookies whose TLS verifies the provider."""

    def __init__(self, settings: OidcSettings, http: aiohttp.ClientSession, ambient: Ambient) -> None:
        self._settings = settings
        self._http = http
        self._ambient = ambient
        self._metadata: Mapping[str, Any] | None = None
        self._metadata_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = -_KEYS_EVERY

    @property
    def name(self) -> str:
        return self._settings.name

    async def begin(self, attempt: Attempt, now: datetime) -> Redirect:
        metadata = await self._discover()
        state = f"{attempt.id}.{self._ambient.token(16)}"
        nonce, verifier = self._ambient.token(32), self._ambient.token(48)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": self._settings.scope,
            "acr_values": self._settings.acr_values,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        url = f"{metadata['authorization_endpoint']}?{urlencode(query)}"
        return Redirect(url, {"state": state, "nonce": nonce, "verifier": verifier})

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        try:
            return await self._complete(attempt, reply.fields, now)
        except Unsound as unsound:
            hint = {"logout_hint": unsound.hint} if unsound.hint else {}
            return Rejected(unsound.reason, {"why": unsound.why, **hint})

    async def end_session_url(self, id_token: str, state: str) -> str | None:
        """Where the browser signs out of the provider too (R44); ``None`` when the provider has no such address."""
        metadata = await self._discover()
        end = metadata.get("end_session_endpoint")
        if not isinstance(end, str):
            return None
        query = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": self._settings.post_logout_redirect_uri,
            "state": state,
        }
        return f"{end}?{urlencode(query)}"

    async def _complete(self, attempt: Attempt, query: Mapping[str, str], now: datetime) -> Proof:
        settings, memory = self._settings, attempt.memory
        # (1) the answer belongs to this attempt, and to this issuer
        if not hmac.compare_digest(query.get("state", "").encode(), memory.get("state", "-").encode()):
            raise Unsound(Reason.PSC_STATE, "state")
        if "iss" in query and query["iss"] != settings.issuer:
            raise Unsound(Reason.PSC_ISSUER, "iss of the answer")
        if "iss" not in query:
            _log.info("no iss in the authorization answer", provider=settings.name)
        # (2) an error is an answer too
        if "error" in query:
            raise _error(query["error"])
        code = query.get("code", "")
        if not code or len(code) > 2048:
            raise Unsound(Reason.PSC_CODE_REFUSED, "no code")
        # (3) the code for tokens, once
        tokens = await self._redeem(code, memory["verifier"])
        access, raw = tokens.get("access_token"), tokens.get("id_token")
        if not isinstance(access, str) or not isinstance(raw, str) or str(tokens.get("token_type")).lower() != "bearer":
            raise Unsound(Reason.PSC_TOKEN, "answer without tokens")
        # (4) the ID token: signature by a key of the issuer, then its claims
        claims = await self._verified(raw, Reason.PSC_TOKEN)
        expected = Expected(
            settings.issuer, settings.client_id, memory["nonce"], settings.min_acr, settings.acr_when_missing
        )
        level = check_id_token(claims, expected, access, now)
        if level is None:
            _log.info("no acr in the ID token", provider=settings.name)
        # (5) who it is
        try:
            info = await self._userinfo(access)
            identity = identity_of(info, claims["sub"], accept_test_ids=settings.accept_test_ids)
        except Unsound as unsound:
            unsound.hint = raw
            raise
        at = authenticated_at(claims, now)
        # (6) the session ends no later than the provider's own (R43)
        return Proof(
            identity=identity,
            method=method_of(info, claims),
            assurance=Assurance.SUBSTANTIAL,
            at=at,
            until=at + settings.session_cap,
            evidence={
                "issuer": settings.issuer,
                "sub": hashlib.sha256(claims["sub"].encode()).hexdigest()[:16],
                "acr": level or "",
                "logout_hint": raw,
            },
        )

    # Calls to the provider

    async def _discover(self) -> Mapping[str, Any]:
        age = self._ambient.monotonic() - self._metadata_at
        if self._metadata is not None and age < _METADATA_LIFE:
            return self._metadata
        try:
            data = await self._call("GET", self._settings.discovery_url, "metadata")
            metadata = strict_object(data, Reason.PSC_UNAVAILABLE)
            if metadata.get("issuer") != self._settings.issuer:
                raise Unsound(Reason.PSC_ISSUER, "issuer of the metadata")
            for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
                if not _same_security(metadata.get(name), self._settings.issuer):
                    raise Unsound(Reason.PSC_UNAVAILABLE, name)
        except (ProviderUnavailable, Unsound) as error:
            if self._metadata is not None:
                _log.warning("metadata not refreshed", provider=self._settings.name, error=str(error))
                return self._metadata
            raise ProviderUnavailable("no usable metadata") from error
        self._metadata, self._metadata_at = metadata, self._ambient.monotonic()
        return metadata

    async def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        if settings.client_auth == "basic":
            # RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret or '')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form["client_id"] = settings.client_id
            if settings.client_auth == "post":
                form["client_secret"] = settings.client_secret or ""
        metadata = await self._discover()
        data = await self._call("POST", metadata["token_endpoint"], "token", form=form, headers=headers)
        return strict_object(data, Reason.PSC_TOKEN)

    async def _userinfo(self, access: str) -> Mapping[str, Any]:
        metadata = await self._discover()
        headers = {"Authorization": f"Bearer {access}", "Accept": "application/json, application/jwt"}
        kind: list[str] = []
        data = await self._call("GET", metadata["userinfo_endpoint"], "userinfo", headers=headers, kind=kind)
        if kind == ["application/json"]:
            return strict_object(data, Reason.PSC_USERINFO)
        if kind == ["application/jwt"]:
            claims = await self._verified(data.decode("ascii", "replace"), Reason.PSC_USERINFO)
            audience = claims.get("aud")
            ours = audience == self._settings.client_id or (
                isinstance(audience, list) and self._settings.client_id in audience
            )
            if claims.get("iss") != self._settings.issuer or not ours:
                raise Unsound(Reason.PSC_USERINFO, "iss or aud")
            return claims
        raise Unsound(Reason.PSC_USERINFO, "content type")

    async def _verified(self, token: str, reason: Reason) -> dict[str, Any]:
        """The claims of a signed token; key by ``kid`` from the issuer's own set, algorithm from our list (O5)."""
        if len(token) > _LARGEST["token"] or token.count(".") != 2:
            raise Unsound(reason, "not a compact token")
        for fresh in (False, True):
            keys = await self._key_set(fresh=fresh)
            if keys is None:
                break
            try:
                signed = jws.deserialize_compact(token, keys, algorithms=list(self._settings.algorithms))
            except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                if fresh:
                    raise Unsound(reason, f"signature: {type(error).__name__}") from error
                continue
            header = signed.headers()
            if set(header) & {"crit", "b64", "jku", "jwk", "x5u", "x5c"}:
                raise Unsound(reason, "header")
            return strict_object(signed.payload, reason)
        raise Unsound(reason, "signature")

    async def _key_set(self, *, fresh: bool) -> KeySet | None:
        """The issuer's keys; ``fresh`` asks again, at most once a minute (``None``: too soon)."""
        now = self._ambient.monotonic()
        if self._keys is not None and not fresh:
            return self._keys
        if fresh and now - self._keys_at < _KEYS_EVERY:
            return None
        metadata = await self._discover()
        document = strict_object(await self._call("GET", metadata["jwks_uri"], "keys"), Reason.PSC_UNAVAILABLE)
        self._keys_at = now
        usable = [one for one in document.get("keys", []) if _usable(one)]
        self._keys = KeySet.import_key_set({"keys": usable}) if usable else KeySet([])
        return self._keys

    async def _call(
        self,
        method: str,
        url: str,
        what: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        kind: list[str] | None = None,
    ) -> bytes:
        limit = _LARGEST[what]
        try:
            async with self._http.request(
                method, url, data=form, headers=headers, allow_redirects=False, timeout=_PATIENCE
            ) as answer:
                data = bytearray()
                async for piece in answer.content.iter_chunked(65536):
                    data += piece
                    if len(data) > limit:
                        raise ProviderUnavailable(f"{what}: too large")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ProviderUnavailable(f"{what}: {type(error).__name__}") from error
        if answer.status >= 500 or answer.status == 429:
            raise ProviderUnavailable(f"{what}: {answer.status}")
        if answer.status != 200:
            reason = Reason.PSC_CODE_REFUSED if what == "token" else Reason.PSC_USERINFO
            raise Unsound(reason, f"{what}: {answer.status}")
        if kind is not None:
            kind.append(answer.content_type)
        elif answer.content_type != "application/json" and not answer.content_type.endswith("+json"):
            raise Unsound(Reason.PSC_TOKEN, f"{what}: {answer.content_type}")
        return bytes(data)


def _error(word: str) -> Exception:
    """The provider's own word for a failure (RFC 6749 §4.1.2.1), as ours (R42)."""
    if word == "access_denied":
        return Unsound(Reason.PSC_CANCELLED, word)
    if word in ("temporarily_unavailable", "server_error"):
        return ProviderUnavailable(word)
    return Unsound(Reason.PSC_ERROR, "".join(c for c in word[:40] if c.isalnum() or c in "_-"))


def _usable(key: Any) -> bool:
    """Signing keys of our families only; odd ones are skipped, not fatal (O7)."""
    return (
        isinstance(key, dict)
        and key.get("kty") in ("RSA", "EC")
        and key.get("use", "sig") == "sig"
        and "d" not in key
        and (key.get("kty") != "RSA" or len(str(key.get("n", ""))) >= 342)  # 2048 bits in base64url
    )


def _same_security(url: Any, issuer: str) -> bool:
    """An endpoint is an address with the issuer's own scheme: https never leads to http."""
    return isinstance(url, str) and urlsplit(url).scheme == urlsplit(issuer).scheme and bool(urlsplit(url).hostname)
