"""The one place where a session is born, resumed, stepped up and closed.

Rules of the room:

* The ticket (256 bits) lives only in the browser's cookie; the store knows its SHA-256 digest (R144).
* A new ticket at every change of privilege: opening, step-up, change of space. The old one dies in the same act.
* A record that cannot be read (older or newer format) is treated as absent, never repaired.
* Changes go through ``swap``, so that a session closed meanwhile is never brought back to life.
* The sessions of one account are found through an index under the account's own key, never by scanning.

Every method may raise ``StoreUnavailable``; unknown is never "signed out" (R7).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import Ambient, Bus, Store
from gateway.reasons import GatewayError, Reason, StoreUnavailable
from gateway.session.model import Lifetimes, Session

_FORMAT = 1
_INDEX_LIMIT = 100  # sessions of one account; the oldest fall out first
_INDEX_LIFE = timedelta(hours=24)  # longer than any session
_SWAP_TRIES = 20
_NOTHING = b""  # where a session was


def digest_of(ticket: str) -> str:
    """The name of a session in the store: SHA-256 of its ticket, in hexadecimal."""
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()


class SessionGone(GatewayError):
    """The session ended while it was being renewed; the person has to sign in again."""

    reason = Reason.SESSION_ENDED


class Keeper:
    """Sessions by ticket. Tells all workers through the bus: ``session:<digest>`` when one changed or ended."""

    def __init__(self, store: Store, bus: Bus, ambient: Ambient) -> None:
        self._store = store
        self._bus = bus
        self._ambient = ambient

    async def open(
        self,
        account: str,
        space: Space,
        proofs: tuple[Proof, ...],
        lifetimes: Lifetimes,
        now: datetime,
        *,
        logout_hint: str | None = None,
        agent: str = "",
        address: str = "",
        ticket: str | None = None,
    ) -> tuple[str, Session]:
        """A new session and its ticket, for the cookie. The proof is the caller's business; so is the audit, which may
        name the session beforehand by a ``ticket`` made by the caller."""
        ticket = ticket or self._ambient.token(32)
        session = Session(
            digest=digest_of(ticket),
            account=account,
            space=space,
            proofs=tuple(replace(proof, evidence={}) for proof in proofs),
            opened_at=now,
            seen_at=now,
            lifetimes=lifetimes,
            reference="ses_" + self._ambient.token(12),
            logout_hint=logout_hint,
            agent=agent[:60],
            address=address,
        )
        await self._index(account, now, add=session.digest)
        await self._store.write(_key(session.digest), encode(session), _life(session, now))
        return ticket, session

    async def resume(self, digest: str, now: datetime) -> Session | None:
        """The live session of this digest; ``None`` when it is absent, ended or idle."""
        (raw,) = await self._store.read(_key(digest))
        session = decode(raw)
        if session is None or session.digest != digest or session.ended(now) or session.idle(now):
            return None
        return session

    async def touch(self, session: Session, now: datetime) -> bool:
        """Write down activity (R143). False when the session is gone; then nothing is written."""
        for _ in range(_SWAP_TRIES):
            (raw,) = await self._store.read(_key(session.digest))
            stored = decode(raw)
            if stored is None or stored.ended(now) or stored.idle(now):
                return False
            if stored.seen_at >= now:
                return True
            fresh = replace(stored, seen_at=now)
            if await self._store.swap(_key(session.digest), raw, encode(fresh), _life(fresh, now)):
                return True
        raise StoreUnavailable("a session is changed too often")

    async def step_up(
        self, session: Session, proof: Proof, now: datetime, ticket: str | None = None
    ) -> tuple[str, Session]:
        """Add a proof by the same person; new ticket, same reference (R144).

        The level only rises by a factor. Raises ``SessionGone`` when the session ended meanwhile.
        """
        kept = [one for one in session.proofs if one is not session.proof][-3:]
        proofs = (session.proof, *kept, replace(proof, evidence={}))
        return await self._renew(replace(session, proofs=proofs), session, now, ticket)

    async def move(
        self, session: Session, space: Space, now: datetime, ticket: str | None = None
    ) -> tuple[str, Session]:
        """Change the space (R3, R4); new ticket."""
        return await self._renew(replace(session, space=space), session, now, ticket)

    async def act_under(
        self, session: Session, delegation: str | None, now: datetime, ticket: str | None = None
    ) -> tuple[str, Session]:
        """Act under this delegation from now on, or as oneself again (R129); new ticket. Whether one may is the caller's
        business, and the gate's at every request."""
        return await self._renew(replace(session, acting_under=delegation), session, now, ticket)

    async def close(self, session: Session, now: datetime) -> None:
        """End one session, everywhere, at once; also one that seems to be over since ``session`` was read, because the
        clock was put forward: it must not be back when the clock is."""
        (raw,) = await self._store.read(_key(session.digest))
        while raw is not None:
            if await self._store.swap(_key(session.digest), raw, None):
                break
            (raw,) = await self._store.read(_key(session.digest))
        else:
            await self._store.write(_key(session.digest), _NOTHING, timedelta(seconds=1))
        await self._index(session.account, now, remove=session.digest)
        await self._bus.publish(f"session:{session.digest}")

    async def forget(self, digest: str) -> None:
        """End what may be a session of this digest, though by this clock there is none: one that was signed out while a
        clock was an hour ahead must not be back when the clock is. Nothing stands in its place from now on."""
        await self._store.write(_key(digest), _NOTHING, timedelta(seconds=1))
        await self._bus.publish(f"session:{digest}")

    async def sessions_of(self, account: str, now: datetime) -> tuple[Session, ...]:
        """The live sessions of one account, newest first."""
        live = [one for one in (await self._indexed(account, now)).values() if one is not None]
        return tuple(sorted(live, key=lambda one: one.opened_at, reverse=True))

    async def _indexed(self, account: str, now: datetime) -> dict[str, Session | None]:
        """By digest, the oldest first; ``None``: it is over by this clock."""
        (raw,) = await self._store.read(_index_key(account))
        digests = _digests(raw)
        read = await self._store.read(*(_key(digest) for digest in digests)) if digests else ()
        found = [decode(one) for one in read]
        live = [None if one is None or one.ended(now) or one.idle(now) else one for one in found]
        return dict(zip(digests, live, strict=True))

    async def close_all(self, account: str, now: datetime, *, keep: str | None = None) -> int:
        """End every session of an account (but ``keep``); returns how many ended."""
        ended, over = 0, []
        for digest, session in (await self._indexed(account, now)).items():
            if digest == keep:
                continue
            if session is None:
                over.append(digest)
            else:
                await self.close(session, now)
                ended += 1
        await asyncio.gather(*(self.forget(digest) for digest in over))
        return ended

    async def _renew(self, fresh: Session, old: Session, now: datetime, ticket: str | None) -> tuple[str, Session]:
        """The new record first, then the old one away: a store that fails in between signs nobody out."""
        ticket = ticket or self._ambient.token(32)
        renewed = replace(fresh, digest=digest_of(ticket), seen_at=now)
        await self._index(renewed.account, now, add=renewed.digest)
        await self._store.write(_key(renewed.digest), encode(renewed), _life(renewed, now))
        for _ in range(_SWAP_TRIES):
            (raw,) = await self._store.read(_key(old.digest))
            if raw in (None, _NOTHING):  # signed out meanwhile: the renewal must not undo that
                await self.close(renewed, now)
                raise SessionGone
            if await self._store.swap(_key(old.digest), raw, None):
                await self._index(renewed.account, now, remove=old.digest)
                await self._bus.publish(f"session:{old.digest}")
                return ticket, renewed
        raise StoreUnavailable("a session is changed too often")

    async def _index(self, account: str, now: datetime, *, add: str | None = None, remove: str | None = None) -> None:
        for _ in range(_SWAP_TRIES):
            (raw,) = await self._store.read(_index_key(account))
            digests = [digest for digest in _digests(raw) if digest not in (add, remove)]
            if add is not None:
                digests = [*digests, add][-_INDEX_LIMIT:]
            new = json.dumps(digests).encode()
            if new == raw or (raw is None and not digests):
                return
            if await self._store.swap(_index_key(account), raw, new, _INDEX_LIFE):
                return
        raise StoreUnavailable("the sessions of an account change too often")


def _key(digest: str) -> str:
    return f"session:{digest}"


def _index_key(account: str) -> str:
    return f"sessions-of:{account}"


def _digests(raw: bytes | None) -> list[str]:
    return [] if raw is None else [str(one) for one in json.loads(raw)]


def _life(session: Session, now: datetime) -> timedelta:
    """How long the record is worth keeping: until idle or absolute end, whichever comes first."""
    return max(min(session.ends_at, session.seen_at + session.lifetimes.idle) - now, timedelta(seconds=1))


# --- one spelling in the store ---------------------------------------------------------------------------------------


def encode_proof(proof: Proof) -> dict[str, Any]:
    """A proof as JSON data; evidence included (an attempt keeps it for the audit, a session drops it before)."""
    identity = proof.identity
    return {
        "id": _pair(identity.id),
        "family": identity.family_name,
        "given": identity.given_name,
        "profession": identity.profession,
        "specialty": identity.specialty,
        "others": [_pair(one) for one in identity.other_ids],
        "claims": dict(identity.claims),
        "method": proof.method.value,
        "assurance": int(proof.assurance),
        "at": proof.at.timestamp(),
        "until": None if proof.until is None else proof.until.timestamp(),
        "evidence": dict(proof.evidence),
        "remembered": proof.remembered,
    }


def decode_proof(data: dict[str, Any]) -> Proof:
    """The inverse of ``encode_proof``; raises ``KeyError``, ``ValueError`` or ``TypeError`` on anything else."""
    national = None if data["id"] is None else NationalId(*data["id"])
    return Proof(
        Identity(
            national,
            data["family"],
            data["given"],
            data["profession"],
            data["specialty"],
            tuple(NationalId(*one) for one in data["others"]),
            data["claims"],
        ),
        Method(data["method"]),
        Assurance(data["assurance"]),
        _instant(data["at"]),
        None if data["until"] is None else _instant(data["until"]),
        data.get("remembered", False),
        data["evidence"],
    )


def encode(session: Session) -> bytes:
    data = {
        "format": _FORMAT,
        "digest": session.digest,
        "account": session.account,
        "space": session.space.value,
        "proofs": [encode_proof(proof) for proof in session.proofs],
        "opened": session.opened_at.timestamp(),
        "seen": session.seen_at.timestamp(),
        "absolute": session.lifetimes.absolute.total_seconds(),
        "idle": session.lifetimes.idle.total_seconds(),
        "reference": session.reference,
        "acting": session.acting_under,
        "logout": session.logout_hint,
        "agent": session.agent,
        "address": session.address,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def decode(raw: bytes | None) -> Session | None:
    if not raw:
        return None
    try:
        data = json.loads(raw)
        if data["format"] != _FORMAT:
            return None
        return Session(
            digest=data["digest"],
            account=data["account"],
            space=Space(data["space"]),
            proofs=tuple(decode_proof(one) for one in data["proofs"]),
            opened_at=_instant(data["opened"]),
            seen_at=_instant(data["seen"]),
            lifetimes=Lifetimes(timedelta(seconds=data["absolute"]), timedelta(seconds=data["idle"])),
            reference=data["reference"],
            acting_under=data["acting"],
            logout_hint=data["logout"],
            agent=data.get("agent", ""),
            address=data.get("address", ""),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _pair(national: NationalId | None) -> list[str] | None:
    return None if national is None else [national.kind, national.value]


def _instant(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
