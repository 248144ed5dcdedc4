"""Why something did not go on: ``Reason`` for what the design foresees, ``GatewayError`` for accidents.

One word per cause: the same in the decision, the log, the audit and the test that proves it. The user sees a
sentence and a reference number (R155), never this word.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every foreseen cause of a refusal or of a request to sign in."""

    # The request itself (door; each is answered 4xx or 5xx and nothing reaches the backend)
    BAD_REQUEST = "bad-request"
    BAD_TARGET = "bad-target"
    AMBIGUOUS_PATH = "ambiguous-path"
    BAD_HOST = "bad-host"
    UNKNOWN_HOST = "unknown-host"
    BAD_HEADER = "bad-header"
    BAD_FRAMING = "bad-framing"
    BAD_METHOD = "bad-method"
    BAD_VERSION = "bad-version"
    BAD_EXPECT = "bad-expect"
    HEAD_TOO_LARGE = "head-too-large"
    TARGET_TOO_LONG = "target-too-long"
    BODY_TOO_LARGE = "body-too-large"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    REQUEST_TIMEOUT = "request-timeout"
    UPGRADE_REFUSED = "upgrade-refused"
    ORIGIN_REFUSED = "origin-refused"
    TLS_REQUIRED = "tls-required"
    DUPLICATE_COOKIE = "duplicate-cookie"

    # The session (gate)
    NO_SESSION = "no-session"
    SESSION_ENDED = "session-ended"
    SESSION_IDLE = "session-idle"
    LEVEL_TOO_LOW = "level-too-low"
    CHARTER_MISSING = "charter-missing"
    PASSWORD_TOO_OLD = "password-too-old"  # noqa: S105 - a reason, not a secret
    ACCOUNT_CLOSED = "account-closed"
    ACCOUNT_DORMANT = "account-dormant"
    ACCOUNT_SUSPENDED = "account-suspended"
    DELEGATION_ENDED = "delegation-ended"
    NOT_ALLOWED = "not-allowed"
    LOOP = "loop"
    FORM_EXPIRED = "form-expired"
    STEP_UP_NEEDED = "step-up-needed"
    COOKIES_REFUSED = "cookies-refused"

    # Dependencies (unknown is never "absent", R7)
    STORE_DOWN = "store-down"
    RECORDS_DOWN = "records-down"
    KEY_DOWN = "key-down"
    BACKEND_DOWN = "backend-down"
    NO_BACKEND = "no-backend"
    BACKEND_TIMEOUT = "backend-timeout"
    BACKEND_GARBAGE = "backend-garbage"
    INTERNAL = "internal"

    # Sign-in, whatever the means
    ATTEMPT_UNKNOWN = "attempt-unknown"
    ATTEMPT_EXPIRED = "attempt-expired"
    WRONG_BROWSER = "wrong-browser"
    CSRF = "csrf"
    METHOD_DISABLED = "method-disabled"
    NOT_A_PHYSICIAN = "not-a-physician"
    ALREADY_SIGNED_IN = "already-signed-in"
    IDENTITY_CONFLICT = "identity-conflict"
    NO_ACCOUNT = "no-account"
    REGISTRATION_EXPIRED = "registration-expired"
    MAIL_TAKEN = "mail-taken"
    BAD_INPUT = "bad-input"

    # Card (numbered steps of providers.certificates)
    CARD_ABSENT = "card-absent"
    CARD_RESUMED = "card-resumed"
    CARD_MALFORMED = "card-malformed"
    CARD_FOREIGN_ISSUER = "card-foreign-issuer"
    CARD_BAD_SIGNATURE = "card-bad-signature"
    CARD_NOT_YET_VALID = "card-not-yet-valid"
    CARD_EXPIRED = "card-expired"
    CARD_WEAK_KEY = "card-weak-key"
    CARD_IS_CA = "card-is-ca"
    CARD_WRONG_USAGE = "card-wrong-usage"
    CARD_SIGNATURE_CERTIFICATE = "card-signature-certificate"
    CARD_WRONG_CATEGORY = "card-wrong-category"
    CARD_WRONG_ENVIRONMENT = "card-wrong-environment"
    CARD_TYPE_REFUSED = "card-type-refused"
    CARD_NOT_NOMINATIVE = "card-not-nominative"
    CARD_WRONG_POLICY = "card-wrong-policy"
    CARD_BAD_SUBJECT = "card-bad-subject"
    CARD_BAD_IDENTIFIER = "card-bad-identifier"
    CARD_ADELI = "card-adeli"
    CARD_UPN_MISMATCH = "card-upn-mismatch"
    CARD_BAD_SERIAL = "card-bad-serial"
    CARD_REVOKED = "card-revoked"
    CARD_REVOCATION_UNKNOWN = "card-revocation-unknown"
    CARD_FORWARD_UNTRUSTED = "card-forward-untrusted"

    # Pro Santé Connect
    PSC_CANCELLED = "psc-cancelled"
    PSC_ERROR = "psc-error"
    PSC_UNAVAILABLE = "psc-unavailable"
    PSC_STATE = "psc-state"
    PSC_ISSUER = "psc-issuer"
    PSC_CODE_REFUSED = "psc-code-refused"
    PSC_TOKEN = "psc-token"  # noqa: S105 - a reason, not a secret
    PSC_NONCE = "psc-nonce"
    PSC_LEVEL = "psc-level"
    PSC_USERINFO = "psc-userinfo"
    PSC_SUBJECT = "psc-subject"
    PSC_CONTRADICTION = "psc-contradiction"
    PSC_NO_IDENTIFIER = "psc-no-identifier"

    # Password and code
    WRONG_CREDENTIALS = "wrong-credentials"
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    WRONG_CODE = "wrong-code"
    CODE_EXPIRED = "code-expired"
    CODE_USED = "code-used"
    CODE_DEAD = "code-dead"
    RESEND_TOO_SOON = "resend-too-soon"
    RESEND_TOO_MANY = "resend-too-many"
    NO_CHANNEL = "no-channel"
    DELIVERY_FAILED = "delivery-failed"
    STRONG_FIRST = "strong-first"
    MAIL_UNPROVED = "mail-unproved"
    MAIL_SHARED = "mail-shared"
    GENERIC_ACCOUNT = "generic-account"
    LINK_EXPIRED = "link-expired"

    # Passkey
    PASSKEY_REFUSED = "passkey-refused"
    PASSKEY_UNKNOWN = "passkey-unknown"

    # Administration
    NOT_THERE = "not-there"  # outside one's reach, or nowhere: the two must look the same
    CHANGED_MEANWHILE = "changed-meanwhile"
    VERSION_NEEDED = "version-needed"  # a change that does not say what it was decided on
    BAD_MEDIA = "bad-media"  # a body of a kind that is not read here
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - a reason, not a secret

    # Delegations
    NOT_A_DELEGATOR = "not-a-delegator"  # no médecin libéral, or not in that space
    ACTING_FOR_ANOTHER = "acting-for-another"  # one's own delegations wait until one is oneself again (R120)
    DELEGATION_UNKNOWN = "delegation-unknown"  # none of that name for this person: the two must look the same
    DELEGATION_NOT_YET = "delegation-not-yet"  # invited, to be confirmed, or before its first day
    DELEGATION_OVERLAP = "delegation-overlap"
    DELEGATOR_UNAVAILABLE = "delegator-unavailable"  # suspended, dormant or closed (R131)
    NAME_MISMATCH = "name-mismatch"  # the card is not the invited person's (R112)
    SEARCH_TOO_OFTEN = "search-too-often"
    DIRECTORY_DOWN = "directory-down"

    # Portal launch
    LAUNCH_REFUSED = "launch-refused"


class GatewayError(Exception):
    """An accident: something the design did not foresee, or a dependency that gave no answer."""

    reason = Reason.INTERNAL


class StoreUnavailable(GatewayError):
    """The store gave no answer. Raised by Store implementations; never means "absent"."""

    reason = Reason.STORE_DOWN


class RecordsUnavailable(GatewayError):
    """The database gave no answer. Raised by Records implementations."""

    reason = Reason.RECORDS_DOWN


class KeyUnavailable(GatewayError):
    """The signing key gave no signature. Raised by Signer implementations."""

    reason = Reason.KEY_DOWN


class SenderFailed(GatewayError):
    """A message was not accepted for delivery. Raised by Sender implementations."""

    reason = Reason.DELIVERY_FAILED


class ProviderUnavailable(GatewayError):
    """An identity provider gave no usable answer. Raised by providers, before any decision."""

    reason = Reason.PSC_UNAVAILABLE


class DirectoryUnavailable(GatewayError):
    """The national directory gave no usable answer (R123). Raised by Directory implementations; never means "nobody"."""

    reason = Reason.DIRECTORY_DOWN


class Taken(GatewayError):
    """A unique value belongs to another row (R17, R18). ``key`` says which, as ``table.column``."""

    reason = Reason.BAD_INPUT

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is taken")
        self.key = key


class Stale(GatewayError):
    """The row changed or vanished since it was read; read again and decide again."""

    reason = Reason.INTERNAL
