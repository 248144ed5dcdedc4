"""What is written down, and how it is spelled: one record per act, before its effect.

Acts and reasons are enums, so that spelling cannot drift. A record holds no secret, code, full phone number or
patient data (R147): facts are short words and pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.reasons import Reason


class Act(StrEnum):
    """Source, subject, action."""

    SIGN_IN = "session:open"
    SIGN_IN_REFUSED = "session:refused"
    STEP_UP = "session:step-up"
    SPACE_CHANGED = "session:space"
    SIGN_OUT = "session:close"
    SESSION_REVOKED = "session:revoked"
    ACCOUNT_CREATED = "account:create"
    ACCOUNT_LINKED = "account:link"
    ACCOUNT_CHANGED = "account:change"
    CHARTER_ACCEPTED = "charter:accept"
    PASSWORD_CHANGED = "password:change"  # noqa: S105 - an act, not a secret
    PASSWORD_RESET_ASKED = "password:reset-asked"  # noqa: S105 - an act, not a secret
    CODE_SENT = "code:sent"
    CODE_NOT_SENT = "code:not-sent"
    CARD_REFUSED = "card:refused"
    PSC_REFUSED = "psc:refused"
    POLICY_CHANGED = "policy:change"
    SCOPE_SWITCHED = "scope:switch"
    SCOPE_SWITCH_UNDONE = "scope:switch-undo"
    SCOPE_SWITCH_ASKED = "scope:switch-ask"
    SCOPE_SWITCH_ANSWERED = "scope:switch-answer"
    SCOPE_BREAKGLASS = "scope:breakglass"
    SCOPE_CHANGED = "scope:change"
    SCOPES_IMPORTED = "scopes:import"
    ACCOUNTS_IMPORTED = "accounts:import"
    ACCOUNT_INVITED = "account:invite"
    ACCOUNT_SUSPENDED = "account:suspend"
    ACCOUNT_RESUMED = "account:resume"
    MEMBERSHIP_ADDED = "membership:add"
    MEMBERSHIP_REMOVED = "membership:remove"
    ROLE_GRANTED = "role:grant"
    ROLE_REVOKED = "role:revoke"
    TOKEN_CREATED = "token:create"  # noqa: S105 - an act, not a secret
    TOKEN_REVOKED = "token:revoke"  # noqa: S105 - an act, not a secret
    AUDIT_EXPORTED = "audit:export"
    READINESS_EXPORTED = "readiness:export"
    MAIL_CHANGE_ASKED = "mail:change-asked"
    MAIL_CHANGED = "mail:change"
    MAIL_PROVED = "mail:prove"
    PHONE_CHANGED = "phone:change"
    MEANS_ADDED = "means:add"
    MEANS_REMOVED = "means:remove"
    RECOVERY_USED = "means:recovery-used"
    MEMORY_GRANTED = "memory:grant"
    ACCOUNT_WARNED = "account:warn"
    ACCOUNT_REACTIVATED = "account:reactivate"
    ACCOUNT_EXPORTED = "account:export"
    ACCOUNT_ERASED = "account:erase"
    DATA_PURGED = "data:purge"
    EPOCH_BEGUN = "epoch:begin"  # all that was signed in or pending is dead
    DELEGATION_GIVEN = "delegation:give"
    DELEGATION_INVITED_AGAIN = "delegation:invite-again"
    DELEGATION_PROPOSED = "delegation:propose"  # a card that does not bear the invited name (R112)
    DELEGATION_ACCEPTED = "delegation:accept"
    DELEGATION_CONFIRMED = "delegation:confirm"
    DELEGATION_DECLINED = "delegation:decline"  # the doctor does not know the person of the card
    DELEGATION_CHANGED = "delegation:change"
    DELEGATION_ENDED = "delegation:end"
    DELEGATION_REMINDED = "delegation:remind"
    DELEGATION_REFUSED = "delegation:refuse"
    ACTING_BEGUN = "acting:begin"
    ACTING_ENDED = "acting:end"
    DIRECTORY_SEARCHED = "directory:search"
    TRACE_LOOKED_UP = "trace:look-up"  # from a line of the access journal to the person (R149)


@dataclass(frozen=True, slots=True)
class Record:
    """One act: when, who (pseudonym or account id), under which scope, from where, and why not if refused."""

    act: Act
    at: datetime
    account: str | None = None
    reason: Reason | None = None
    scope: str | None = None
    address: str | None = None
    correlation: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
