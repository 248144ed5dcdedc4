"""The end of every sign-in, whatever the means: account, policy, audit, then the session and its cookie.

The audit is written before the cookie is set. A session of another person is never replaced silently; the same person
signing in again steps up, with a new ticket (R144).
"""

from __future__ import annotations

import json
from dataclasses import replace

from aiohttp import web

from gateway.accounts.account import Account
from gateway.audit import Act, Record
from gateway.identity import Assurance, Proof, Space
from gateway.pages.base import SESSION, Visit, go, set_cookie
from gateway.pages.journey import Register, Stop, next_step
from gateway.providers.base import Attempt
from gateway.reasons import Reason, Stale
from gateway.session.keeper import SessionGone, encode_proof

_TURNS = 40  # twenty clicks at once each write the account once
_STOPS: dict[Reason, tuple[int, str, tuple[str, ...]]] = {
    Reason.NOT_A_PHYSICIAN: (
        403,
        "Cet espace est réservé aux médecins",
        (
            "Votre carte ou votre e-CPS a bien été reconnue, mais votre profession n'ouvre pas l'espace médecin libéral.",
        ),
    ),
    Reason.NO_ACCOUNT: (
        403,
        "Aucun compte ne correspond",
        ("Votre identité ne porte pas de numéro national. Contactez votre référent structure ou l'assistance.",),
    ),
    Reason.ACCOUNT_SUSPENDED: (403, "Votre compte est suspendu", ("Contactez votre référent structure.",)),
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
        ("L'authentification forte vient d'être activée. Recommencez : un code vous sera demandé.",),
    ),
    Reason.WRONG_CREDENTIALS: (401, "Connexion impossible", ("Identifiant ou mot de passe incorrect.",)),
}


async def arrive(visit: Visit, attempt: Attempt, proof: Proof) -> web.Response:
    """Where a proof leads: the session, the first-connection form, or a page that says why not."""
    house, now = visit.house, visit.now
    if "account" in proof.evidence:  # a password names its account itself
        account = await house.register.by_id(proof.evidence["account"])
    else:
        account = await house.register.by_identity(proof.identity)
    strong = house.rules.strong(account, now) if account is not None else True
    step = next_step(
        proof, account, attempt.space, strong=strong, physicians=house.physicians, dormancy=house.dormancy, now=now
    )
    if isinstance(step, Stop):
        return await stopped(visit, attempt, proof, step.reason, account)
    if isinstance(step, Register):
        return await _begin_registration(visit, attempt, proof)
    return await open_session(
        visit, step.account, proof, attempt.space, attempt.return_to, shared=attempt.shared, address=attempt.address
    )


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
    actions = [(f"{house.prefix}/sign-in?space=professionnel", "Professionnels libéraux ou en établissement", False)]
    hint = proof.evidence.get("logout_hint")
    if hint and house.sign_out_elsewhere is not None:  # R42: otherwise the person loops with PSC's open session
        url = await house.sign_out_elsewhere.end_session_url(hint, attempt.id)
        if url is not None:
            actions.append((url, "Se déconnecter de Pro Santé Connect et réessayer", False))
    return visit.message(title, *lines, status=status, actions=actions, reason=reason)


async def _begin_registration(visit: Visit, attempt: Attempt, proof: Proof) -> web.Response:
    """Keep the proof for the form; a form that was filled before and not finished goes on at the charter (R21)."""
    house, now = visit.house, visit.now
    assert proof.identity.id is not None  # noqa: S101 - next_step registers nobody without one
    idnat = proof.identity.id.text
    (raw,) = await house.store.read(f"registration:{idnat}")
    before = json.loads(raw) if raw else {}
    record = {
        "proof": encode_proof(replace(proof, evidence={})),
        "hint": house.seal(proof.evidence["logout_hint"]) if "logout_hint" in proof.evidence else None,
        "space": attempt.space.value,
        "return": attempt.return_to,
        "shared": attempt.shared,
        "browser": attempt.browser,
        "proved": now.timestamp(),
        "particulars": before.get("particulars"),
        "kept": before.get("kept", now.timestamp()),
    }
    await house.store.write(f"registration:{idnat}", json.dumps(record).encode(), house.form_life)
    await house.store.write(f"registering:{attempt.browser}", idnat.encode(), house.form_life)
    return go(f"{house.prefix}/{'charter' if record['particulars'] else 'register'}")


async def open_session(
    visit: Visit, account: Account, proof: Proof, space: Space, return_to: str, *, shared: bool, address: str
) -> web.Response:
    """Audit, then the session, then the cookie."""
    house, now = visit.house, visit.now
    present = visit.session
    if present is not None and present.account != account.id:
        return visit.message(
            "Une autre session est ouverte dans ce navigateur",
            "Fermez-la d'abord, puis connectez-vous.",
            status=403,
            actions=[(f"{house.prefix}/sign-out", "Se déconnecter", True)],
            reason=Reason.ALREADY_SIGNED_IN,
        )
    hint = proof.evidence.get("logout_hint")
    facts = {name: value for name, value in proof.evidence.items() if name not in ("logout_hint", "account") and value}
    act = Act.STEP_UP if present is not None else Act.SIGN_IN
    await house.audit.record(
        Record(
            act,
            now,
            account.id,
            address=visit.client,
            correlation=visit.request_id,
            facts={"method": proof.method.value, "assurance": proof.assurance.word, "space": space.value, **facts},
        )
    )
    for turn in range(_TURNS):
        try:
            account = await house.register.signed_in(account, proof, space, address, now)
            break
        except Stale:  # somebody changed the account at this instant: read again
            fresh = await house.register.by_id(account.id)
            if fresh is None or turn == _TURNS - 1:
                raise
            account = fresh
    lifetimes = house.rules.lifetimes(account, now, shared=shared)
    if present is not None:
        try:
            ticket, session = await house.keeper.step_up(replace(present, space=space), proof, now)
        except SessionGone:
            present = None
    if present is None:
        ticket, session = await house.keeper.open(
            account.id, space, (proof,), lifetimes, now, logout_hint=house.seal(hint) if hint else None
        )
    await house.changed(account.id)
    visit.session, visit.account = session, account
    answer = go(return_to)
    set_cookie(answer, SESSION, ticket)
    return answer


def is_fresh(visit: Visit, seconds: int) -> bool:
    """Whether this session has a strong proof at most this old (R62, R96)."""
    session = visit.session
    return session is not None and any(
        proof.assurance is Assurance.SUBSTANTIAL and (visit.now - proof.at).total_seconds() <= seconds
        for proof in session.proofs
    )
