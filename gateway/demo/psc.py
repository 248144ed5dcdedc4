"""A Pro Santé Connect simulator: true enough for the whole test suite, loopback only, with invented people.

Authorization page (a plain form), token, UserInfo, keys, sign-out. ``Behaviour`` makes it misbehave.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlencode

from aiohttp import web
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from gateway.edges.system import SystemAmbient
from gateway.providers.oidc_checks import at_hash

_SSO, _SSO_LIFE, _SSO_IDLE = "psc-sso", 4 * 3600, 1800


@dataclass(frozen=True)
class PscPerson:
    """Somebody who can sign in here. ``other_ids`` are pairs (origin, identifier)."""

    key: str
    idnat: str
    family_name: str
    given_name: str
    profession: str = "10"
    specialty: str = ""
    category: str = "C"
    role: str = ""
    mode: str = "L"
    finess: str = ""
    other_ids: Sequence[tuple[str, str]] = ()


@dataclass
class Behaviour:
    """How the simulator answers; the defaults are good manners."""

    mode: str = "ok"  # ok | down | error | slow
    acr: str | None = "eidas1"
    userinfo_jwt: bool = False
    claims: dict[str, Any] = field(default_factory=dict)  # over the ID token
    info: dict[str, Any] = field(default_factory=dict)  # over UserInfo
    drop_info: tuple[str, ...] = ()
    callback: dict[str, str | None] = field(default_factory=dict)  # over the answer's query
    algorithm: str = "RS256"  # or none, HS256
    kid: str | None = None


@dataclass
class Client:
    secret: str
    redirect_uris: Sequence[str]
    post_logout: Sequence[str] = ()


class Simulator:
    """The provider: its people, clients, keys, codes and sessions."""

    def __init__(
        self, issuer: str, people: Sequence[PscPerson], clients: Mapping[str, Client], clock: Callable[[], datetime]
    ) -> None:
        self.issuer = issuer
        self.people = {person.key: person for person in people}
        self.clients = clients
        self.clock = clock
        self.behaviour = Behaviour()
        self.path = "/" + issuer.split("/", 3)[3] if issuer.count("/") > 2 else ""
        self._chance = SystemAmbient()
        self._codes: dict[str, dict[str, Any]] = {}
        self._access: dict[str, dict[str, Any]] = {}
        self._sso: dict[str, dict[str, Any]] = {}
        self.token_calls = 0
        self.rotate()

    def rotate(self) -> None:
        """New signing key; the old one is no longer published."""
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._manners])
        base = self.path + "/protocol/openid-connect"
        for name in ("wallet-openid-configuration", "openid-configuration"):
            app.router.add_get(f"{self.path}/.well-known/{name}", self._metadata)
        app.router.add_get("/auth", self._authorize)
        app.router.add_post("/auth", self._chosen)
        app.router.add_post(base + "/token", self._token)
        app.router.add_get(base + "/userinfo", self._userinfo)
        app.router.add_get(base + "/certs", self._keys)
        app.router.add_get(base + "/logout", self._logout)
        return app

    @web.middleware
    async def _manners(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.behaviour.mode == "down":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        if self.behaviour.mode == "error":
            return web.json_response({"error": "server_error"}, status=503)
        if self.behaviour.mode == "slow":
            await asyncio.sleep(30)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _metadata(self, request: web.Request) -> web.Response:
        base = self.issuer + "/protocol/openid-connect"
        root = self.issuer.removesuffix(self.path)
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": root + "/auth",
                "token_endpoint": base + "/token",
                "userinfo_endpoint": base + "/userinfo",
                "jwks_uri": base + "/certs",
                "end_session_endpoint": base + "/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    def _asked(self, query: Mapping[str, str]) -> Client:
        client = self.clients.get(query.get("client_id", ""))
        if client is None or query.get("redirect_uri") not in client.redirect_uris:
            raise web.HTTPBadRequest(text="client_id ou redirect_uri inconnu")
        return client

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        self._asked(query)
        session = self._sso.get(request.cookies.get(_SSO, ""))
        now = self.clock().timestamp()
        if session and now - session["at"] < _SSO_LIFE and 0 <= now - session["seen"] < _SSO_IDLE:
            session["seen"] = now
            return self._back(query, session["person"], session["mode"], session["at"])
        choices = "".join(
            f'<option value="{html.escape(one.key)}">{html.escape(one.given_name)} {html.escape(one.family_name)} '
            f"({html.escape(one.idnat)})</option>"
            for one in self.people.values()
        )
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        page = (
            '<!doctype html><html lang="fr"><meta charset="utf-8"><title>Pro Santé Connect (simulateur)</title>'
            "<style>body{font:18px system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem}"
            "label,select,button{display:block;margin:.6rem 0;font:inherit}</style>"
            "<h1>Pro Santé Connect</h1><p>Simulateur : aucune donnée réelle.</p>"
            f'<form method="post" action="/auth">{hidden}'
            f'<label for="person">Qui êtes-vous ?</label><select id="person" name="person">{choices}</select>'
            '<label for="mode">Moyen</label><select id="mode" name="mode">'
            '<option value="MOBILE">Application e-CPS</option><option value="CARD">Carte CPS</option></select>'
            '<button type="submit">Se connecter</button>'
            '<button type="submit" name="refuse" value="1">Refuser</button></form></html>'
        )
        return web.Response(text=page, content_type="text/html")

    async def _chosen(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._asked(form)
        if "refuse" in form:
            return self._redirect(form, {"error": "access_denied", "error_description": "<b>refus</b>"})
        person = form.get("person", "")
        if person not in self.people:
            raise web.HTTPBadRequest(text="personne inconnue")
        now = self.clock().timestamp()
        mode = "CARD" if form.get("mode") == "CARD" else "MOBILE"
        answer = self._back(form, person, mode, now)
        ticket = self._chance.token()
        self._sso[ticket] = {"person": person, "mode": mode, "at": now, "seen": now}
        answer.set_cookie(_SSO, ticket, httponly=True, secure=request.secure, samesite="Lax")
        return answer

    def _back(self, query: Mapping[str, str], person: str, mode: str, at: float) -> web.Response:
        code = self._chance.token(24)
        self._codes[code] = {
            "query": dict(query),
            "person": person,
            "mode": mode,
            "at": at,
            "made": self.clock().timestamp(),
        }
        return self._redirect(query, {"code": code, "session_state": self._chance.token(8)})

    def _redirect(self, query: Mapping[str, str], answer: Mapping[str, str]) -> web.Response:
        said: dict[str, str | None] = {**answer, "state": query.get("state", ""), "iss": self.issuer}
        said |= self.behaviour.callback
        kept = {name: value for name, value in said.items() if value is not None}
        return web.Response(status=302, headers={"Location": query["redirect_uri"] + "?" + urlencode(kept)})

    async def _token(self, request: web.Request) -> web.Response:
        self.token_calls += 1
        form = {name: str(value) for name, value in (await request.post()).items()}
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        basic = request.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            left, _, right = b64decode(basic[6:]).decode().partition(":")
            name, secret = unquote_plus(left), unquote_plus(right)
        client = self.clients.get(name)
        if client is None or client.secret != secret:
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(verifier).rstrip(b"=").decode()
        now = self.clock().timestamp()
        if (
            grant is None
            or grant["query"]["client_id"] != name
            or grant["query"]["redirect_uri"] != form.get("redirect_uri")
            or grant["query"].get("code_challenge") != challenge
            or now - grant["made"] > 60
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        access = self._chance.token(32)
        self._access[access] = grant | {"expires": now + 120}
        person = self.people[grant["person"]]
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": name,
            "azp": name,
            "typ": "ID",
            "sub": self._subject(person),
            "exp": int(now) + 120,
            "iat": int(now),
            "auth_time": int(grant["at"]),
            "nonce": grant["query"].get("nonce", ""),
            "at_hash": at_hash(access),
            "preferred_username": person.idnat,
        }
        if self.behaviour.acr is not None:
            claims["acr"] = self.behaviour.acr
        claims |= self.behaviour.claims
        body = {
            "access_token": access,
            "expires_in": 120,
            "token_type": "Bearer",
            "id_token": self._sign({k: v for k, v in claims.items() if v is not None}),
            "scope": "openid scope_all",
        }
        return web.json_response(body)

    def _sign(self, claims: dict[str, Any]) -> str:
        kind = self.behaviour.algorithm
        if kind == "none":
            head, payload, _ = jwt.encode({"alg": "RS256"}, claims, self.key).split(".")
            bare = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            return f"{bare}.{payload}." if head else ""
        if kind == "HS256":
            secret = next(iter(self.clients.values())).secret
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret * 4), algorithms=["HS256"])
        return jwt.encode({"alg": "RS256", "kid": self.behaviour.kid or self.key.kid}, claims, self.key)

    def _subject(self, person: PscPerson) -> str:
        return f"f:0b6f2a7e-1c55-4f3b-9a40-6f5f1f0a9c21:{person.idnat}"

    async def _userinfo(self, request: web.Request) -> web.Response:
        grant = self._access.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if grant is None or self.clock().timestamp() > grant["expires"]:
            return web.json_response({"error": "invalid_token"}, status=401)
        person = self.people[grant["person"]]
        activity = {
            "codeModeExercice": person.mode,
            "codeSecteurDactivite": "SA07" if person.mode == "L" else "SA17",
            "codeSectionPharmacien": "",
            "codeRole": person.role,
            "numeroFinessSite": person.finess,
            "raisonSocialeSite": "SITE D'EXEMPLE",
        }
        exercise = {
            "codeProfession": person.profession,
            "codeCategorieProfessionnelle": person.category,
            "codeCiviliteDexercice": "",
            "nomDexercice": person.family_name.upper(),
            "prenomDexercice": person.given_name,
            "codeTypeSavoirFaire": "S" if person.specialty else "",
            "codeSavoirFaire": person.specialty,
            "activities": [activity],
        }
        origin_of_id = "RPPS" if person.idnat.startswith("8") else "AUTRE"
        info: dict[str, Any] = {
            "sub": self._subject(person),
            "email_verified": False,
            "preferred_username": person.idnat,
            "SubjectNameID": person.idnat,
            "given_name": person.given_name,
            "family_name": person.family_name.upper(),
            "authMode": grant["mode"],
            "otherIds": [
                {"identifiant": person.idnat, "origine": origin_of_id, "qualite": 1},
                *({"identifiant": value, "origine": origin, "qualite": 1} for origin, value in person.other_ids),
            ],
            # PSC may list the same situation twice.
            "SubjectRefPro": {"codeCivilite": "", "exercices": [exercise, dict(exercise)]},
        }
        info |= self.behaviour.info
        for name in self.behaviour.drop_info:
            info.pop(name, None)
        if self.behaviour.userinfo_jwt:
            info |= {"iss": self.issuer, "aud": grant["query"]["client_id"]}
            signed = jws.serialize_compact({"alg": "RS256", "kid": self.key.kid}, json.dumps(info), self.key)
            return web.Response(text=signed, content_type="application/jwt")
        return web.json_response(info)

    async def _keys(self, request: web.Request) -> web.Response:
        odd = {"kty": "OKP", "crv": "X25519", "x": "AA", "use": "enc", "kid": "odd"}
        return web.json_response({"keys": [odd, self.key.as_dict(private=False)]})

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self._sso.pop(request.cookies.get(_SSO, ""), None)
        target = request.query.get("post_logout_redirect_uri", "")
        if any(target in client.post_logout for client in self.clients.values()):
            state = request.query.get("state")
            raise web.HTTPFound(target + (f"?{urlencode({'state': state})}" if state else ""))
        return web.Response(text="Vous êtes déconnecté de Pro Santé Connect.")
