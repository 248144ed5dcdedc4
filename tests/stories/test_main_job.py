"""The main job, end to end: three ways in, one identity behind. Told as users tell it, through the whole gateway."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.visitor import Demo, Visitor

DEEP = "/Trajectoire/Pages/AccesRestreint/x?id=1&b=2"
OURS = ("x-vt-", "vtgw-", "client-cert")


def card_of(demo: Demo, key: str) -> tuple[str, str]:
    card = demo.person(key)["cards"][0]
    return card["cert"], card["key"]


def headers_of(request: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in request["headers"]}


def by_password(visitor: Visitor, key: str, back: str = DEEP) -> None:
    """Sign in by password and the code received by mail."""
    person = visitor.demo.person(key)
    visitor.get(back)
    account = person["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    assert "J'ai reçu mon code" in visitor.last.text
    visitor.submit("/sign-in/code", code=visitor.demo.code(person["mail"]))


def by_psc(visitor: Visitor, key: str, mode: str = "MOBILE", space: str = "professionnel", back: str = DEEP) -> None:
    visitor.get(f"/_gateway/sign-in/psc?space={space}&return={back.replace('&', '%26')}")
    visitor.submit("/auth", person=key, mode=mode)


def test_j1_j2_r17_unknown_doctor_by_card_then_ecps(demo: Demo) -> None:
    """A doctor without account signs in by card, fills the form, accepts the charter, reaches the page she asked for;
    later the e-CPS opens the same account without any form."""
    visitor = Visitor(demo, card_of(demo, "dr-martin"))
    answer = visitor.get(DEEP)
    assert "PROFESSIONNELS LIBÉRAUX OU EN ÉTABLISSEMENT" in answer.text
    visitor.click("Médecin Libéral")
    assert "Connexion à l'espace médecin libéral" in visitor.last.text
    visitor.click("Se connecter par CPS")
    assert "Vos informations personnelles" in visitor.last.text
    assert "Les champs marqués d'un * sont obligatoires" in visitor.last.text
    assert 'readonly value="MARTIN"' in visitor.last.text
    # R12, R14, R16: every fault has its message, nothing is created
    bad = visitor.submit("/register", email="", password="abcdefg1", repeat_password="x")
    assert bad.status == 422
    assert "Ce champ est obligatoire." in bad.text
    assert "au moins une majuscule" in bad.text
    assert "Les deux mots de passe sont différents." in bad.text
    # R11: a forged name is ignored
    visitor.submit(
        "/register",
        email="claire.martin@example.test",
        password="Un-beau-matin-7",
        repeat_password="Un-beau-matin-7",
        family_name="FORGED",
        profession="99",
        city="Lyon",
    )
    assert "J'ai lu et accepte les conditions ci-dessus" in visitor.last.text
    # R25: no page of the application before the charter
    assert not [one for one in demo.requests() if "x-vt-rpps" in headers_of(one)]
    refused = visitor.submit("/charter")
    assert refused.status == 422
    answer = visitor.submit("/charter", accept="1")
    assert answer.status == 200
    assert answer.url.endswith(DEEP)
    seen = headers_of(demo.requests()[-1])
    assert seen["x-vt-rpps"] == "99700000005"
    assert seen["x-vt-name"] == "MARTIN"
    assert seen["x-vt-auth-method"] == "cps"
    assert seen["x-vt-assurance"] == "substantial"
    assert seen["x-vt-space"] == "liberal"
    assert seen["x-vt-profession"] == "10^1.2.250.1.71.1.2.7"
    assert "x-vt-adeli" not in seen
    assert "FORGED" not in json.dumps(seen)
    account = visitor.get("/_gateway/account")
    assert "Lyon" in account.text

    other = Visitor(demo)
    by_psc(other, "dr-martin", space="liberal")
    assert other.last.url.endswith(DEEP)
    again = headers_of(demo.requests()[-1])
    assert (again["x-vt-rpps"], again["x-vt-auth-method"]) == ("99700000005", "psc-ecps")


def test_j5_password_and_code_then_sign_out(demo: Demo, visitor: Visitor) -> None:
    """A doctor signs in by password and code, and after « Se déconnecter » the door is closed again."""
    by_password(visitor, "dr-bernard")
    assert visitor.last.url.endswith(DEEP)
    seen = headers_of(demo.requests()[-1])
    assert (seen["x-vt-auth-method"], seen["x-vt-assurance"]) == ("otp-mail", "transition")
    state = visitor.get("/_gateway/session", Accept="application/json").json()
    assert (state["signed_in"], state["method"], state["space"]) == (True, "otp-mail", "professionnel")
    stolen = dict(visitor.cookies)
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    assert "Vous êtes déconnecté" in visitor.last.text
    demo.forget()
    for cookies in (visitor.cookies, stolen):
        visitor.cookies = dict(cookies)
        assert "Se connecter" in visitor.get(DEEP).text
    assert demo.requests() == []


def test_j5_r65_a_wrong_code_and_a_replay(demo: Demo, visitor: Visitor) -> None:
    """A wrong code says « Code incorrect ou expiré. »; a code that served does not serve again."""
    person = demo.person("dr-petit")
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier="0 06920999 7", password=person["account"]["password"])
    page = visitor.last
    code = demo.code(person["mail"])
    wrong = visitor.submit("/sign-in/code", code="000000" if code != "000000" else "111111")
    assert wrong.status == 401
    assert "Code incorrect ou expiré." in wrong.text
    assert person["mail"] not in wrong.text
    assert visitor.submit("/sign-in/code", code=code).url.endswith(DEEP)
    assert headers_of(demo.requests()[-1])["x-vt-rpps"] == "99700100029"
    visitor.last = page
    again = visitor.submit("/sign-in/code", code=code)
    assert again.status in (200, 403)
    assert "x-vt" not in again.text.lower()


def test_j6_agent_by_password_in_an_8_hour_establishment(demo: Demo, visitor: Visitor) -> None:
    """An agent without national identifier signs in by user name; the structure is told, no RPPS is invented."""
    by_password(visitor, "agent-leroy")
    seen = headers_of(demo.requests()[-1])
    assert "x-vt-rpps" not in seen
    assert "x-vt-idnat-ps" not in seen
    assert seen["x-vt-structure"] == "1690780010"
    mail = demo.console("GET", "/mails?to=paul.leroy@example.test")[-1]
    assert "8\u00a0heures" in mail["text"]


def test_r10_an_unknown_identifier_creates_nothing(demo: Demo, visitor: Visitor) -> None:
    """Password sign-in with an RPPS nobody has answers like a wrong password."""
    visitor.get("/_gateway/sign-in?space=liberal")
    unknown = visitor.submit("/sign-in/password", identifier="899700100094", password="Abcdefg1")
    visitor.get("/_gateway/sign-in?space=liberal")
    wrong = visitor.submit("/sign-in/password", identifier="899700100011", password="Abcdefg1")
    assert (unknown.status, wrong.status) == (401, 401)
    for answer in (unknown, wrong):
        assert "Identifiant ou mot de passe incorrect." in answer.text
    assert demo.console("GET", "/mails") == []


def test_r33_a_nurse_is_told_where_to_go(demo: Demo) -> None:
    """A nurse's card is good for the professional space, and told so on the médecin libéral page."""
    visitor = Visitor(demo, card_of(demo, "nurse-durand"))
    visitor.get("/_gateway/sign-in?space=liberal")
    answer = visitor.click("Se connecter par CPS")
    assert answer.status == 403
    assert "réservé aux médecins" in answer.text
    visitor.get("/_gateway/sign-in?space=professionnel")
    assert "Vos informations personnelles" in visitor.click("S'IDENTIFIER PAR CARTE CPS").text


def test_r29_r35_no_card_gives_page_j9_and_a_retry_elsewhere(demo: Demo) -> None:
    """Without a card the page says so over a good connection; the retry goes to another origin and then succeeds."""
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in?space=liberal")
    answer = visitor.click("Se connecter par CPS")
    assert answer.status == 200
    for label in (
        "La lecture de la carte CPS a échoué.",
        "Je veux me faire aider",
        "Contacter l'assistance SISRA",
        "Je veux essayer de m'auto-dépanner",
        "Outil de vérification du ministère de la santé",
        "Suivez attentivement les instructions",
        "Carte CPS insérée et reconnue",
        "Carte CPS mal insérée / non reconnue",
    ):
        assert label in answer.text
    visitor.card = card_of(demo, "dr-bernard")
    retry = answer.link("J'ai inséré ma carte CPS, je veux ré-essayer")
    assert retry.split("/_gateway")[0] != answer.url.split("/_gateway")[0]
    assert visitor.get(retry).status == 200
    assert headers_of(demo.requests()[-1])["x-vt-rpps"] == "99700100011"


def test_r30_every_refused_card_gives_page_j9_and_its_reason_in_the_log(demo: Demo) -> None:
    """Each card that must be refused ends on page J9, with its reason in the log and not on the page."""
    index = json.loads((demo.folder / "cards/refused/index.json").read_text())
    assert len(index) >= 12
    for one in index:
        visitor = Visitor(demo, (one["cert"], one["key"]))
        answer = visitor.get("/_gateway/sign-in/card?space=professionnel")
        assert answer.status == 200, one
        assert "La lecture de la carte CPS a échoué." in answer.text, one
        assert one["reason"] not in answer.text
        assert ("localhost", "__Host-vtgw") not in visitor.cookies
    log = demo.log()
    assert not [one["reason"] for one in index if f'"reason": "{one["reason"]}"' not in log]


def test_a_card_link_sent_to_a_victim_signs_nobody_in(demo: Demo) -> None:
    """Whoever begins a card sign-in and has somebody else finish it gets no session, and neither does the other."""
    attacker = Visitor(demo)
    begun = attacker.go(
        "GET", demo.about["gateway"] + "/_gateway/sign-in/card?space=professionnel", None, {}, follow=False
    )
    link = begun.header("Location")
    assert link is not None
    victim = Visitor(demo, card_of(demo, "dr-bernard"))
    assert victim.get(link).status == 403
    assert ("localhost", "__Host-vtgw") not in victim.cookies
    attempt = link.split("attempt=")[1].split("&")[0]
    assert attacker.get(f"/_gateway/sign-in/card/return?attempt={attempt}&code=guess").status == 403
    assert ("localhost", "__Host-vtgw") not in attacker.cookies


def test_r42_refusal_and_outage_of_psc(demo: Demo, visitor: Visitor) -> None:
    """« Refuser » and an outage each give a French page with another way in, and no half session."""
    visitor.get("/_gateway/sign-in/psc?space=professionnel")
    answer = visitor.submit("/auth", refuse="1")
    assert answer.status == 403
    assert "refusé ou abandonné" in answer.text
    assert "<b>refus</b>" not in answer.text
    demo.console("POST", "/fault", {"component": "psc", "mode": "error"})
    visitor.get("/_gateway/sign-in/psc?space=professionnel")
    answer = visitor.submit("/auth", person="dr-bernard") if visitor.last.status == 200 else visitor.last
    demo.console("POST", "/fault", {"component": "psc", "mode": "ok"})
    assert answer.status == 503
    assert ("localhost", "__Host-vtgw") not in visitor.cookies


def test_r44_sign_out_reaches_psc(demo: Demo, visitor: Visitor) -> None:
    """After signing out, the e-CPS button asks again instead of letting the same person in."""
    by_psc(visitor, "dr-bernard")
    assert visitor.last.url.endswith(DEEP)
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    assert "Vous êtes déconnecté" in visitor.last.text
    assert "Qui êtes-vous" in visitor.get("/_gateway/sign-in/psc?space=professionnel").text


def test_r39_a_callback_works_once_and_in_its_own_browser(demo: Demo, visitor: Visitor) -> None:
    """The answer of PSC replayed, or opened in another browser, opens nothing."""
    visitor.get("/_gateway/sign-in/psc?space=professionnel")
    form = visitor.last.forms[0]
    data = urlencode({**form.fields, "person": "dr-bernard"})
    answer = visitor.go("POST", demo.about["psc"] + "/auth", data.encode(), {}, follow=False)
    callback = answer.header("Location")
    assert callback is not None
    thief = Visitor(demo)
    assert thief.get(callback).status == 403
    assert ("localhost", "__Host-vtgw") not in thief.cookies
    assert visitor.get(callback).status == 200
    signed = dict(visitor.cookies)
    visitor.cookies = {key: value for key, value in signed.items() if key[1] != "__Host-vtgw"}
    assert visitor.get(callback).status == 403


HOSTILE = {
    "X-VT-RPPS": "99999999999",
    "x_vt_rpps": "99999999998",
    "X.VT.RPPS": "99999999997",
    "X-Vt-Assertion": "forged",
    "vtgw-client": "6.6.6.6",
    "Client-Cert": ":AAAA:",
}


@pytest.mark.parametrize("path", ["/Trajectoire/Pages/AccesLibre/x", "/Trajectoire/Usager/x", DEEP])
def test_r135_nothing_from_outside_on_any_route_class(demo: Demo, visitor: Visitor, path: str) -> None:
    """No spelling of our headers reaches the application, on public, usager and protected routes alike."""
    by_password(visitor, "dr-bernard")
    demo.forget()
    parts = demo.about["gateway"].removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=str(demo.folder / "ca.pem"))
    lines = [f"{name}: {value}" for name, value in HOSTILE.items()] * 2
    cookie = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
    raw = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{parts[1]}\r\nConnection: close, x-vt-assertion, X-VT-Name\r\n"
        f"Transfer-Encoding: chunked\r\nTrailer: X-VT-RPPS\r\nAccept: application/json\r\nCookie: {cookie}; other=1\r\n"
        + "\r\n".join(lines)
        + "\r\n\r\n3\r\nabc\r\n0\r\nX-VT-RPPS: 99999999996\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", int(parts[1])), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(raw.encode())
        data = b""
        while piece := tls.recv(65536):
            data += piece
    assert b" 200 " in data.split(b"\r\n")[0]
    (seen,) = demo.requests()
    text = json.dumps(seen)
    assert "9999999999" not in text
    assert "forged" not in text
    assert "6.6.6.6" not in text
    assert "__Host-vtgw" not in text
    assert headers_of(seen)["cookie"] == "other=1"
    names = [name.lower() for name, _ in seen["headers"]]
    assert not [name for name in names if name.startswith(("vtgw", "client-cert"))]
    assert all(names.count(name) == 1 for name in names if name.startswith("x-vt"))
    if "Usager" in path:
        assert not [name for name in names if name.startswith("x-vt")]
    else:
        assert headers_of(seen)["x-vt-rpps"] == "99700100011"
        assert headers_of(seen)["x-vt-name"] == "BERNARD"


def test_r136_a_backend_needs_the_key_set_alone(demo: Demo, visitor: Visitor) -> None:
    """The assertion verifies with jwks.json, says who, for whom and until when, and the command agrees."""
    by_password(visitor, "dr-bernard")
    token = headers_of(demo.requests()[-1])["x-vt-assertion"]
    keys = Visitor(demo).get("/.well-known/jwks.json", Accept="application/json")
    assert keys.status == 200
    claims = jwt.decode(token, KeySet.import_key_set(keys.json()), algorithms=["ES256"]).claims
    assert (claims["aud"], claims["iss"]) == ("vt", demo.about["gateway"])
    assert claims["sub"] == claims["idnat_ps"] == "899700100011"
    assert (claims["rpps"], claims["family_name"], claims["acr"], claims["amr"]) == (
        "99700100011",
        "BERNARD",
        "transition",
        ["otp-mail"],
    )
    assert claims["exp"] - claims["iat"] <= 60
    assert claims["jti"]
    (demo.folder / "jwks.json").write_text(keys.text)
    line = [sys.executable, "-m", "gateway", "assertion", "verify", "--jwks", str(demo.folder / "jwks.json")]
    good = subprocess.run([*line, "--audience", "vt", "--at", str(claims["iat"]), token], capture_output=True)
    assert good.returncode == 0
    for arguments in (
        ["--audience", "other", "--at", str(claims["iat"]), token],
        ["--audience", "vt", "--at", str(claims["exp"] + 1), token],
        ["--audience", "vt", "--at", str(claims["iat"]), token[:-2] + "AA"],
    ):
        assert subprocess.run([*line, *arguments], capture_output=True).returncode == 1


def test_r143_idle_and_absolute_end(demo: Demo, visitor: Visitor) -> None:
    """A session ends 30 minutes after the last request and 4 hours after it was opened."""
    by_password(visitor, "dr-bernard")
    demo.advance(29 * 60)
    assert visitor.get(DEEP).url.endswith(DEEP)
    demo.advance(31 * 60)
    idle = visitor.get(DEEP)
    assert "Se connecter" in idle.text
    assert idle.url.split("?")[0].endswith("/sign-in")
    by_psc(visitor, "dr-bernard")
    for _ in range(10):
        demo.advance(25 * 60 - 60)
        if not visitor.get(DEEP).url.endswith(DEEP):
            break
    assert visitor.last.url.split("?")[0].endswith("/sign-in")


def test_r2_return_addresses_stay_inside(demo: Demo) -> None:
    """No spelling of another host in the return parameter leads away."""
    for back in (
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "/\r\nSet-Cookie:x",
        "javascript:1",
        "/_gateway/x",
    ):
        visitor = Visitor(demo)
        visitor.get("/_gateway/sign-in/psc?space=professionnel&return=" + quote(back, safe=""))
        answer = visitor.submit("/auth", person="dr-bernard")
        assert answer.url.startswith(demo.about["gateway"] + "/")
        assert "evil" not in answer.url


def test_r144_two_browsers_two_sessions_and_sign_out_everywhere(demo: Demo) -> None:
    """« Se déconnecter partout » ends the session of the other browser too."""
    first, second = Visitor(demo), Visitor(demo)
    by_psc(first, "dr-bernard")
    by_psc(second, "dr-bernard")
    first.get("/_gateway/account")
    first.submit("/account/sign-out-everywhere")
    assert "Se connecter" in second.get(DEEP).text


def test_csrf_forms_need_their_own_browser(demo: Demo, visitor: Visitor) -> None:
    """A form without its token, with another's, or from another site is refused with a page."""
    visitor.get("/_gateway/sign-in")
    fields = visitor.last.forms[0].fields
    other = Visitor(demo)
    other.get("/_gateway/sign-in")
    for csrf, headers in ((None, {}), (other.last.forms[0].fields["csrf"], {}), (fields["csrf"], {"Origin": "https://evil.test"}),
                          (fields["csrf"], {"Sec-Fetch-Site": "cross-site"})):  # fmt: skip
        body = f"identifier=a&password=b&csrf={csrf or ''}".encode()
        answer = visitor.go("POST", demo.about["gateway"] + "/_gateway/sign-in/password", body, headers)
        assert answer.status == 403
        assert "Ce formulaire n'est plus valable" in answer.text


async def test_r5_websocket_echo_through_the_gateway(demo: Demo) -> None:
    """A signed-in page's WebSocket reaches the application and back, without a session it does not."""
    visitor = Visitor(demo)
    await asyncio.to_thread(by_psc, visitor, "dr-bernard")
    cookie = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
    tls = ssl.create_default_context(cafile=str(demo.folder / "ca.pem"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        async with session.ws_connect(
            demo.about["gateway"] + "/ws", headers={"Cookie": cookie, "x_vt_rpps": "9"}
        ) as ws:
            await ws.send_str("bonjour")
            assert await ws.receive_str() == "bonjour"
            await ws.send_bytes(b"\x00" * 100_000)
            assert await ws.receive_bytes() == b"\x00" * 100_000
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with session.ws_connect(demo.about["gateway"] + "/ws"):
                pass
        assert refused.value.status == 401


def test_r5_large_download_and_upload_are_identical(demo: Demo, visitor: Visitor) -> None:
    """100 MB down and 50 MB up arrive byte for byte through TLS."""
    by_psc(visitor, "dr-bernard")
    size = 100 << 20
    answer = visitor.raw("GET", demo.about["gateway"] + f"/bytes/{size}", None, {})
    block = bytes(range(256)) * 256
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(block * (size // len(block))).digest()
    sent = block * (50 * 16)
    answer = visitor.raw("POST", demo.about["gateway"] + "/up", sent, {"Accept": "application/json"})
    assert answer.json()["body_sha256"] == hashlib.sha256(sent).hexdigest()


def test_r17_r23_twenty_clicks_one_account(demo: Demo) -> None:
    """Twenty parallel « Valider » of a first connection make one account, and each click ends well."""
    visitor = Visitor(demo)
    by_psc(visitor, "social-roux")
    assert "Vos informations personnelles" in visitor.last.text
    visitor.submit(
        "/register", email="sam.roux@example.test", password="Un-beau-matin-7", repeat_password="Un-beau-matin-7"
    )
    page = visitor.last

    def click(_: int) -> int:
        one = Visitor(demo)
        one.cookies, one.last = dict(visitor.cookies), page
        return one.submit("/charter", accept="1").status

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(click, range(20)))
    assert 200 in statuses
    assert set(statuses) <= {200, 403}
    with closing(demo.records()) as records:
        rows = records.execute("SELECT count(*) FROM accounts WHERE national_id = '899700100045'")
        assert rows.fetchone() == (1,)


def test_forward_auth_uses_the_same_gate(demo: Demo, visitor: Visitor) -> None:
    """A front proxy asking about a protected page gets 401, then 200 with the identity."""
    plain = demo.about["gateway_plain"]
    asked = {"X-Forwarded-Method": "GET", "X-Forwarded-Host": "localhost", "X-Forwarded-Uri": DEEP}
    assert visitor.raw("GET", plain + "/_gateway/auth", None, asked).status == 401
    by_psc(visitor, "dr-bernard")
    cookie = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
    answer = Visitor(demo).raw("GET", plain + "/_gateway/auth", None, {**asked, "Cookie": cookie})
    assert answer.status == 200
    assert answer.header("X-VT-RPPS") == "99700100011"
    odd = {**asked, "X-Forwarded-Uri": "/Trajectoire/Pages/AccesLibre/../AccesRestreint/"}
    assert Visitor(demo).raw("GET", plain + "/_gateway/auth", None, odd).status == 403


def test_r37_a_card_forwarded_by_a_trusted_terminator_is_judged_alike(demo: Demo) -> None:
    """Through a TLS terminator on this machine a good card signs in and a refused one gives page J9; on the public
    listener's own connections nobody can hand over a certificate by a header without being trusted."""
    from base64 import b64encode

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    plain = demo.about["gateway_plain"]

    def hand_over(path: str) -> Visitor:
        der = x509.load_pem_x509_certificate((demo.folder / path).read_bytes()).public_bytes(Encoding.DER)
        visitor = Visitor(demo)
        begun = visitor.raw("GET", demo.about["gateway"] + "/_gateway/sign-in/card?space=professionnel", None, {})
        link = (begun.header("Location") or "").split("/_gateway/")[1]
        handed = {"Client-Cert": ":" + b64encode(der).decode() + ":", "X-Forwarded-Proto": "https"}
        visitor.last = visitor.raw("GET", f"{plain}/_gateway/{link}", None, handed)
        return visitor

    good = hand_over("cards/dr-bernard.pem")
    assert good.last.status == 303
    assert good.get(good.last.header("Location") or "").status == 200
    assert headers_of(demo.requests()[-1])["x-vt-auth-method"] == "cps"
    bad = hand_over("cards/refused/foreign.pem")
    assert "La lecture de la carte CPS a échoué." in bad.last.text


def test_no_log_holds_a_secret(demo: Demo) -> None:
    """After all stories no code, password, ticket or full phone number stands in the log."""
    log = demo.log()
    for person in demo.about["people"]:
        if person["account"]:
            assert person["account"]["password"] not in log
    assert "+33612345678" not in log
    assert "Un-beau-matin-7" not in log
    assert "__Host-vtgw=" not in log
    for mail in demo.console("GET", "/mails"):
        code = "".join(part for part in mail["text"].split() if part.isdigit() and len(part) == 3)
        assert len(code) < 6 or code not in log
