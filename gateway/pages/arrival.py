"""The end of every sign-in, whatever the means: account, policy, audit, then the session and its cookie.

The audit is written before the cookie is set. A session of another person is never replaced silently; the same person
signing in again steps up, with a new ticket (R144). Somebody who arrives again and again without getting anywhere is
told so, instead of being sent round.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account, Standing
from gateway.audit import Act, Record
from gateway.identity import Assurance, Method, Proof, Space
from gateway.pages.attempts import Attempts
from gateway.pages.base import BROWSER_LIFE, LAST, SESSION, Visit, go, set_cookie
from gateway.pages.journey import Register, Stop, next_step
from gateway.pages.words import MEANS
from gateway.providers.base import VOID, Attempt
from gateway.reasons import Reason, Stale, Taken
from gateway.session.keeper import SessionGone, digest_of, encode_proof

STEP_UP = "step-up"  # the name of attempts made by somebody who is signed in: worth nothing without that session
_TURNS = 5
_LOOP, _LOOP_TIME = 3, timedelta(seconds=90)
_BY_CODE = frozenset({Method.OTP_MAIL, Method.OTP_SMS, Method.OTP_TOTP, Method.OTP_RECOVERY})
_STOPS: dict[Reason, tuple[int, str, tuple[str, ...]]] = {
    Reason.NOT_A_PHYSICIAN: (
        403,
        "Cet espace est réservé aux médecins",
        (
            "Votre carte ou votre e-CPS a bien été reconnue, mais votre profession n'ouvre pas l'espace médecin libéral.",
            "Votre espace est celui des professionnels libéraux ou en établissement.",
        ),
    ),
    Reason.NO_ACCOUNT: (
        403,
        "Aucun compte ne correspond",
        ("Votre identité ne porte pas de numéro national. Contactez votre référent structure ou l'assistance.",),
    ),
    Reason.ACCOUNT_SUSPENDED: (403, "Votre compte est suspendu", ("Contactez votre référent structure.",)),
    Reason.ACCOUNT_CLOSED: (403, "Ce compte est supprimé", ("Contactez votre référent structure ou l'assistance.",)),
    Reason.ACCOUNT_DORMANT: (
        403,
        "Votre compte est en sommeil",
        (
            "Votre compte n'a pas été utilisé depuis plus d'un an. Connectez-vous par carte CPS ou e-CPS, ou contactez "
            "votre référent structure.",
        ),
    ),
    Reason.LEVEL_TOO_LOW: (
        403,
        "Une connexion plus forte est nécessaire",
        ("L'authentification forte vient d'être activée. Recommencez\u00a0: un code vous sera demandé.",),
    ),
    Reason.METHOD_DISABLED: (
        403,
        "Ce moyen de connexion n'est pas accepté",
        ("Votre établissement n'accepte pas ce moyen. Choisissez-en un autre, ou contactez votre référent structure.",),
    ),
    Reason.WRONG_CREDENTIALS: (401, "Connexion impossible", ("Identifiant ou mot de passe incorrect.",)),
    Reason.ATTEMPT_EXPIRED: (
        403,
        "Cette connexion n'est plus valable",
        ("Le mot de passe a changé, ou toutes les sessions ont été fermées, depuis qu'elle a commencé. Recommencez.",),
    ),
    Reason.STEP_UP_NEEDED: (
        403,
        "Cette session n'est plus ouverte",
        ("Elle s'est fermée avant que le code ne soit tapé. Connectez-vous de nouveau.",),
    ),
}


async def arrive(visit: Visit, attempt: Attempt, proof: Proof) -> web.Response:
    """Where a proof leads: the session, the first-connection form, or a page that says why not."""
    house, now = visit.house, visit.now
    if "account" in proof.evidence:  # a password names its account itself
        account = await house.register.by_id(proof.evidence["account"])
    else:
        account = await house.register.by_identity(proof.identity)
    if attempt.method == STEP_UP and (visit.session is None or account is None or visit.session.account != account.id):
        return await stopped(visit, attempt, proof, Reason.STEP_UP_NEEDED, account)  # a code alone opens nothing
    strong = house.rules.strong(account, now) if account is not None else True
    step = next_step(
        proof,
        account,
        attempt.space,
        strong=strong,
        physicians=house.physicians,
        dormancy=house.dormancy,
        now=now,
        wakers=house.wakers,
        allowed=house.rules.methods(account, now) if account is not None else None,
    )
    if isinstance(step, Stop):
        return await stopped(visit, attempt, proof, step.reason, account)
    if way_of(proof.method) not in house.methods[attempt.space]:  # a step-up may name any space
        return await stopped(visit, attempt, proof, Reason.METHOD_DISABLED, account)
    if visit.session is not None and (account is None or visit.session.account != account.id):
        return await _someone_else(visit, attempt, proof)
    if isinstance(step, Register):
        return await _begin_registration(visit, attempt, proof)
    if await _goes_round(visit):
        return _loop(visit, attempt)
    return await open_session(visit, step.account, proof, attempt)


async def stopped(
    visit: Visit, attempt: Attempt, proof: Proof, reason: Reason, account: Account | None
) -> web.Response:
    house = visit.house
    await house.audit.record(
        Record(
            Act.SIGN_IN_REFUSED,
            visit.now,
            account.id if account else None,
            reason,
            address=visit.client,
            correlation=visit.request_id,
            facts={"method": proof.method.value},
        )
    )
    status, title, lines = _STOPS.get(reason, (403, "Connexion impossible", ()))
    label, other = "Professionnels libéraux ou en établissement", Space.PROFESSIONNEL
    if reason is not Reason.NOT_A_PHYSICIAN:
        label, other = "Choisir un moyen de connexion", attempt.space
    actions = [(f"{house.prefix}/sign-in?space={other.value}", label, False)]
    hint = proof.evidence.get("logout_hint")
    if hint and house.sign_out_elsewhere is not None:  # R42: otherwise the person loops with PSC's open session
        url = await house.sign_out_elsewhere.end_session_url(hint, attempt.id)
        if url is not None:
            actions.append((url, "Se déconnecter de Pro Santé Connect et réessayer", False))
    return visit.message(title, *lines, status=status, actions=actions, reason=reason)


async def _begin_registration(visit: Visit, attempt: Attempt, proof: Proof) -> web.Response:
    """Keep the proof for the form, for this browser. A form that was filled before and not finished, in whatever browser,
    goes on at the charter (R21); two browsers at once end in one account, by its constraints (R17)."""
    house, now = visit.house, visit.now
    assert proof.identity.id is not None  # noqa: S101 - next_step registers nobody without one
    idnat = proof.identity.id.text
    (kept,) = await house.store.read(f"registered-form:{idnat}")
    record = {
        "proof": encode_proof(replace(proof, evidence={})),
        "hint": house.seal(proof.evidence["logout_hint"]) if "logout_hint" in proof.evidence else None,
        "space": attempt.space.value,
        "return": attempt.return_to,
        "shared": attempt.shared,
        "proved": now.timestamp(),
        "particulars": json.loads(kept) if kept else None,
    }
    await house.store.write(f"registration:{attempt.browser}", json.dumps(record).encode(), house.form_life)
    return go(f"{house.prefix}/{'charter' if record['particulars'] else 'register'}")


async def _someone_else(visit: Visit, attempt: Attempt, proof: Proof) -> web.Response:
    """Another person's session is open here: nothing changes until somebody says which one goes on (R49)."""
    house = visit.house
    memory = {"proof": house.seal(json.dumps(encode_proof(proof)))}
    kept = replace(attempt, method="switch", account=None, memory=memory)
    await Attempts(house.store, house.ambient).keep(kept)
    visit.log(Reason.ALREADY_SIGNED_IN, 403)
    present = visit.account
    return visit.page(
        "someone_else",
        status=403,
        present=f"{present.given_name} {present.family_name}" if present else "",
        comer=f"{proof.identity.given_name} {proof.identity.family_name}",
        attempt=attempt.id,
        reference=visit.reference,
    )


async def _goes_round(visit: Visit) -> bool:
    """Whether this browser arrived so often just now that something between us loses the session."""
    key = arrivals_of(visit)
    (raw,) = await visit.house.store.read(key)
    edge = visit.now.timestamp() - _LOOP_TIME.total_seconds()
    lately = [one for one in (json.loads(raw) if raw else []) if edge < one <= visit.now.timestamp()]
    if visit.session is not None:  # the session came back to us: nothing is lost on the way
        lately = []
    if len(lately) >= _LOOP:  # saying so is no arrival: the person can try again when the time is over
        return True
    lately.append(visit.now.timestamp())
    await visit.house.store.write(key, json.dumps(lately).encode(), _LOOP_TIME)
    return False


def arrivals_of(visit: Visit) -> str:
    """Where this browser's arrivals are counted; signing out begins anew."""
    return f"arrivals:{visit.browser_id()[:32]}"


def _loop(visit: Visit, attempt: Attempt) -> web.Response:
    return visit.message(
        "La connexion revient au même point",
        "Vous venez de vous connecter plusieurs fois de suite sans que votre navigateur garde la session.",
        "Vérifiez que les cookies de ce site sont acceptés et que l'heure du poste est juste, fermez les autres onglets, "
        "puis attendez une minute avant de recommencer.",
        status=403,
        actions=[(f"{visit.house.prefix}/sign-in?space={attempt.space.value}", "Recommencer", False)],
        reason=Reason.LOOP,
    )


async def open_session(visit: Visit, account: Account, proof: Proof, attempt: Attempt) -> web.Response:
    """Audit, then the session, then the cookie."""
    house, now, space = visit.house, visit.now, attempt.space
    present = visit.session if visit.session and visit.session.account == account.id else None
    hint = proof.evidence.get("logout_hint")
    facts = {name: value for name, value in proof.evidence.items() if name not in ("logout_hint", "account") and value}
    act = Act.STEP_UP if present is not None else Act.SIGN_IN
    ticket = house.ambient.token(32)
    facts |= {"method": proof.method.value, "assurance": proof.assurance.word, "space": space.value}
    facts["session"] = trace_of(ticket)
    if present is not None:
        facts["from"] = present.digest[:12]
        if present.acting_under is not None:
            facts["delegation"] = present.acting_under
    if len(account.scopes) > 1:
        facts["scopes"] = " ".join(account.scopes)
    await house.audit.record(
        Record(
            act,
            now,
            account.id,
            scope=account.scopes[0] if len(account.scopes) == 1 else None,  # of several: those of the account
            address=visit.client,
            correlation=visit.request_id,
            facts=facts,
        )
    )
    first_time = not await house.register.has_used(account.id, proof.method.value)
    woken = account.standing(now, house.dormancy) is Standing.DORMANT
    for turn in range(_TURNS):
        if way_of(proof.method) == "password" and _overtaken(attempt, account):
            return await stopped(visit, attempt, proof, Reason.ATTEMPT_EXPIRED, account)  # the password of before
        try:
            account = await house.register.signed_in(account, proof, space, visit.client, now)
            break
        except (Stale, Taken):  # closed, or the same alias linked by another tab: read again
            fresh = await house.register.by_id(account.id)
            if fresh is None or fresh.closed_at is not None or turn == _TURNS - 1:
                raise
            account = fresh
    lifetimes = house.rules.lifetimes(account, now, shared=attempt.shared)
    if present is not None:
        try:
            ticket, session = await house.keeper.step_up(replace(present, space=space), proof, now, ticket)
            await house.contexts.renewed(present, session, now)
        except SessionGone:
            if attempt.method == STEP_UP:
                return await stopped(visit, attempt, proof, Reason.STEP_UP_NEEDED, account)
            # A session of its own, with a name of its own: what was written of the other one is not true of it (R149).
            present, ticket = None, house.ambient.token(32)
            own = {name: value for name, value in facts.items() if name not in ("from", "delegation")}
            await house.audit.record(
                Record(
                    Act.SIGN_IN,
                    now,
                    account.id,
                    address=visit.client,
                    correlation=visit.request_id,
                    facts={**own, "session": trace_of(ticket)},
                )
            )
    if present is None:
        ticket, session = await house.keeper.open(
            account.id,
            space,
            (proof,),
            lifetimes,
            now,
            logout_hint=house.seal(hint) if hint else None,
            agent=agent_of(visit.request.headers.get("User-Agent", "")),
            address=visit.client,
            ticket=ticket,
        )
    fresh = await house.register.by_id(account.id)
    if fresh is None or fresh.void != account.void:
        # Everything was closed, on whichever machine, before this session could be seen there. Asked after it was
        # written: whoever closes everything later finds it.
        await house.keeper.close(session, now)
        return await stopped(visit, attempt, proof, Reason.ATTEMPT_EXPIRED, account)
    await _tell(visit, account, proof, first_time=first_time, woken=woken)
    await _remember(visit, account, proof, attempt)
    await house.changed(account.id)
    visit.session, visit.account = session, account
    answer = go(attempt.return_to)
    set_cookie(answer, SESSION, ticket)
    if not attempt.shared:
        set_cookie(answer, LAST, way_of(proof.method), BROWSER_LIFE)
    return answer


def trace_of(ticket: str) -> str:
    """What the access log calls the session of this ticket: from a request one finds who acted, and how (R149)."""
    return digest_of(ticket)[:12]


def _overtaken(attempt: Attempt, account: Account) -> bool:
    """Whether the password changed, or everything was closed, since this attempt's password was right."""
    if VOID in attempt.memory:
        return attempt.memory[VOID] != account.void
    return account.memory_void_at is not None and account.memory_void_at >= attempt.created_at


def way_of(method: Method) -> str:
    """The button of the sign-in page that leads to this means."""
    if method.value.startswith("psc"):
        return "psc"
    if method is Method.PASSKEY:
        return "passkey"
    return "password" if method in _BY_CODE or method is Method.PASSWORD else "card"


async def _tell(visit: Visit, account: Account, proof: Proof, *, first_time: bool, woken: bool) -> None:
    """What the person should hear of (R103). A new account has its own mail."""
    house, now, zone = visit.house, visit.now, visit.zone
    label = MEANS[proof.method]
    mails = []
    if woken:
        mails.append(texts.reactivated_mail(now, zone=zone))
        await house.audit.record(Record(Act.ACCOUNT_REACTIVATED, now, account.id, facts={"by": proof.method.value}))
    if proof.method is Method.OTP_RECOVERY:
        left = int(proof.evidence.get("recovery_left", "0"))
        mails.append(texts.recovery_used_mail(left, now, zone=zone))
        await house.audit.record(Record(Act.RECOVERY_USED, now, account.id, facts={"left": str(left)}))
    elif first_time and account.created_at < now:
        mails.append(texts.new_means_used_mail(label, now, zone=zone))
    elif house.notify_sign_in:
        mails.append(texts.sign_in_mail(label, now, zone=zone))
    for mail in mails:
        house.notices.post(account, mail, "notice", visit.request_id)


async def _remember(visit: Visit, account: Account, proof: Proof, attempt: Attempt) -> None:
    """This browser: known from now on, and holding the second factor if the policy says so (R78)."""
    house, now = visit.house, visit.now
    if attempt.shared:
        return
    await house.devices.signed_in(attempt.browser, account.id)
    life = house.rules.memory(account, now)
    if life <= timedelta(0) or proof.remembered or proof.method not in _BY_CODE or attempt.method == STEP_UP:
        return
    await house.audit.record(
        Record(Act.MEMORY_GRANTED, now, account.id, facts={"seconds": str(int(life.total_seconds()))})
    )
    await house.devices.remember(attempt.browser, account, proof.method, now, life)
    if house.notify_memory:
        mail = texts.memory_granted_mail(now + life, zone=visit.zone)
        house.notices.post(account, mail, "notice", visit.request_id)


def is_fresh(visit: Visit, least: Assurance) -> bool:
    """Whether this session holds a proof of this level, given lately and not remembered (R62, R96)."""
    session = visit.session
    return session is not None and session.fresh(visit.now, visit.house.freshness, least)


_BROWSERS = (("Firefox", r"Firefox/"), ("Edge", r"Edg/"), ("Opera", r"OPR/"), ("Chrome", r"Chrom(e|ium)/"))
_SYSTEMS = (("Windows", r"Windows"), ("Android", r"Android"), ("iPhone ou iPad", r"iPhone|iPad"), ("Mac", r"Mac OS X"))


def agent_of(header: str) -> str:
    """« Chrome, Windows »: enough to recognise one's own browser, nothing of the header itself."""
    browser = next((name for name, mark in _BROWSERS if re.search(mark, header)), "")
    browser = browser or ("Safari" if "Safari/" in header else "Navigateur")
    system = next((name for name, mark in _SYSTEMS if re.search(mark, header)), "")
    return f"{browser}, {system or ('Linux' if 'Linux' in header else 'autre système')}"
