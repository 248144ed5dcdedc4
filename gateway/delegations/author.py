"""Who acts, with which session, and from where."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.accounts.account import Account
from gateway.session.model import Session


@dataclass(frozen=True, slots=True)
class By:
    """``address`` and ``correlation`` are for the audit."""

    account: Account
    session: Session
    address: str = ""
    correlation: str = ""
