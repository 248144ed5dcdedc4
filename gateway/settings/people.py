"""What may be configured about signing in, accounts and what is kept of them; see ``model``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.settings.kinds import (
    LONGEST_SESSION,
    Channel,
    Instant,
    MethodName,
    Section,
)

# Mailboxes that several people read (R20), and words that are no person's name (R98).
GENERIC_MAILBOXES = (
    "accueil", "secretariat", "secrétariat", "contact", "direction", "admission", "admissions", "ehpad", "info", "infos",
)  # fmt: skip
GENERIC_NAMES = ("SERVICE", "SECRETARIAT", "EHPAD", "ACCUEIL", "ADMISSION", "ADMISSIONS", "DIRECTION", "STANDARD")


class OtpSection(Section):
    code_validity: Annotated[int, Field(ge=60, le=28800)] = 600
    second_factor_memory: Annotated[int, Field(ge=0, le=28800)] = 0
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] = ("mail",)
    digits: Annotated[int, Field(ge=6, le=8)] = 6
    max_wrong: Annotated[int, Field(ge=1, le=10)] = 5
    resend_delay: Annotated[int, Field(ge=0, le=600)] = 30
    max_sends_per_attempt: Annotated[int, Field(ge=1, le=10)] = 3
    max_sends_per_day: Annotated[int, Field(ge=1, le=100)] = 20
    requires_prior_strong: bool = True


class LoginSection(Section):
    delay_after: Annotated[int, Field(ge=1, le=10)] = 5
    delay: Annotated[int, Field(ge=60, le=3600)] = 60
    max_failures_24h: Annotated[int, Field(ge=5, le=25)] = 25
    max_failures_per_address: Annotated[int, Field(ge=10, le=1000)] = 300
    known_device_days: Annotated[int, Field(ge=0, le=400)] = 90
    uniform_failure: bool = False


class PasswordSection(Section):
    min_entropy_bits: Annotated[float, Field(ge=0, le=128)] = 0
    max_age_days: Annotated[int, Field(ge=0, le=1095)] = 0
    hash_memory_kib: Annotated[int, Field(ge=7168)] = 19456
    hash_threads: Annotated[int, Field(ge=1, le=16)] = 2


class SessionSection(Section):
    absolute: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = LONGEST_SESSION
    idle: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = 1800
    idle_shared: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = 900
    background_paths: tuple[str, ...] = ()
    warn: Annotated[int, Field(ge=30, le=900)] = 120
    backend_cookie_paths: tuple[Annotated[str, Field(pattern=r"^/")], ...] = ("/", "/Trajectoire")


class AccountSection(Section):
    required_fields: tuple[Literal["email", "password", "phone", "address", "postal"], ...] = ("email", "password")
    generic_mailbox: Literal["warn", "refuse"] = "warn"
    generic_mailboxes: tuple[str, ...] = GENERIC_MAILBOXES
    generic_account: Literal["list", "block"] = "list"
    generic_names: tuple[str, ...] = GENERIC_NAMES
    verify_mail: Literal["on_first_code", "strict", "off"] = "on_first_code"
    proof_ttl: Annotated[int, Field(ge=600, le=30 * 86400)] = 7 * 86400
    change_freshness: Annotated[int, Field(ge=60, le=3600)] = 600


class RegistrationSection(Section):
    ttl: Annotated[int, Field(ge=60, le=3600)] = 1800
    keep: Annotated[int, Field(ge=3600, le=86400)] = 86400


class ResetSection(Section):
    ttl: Annotated[int, Field(ge=300, le=86400)] = 3600


class CharterSection(Section):
    version: Annotated[str, Field(min_length=1, max_length=40)] = "1"
    file: Path | None = None


class MethodsSection(Section):
    liberal: Annotated[tuple[MethodName, ...], Field(min_length=1)] = ("card", "psc", "password")
    etablissement: Annotated[tuple[MethodName, ...], Field(min_length=1)] = ("card", "psc", "password")


class LiberalSection(Section):
    professions: tuple[str, ...] = ("10",)


class StrongSection(Section):
    mandatory_from: Instant = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)  # 2026-01-01T00:00 Europe/Paris (R84)


class DormancySection(Section):
    days: Annotated[int, Field(ge=30, le=1095)] = 365
    warn_days: tuple[Annotated[int, Field(ge=1, le=90)], ...] = (30, 7)
    reactivate_with: tuple[Literal["card", "psc"], ...] = ("card", "psc")


class NotifySection(Section):
    sign_in: bool = False
    memory: bool = False


class JobsSection(Section):
    every: Annotated[float, Field(gt=0, le=3600)] = 10


class PasskeySection(Section):
    name: Annotated[str, Field(min_length=1, max_length=60)] = "ViaTrajectoire"
    challenge_ttl: Annotated[int, Field(ge=30, le=600)] = 300


class LogSection(Section):
    access: bool = True
    level: Literal["debug", "info", "warning"] = "info"
    retention_days: Annotated[int, Field(ge=180, le=1095)] = 365
    retention_reason: str = ""

    @model_validator(mode="after")
    def _reasoned(self) -> LogSection:
        if self.retention_days > 365 and not self.retention_reason.strip():
            raise ValueError("log.retention_days above 365 needs log.retention_reason (R148)")
        return self


class PolicySection(Section):
    """National bounds of what a scope may set (R91), and how switches work (R85, R87, R89)."""

    on_enable: Literal["revoke", "next_login"] = "revoke"
    referent_can_enable: bool = False
    code_validity_max: Annotated[int, Field(ge=60, le=28800)] = 28800
    second_factor_memory_max: Annotated[int, Field(ge=0, le=28800)] = 28800
    session_absolute_max: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = LONGEST_SESSION
    session_idle_max: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = LONGEST_SESSION
    derogation_max_days: Annotated[int, Field(ge=1, le=1095)] = 365


class AdminSection(Section):
    """Who administers signs in by these means only (G59), and their invitations and tokens live so long."""

    methods: Annotated[tuple[Literal["card", "psc"], ...], Field(min_length=1)] = ("card", "psc")
    invitation_ttl: Annotated[int, Field(ge=3600, le=30 * 86400)] = 7 * 86400
    token_days: Annotated[int, Field(ge=1, le=366)] = 90
    import_max_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024


class BreakglassSection(Section):
    max: Annotated[int, Field(ge=300, le=86400)] = 86400  # G26


class MeansSection(Section):
    """The legal status of one means (G3), and its homologation if it has one (G8)."""

    status: Literal["homologue", "transition", "interdit"] = "transition"
    homologation: str = ""
    homologation_until: Instant | None = None

    @model_validator(mode="after")
    def _referenced(self) -> MeansSection:
        if self.status == "homologue" and (not self.homologation or self.homologation_until is None):
            raise ValueError("a homologated means needs homologation (its reference) and homologation_until (G8)")
        return self


class MieSection(Section):
    """« Moyens d'identification électronique »; card and Pro Santé Connect are accepted by law and not listed."""

    transition_until: Instant = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)  # 2026-01-01T00:00 Europe/Paris
    otp_mail: MeansSection = MeansSection()
    otp_sms: MeansSection = MeansSection()
    otp_totp: MeansSection = MeansSection()
    passkey: MeansSection = MeansSection()
    password: MeansSection = MeansSection()
