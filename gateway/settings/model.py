"""What may be configured, with its default. Unknown keys are refused; every value is frozen once read.

Durations are seconds unless the name says days. A new key needs a default that is safe when it is absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from gateway import database_url
from gateway.identity import Space
from gateway.settings.delegation import DelegationSection
from gateway.settings.directory import DirectorySection
from gateway.settings.kinds import (
    LONGEST_SESSION,
    CardType,
    ListenAddress,
    Network,
    Origin,
    Prefix,
    SecretValue,
    Section,
    TlsAddress,
    WebAddress,
    is_loopback,
    processes,
)
from gateway.settings.looks import (
    AccessibilitySection,
    LinksSection,
    RegionSection,
    SupportSection,
    UiSection,
)
from gateway.settings.people import (
    AccountSection,
    AdminSection,
    BreakglassSection,
    CharterSection,
    DormancySection,
    JobsSection,
    LiberalSection,
    LoginSection,
    LogSection,
    MethodsSection,
    MieSection,
    NotifySection,
    OtpSection,
    PasskeySection,
    PasswordSection,
    PolicySection,
    RegistrationSection,
    ResetSection,
    SessionSection,
    StrongSection,
)
from gateway.settings.sms import SmsSection
from gateway.settings.store import StoreSection


class GatewaySection(Section):
    public_url: Origin
    card_url: tuple[Origin, ...] = ()
    hosts: tuple[str, ...] = ()
    prefix: Prefix = "/_gateway"
    header_prefix: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*-$")] = "X-VT-"
    state_dir: Path
    workers: Annotated[int, BeforeValidator(processes), Field(ge=1, le=64)] = 1
    default_space: Space = Space.PROFESSIONNEL
    drain: Annotated[float, Field(ge=0, le=600)] = 30
    watchdog: Annotated[float, Field(ge=3, le=600)] = 30


class Listener(Section):
    address: ListenAddress
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Listener:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        return self


class ListenSection(Section):
    public: Listener
    card: Listener | None = None
    plain: Listener | None = None
    management: Listener = Listener(address="127.0.0.1:9180")

    @model_validator(mode="after")
    def _tls(self) -> ListenSection:
        if self.card is not None and self.card.certificate is None:
            raise ValueError("the card listener needs a certificate and a key: the card is proved in TLS")
        for name in ("plain", "management"):
            listener = getattr(self, name)
            if listener is not None and listener.certificate is not None:
                raise ValueError(f"listen.{name} is in clear: it takes no certificate")
        return self


class ForwardedSection(Section):
    trusted: tuple[Network, ...] = ()


class LimitsSection(Section):
    request_line: Annotated[int, Field(ge=256, le=65536)] = 8192
    header_field: Annotated[int, Field(ge=256, le=262144)] = 16384
    header_block: Annotated[int, Field(ge=1024, le=1048576)] = 65536
    header_count: Annotated[int, Field(ge=10, le=1000)] = 100
    body: Annotated[int, Field(ge=0)] = 0  # 0: no limit, bodies are streamed
    connections: Annotated[int, Field(ge=1)] = 20000
    connections_per_address: Annotated[int, Field(ge=1)] = 2000
    handshake: Annotated[float, Field(gt=0)] = 10
    head: Annotated[float, Field(gt=0)] = 10
    body_idle: Annotated[float, Field(gt=0)] = 30
    write_idle: Annotated[float, Field(gt=0)] = 30
    body_rate: Annotated[int, Field(ge=0)] = 1024
    keep_alive: Annotated[float, Field(gt=0)] = 75
    waiting: Annotated[int, Field(ge=1024)] = 65536
    linger: Annotated[float, Field(gt=0)] = 2
    drain_idle: Annotated[float, Field(ge=0)] = 2


class BackendSection(Section):
    url: WebAddress | None = None
    urls: tuple[WebAddress, ...] = ()
    audience: Annotated[str, Field(min_length=1)]
    claims: tuple[str, ...] | None = None
    profile: Literal["default", "rfc8693"] = "default"
    ca: Path | None = None
    connect_timeout: Annotated[float, Field(gt=0)] = 3
    first_byte_timeout: Annotated[float, Field(gt=0)] = 30
    idle_timeout: Annotated[float, Field(gt=0)] = 300
    max_connections: Annotated[int, Field(ge=1)] = 512
    max_age: Annotated[float, Field(gt=0)] = 300
    balance: Literal["round-robin", "least-connections"] = "round-robin"
    health_path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")] | None = None
    health_interval: Annotated[float, Field(gt=0)] = 5
    health_timeout: Annotated[float, Field(gt=0)] = 2
    eject_after: Annotated[int, Field(ge=1)] = 3
    eject_for: Annotated[float, Field(gt=0)] = 10

    @model_validator(mode="after")
    def _some_server(self) -> BackendSection:
        if (self.url is None) == (not self.urls):
            raise ValueError("a backend has either url, or urls for several servers")
        if len({urlsplit(one).scheme for one in self.addresses}) > 1:
            raise ValueError("the servers of one backend are all http or all https")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.url,) if self.url is not None else self.urls


class RouteSection(Section):
    path: Annotated[str, Field(pattern=r"^/")]
    class_: Annotated[Literal["public", "usager", "protected"], Field(alias="class")]
    backend: str
    space: Space | None = None


class RecordsSection(Section):
    url: str = ""
    pool: Annotated[int, Field(ge=2, le=100)] = 10

    @model_validator(mode="after")
    def _known(self) -> RecordsSection:
        if not self.url or self.url.startswith("sqlite:///"):
            return self
        if not self.url.startswith(database_url.SCHEME):
            raise ValueError(f"records.url starts with sqlite:/// or {database_url.SCHEME}")
        address = database_url.parse(self.url)
        if address.parameters.get("sslmode") != "verify-full" and not all(map(_is_near, address.reached)):
            raise ValueError(
                "a database over a network needs ?sslmode=verify-full (TLS, and the server's name checked)"
            )
        return self


def _is_near(host: str) -> bool:
    """Loopback, or a Unix socket: a folder, or libpq's own default."""
    return not host or host.startswith("/") or is_loopback(host)


class PscSection(Section):
    issuer: TlsAddress
    discovery_url: TlsAddress
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretValue | None = None
    client_auth: Literal["basic", "post", "tls"] = "basic"
    client_certificate: Path | None = None
    client_key: Path | None = None
    ca: Path | None = None
    scope: str = "openid scope_all"
    acr_values: str = "eidas1"
    min_acr: Literal["eidas1", "eidas2", "eidas3"] = "eidas1"
    acr_when_missing: Literal["accept", "refuse"] = "accept"
    id_token_algs: tuple[Literal["RS256", "PS256", "ES256"], ...] = ("RS256",)
    session_cap: Annotated[int, Field(ge=60, le=LONGEST_SESSION)] = LONGEST_SESSION
    sign_out: bool = True
    accept_test_ids: bool = False

    @model_validator(mode="after")
    def _authenticated(self) -> PscSection:
        if self.client_auth == "tls":
            if self.client_certificate is None or self.client_key is None:
                raise ValueError("psc.client_auth = tls needs client_certificate and client_key")
        elif self.client_secret is None:
            raise ValueError('psc needs client_secret_file (or client_auth = "tls")')
        return self


class CardSection(Section):
    trust: Annotated[tuple[Path, ...], Field(min_length=1)]
    environment: Literal["production", "test"] = "production"
    crl: tuple[str, ...] = ()
    crl_refresh: Annotated[int, Field(ge=60)] = 6 * 3600
    revocation: Literal["hard", "soft"] = "hard"
    policies: tuple[str, ...] = ()
    accept_liberal: tuple[CardType, ...] = ("cps",)
    accept_etablissement: tuple[CardType, ...] = ("cps", "cpf", "cpe", "cpa")
    accept_adeli: bool = False
    button_target: Literal["direct", "psc"] = "direct"

    @model_validator(mode="after")
    def _revocable(self) -> CardSection:
        if self.revocation == "hard" and not self.crl:
            raise ValueError("card.revocation = hard needs card.crl: without a list every card would be refused")
        return self


class SmtpSection(Section):
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    from_: Annotated[str, Field(alias="from", min_length=3)]
    envelope_from: str | None = None
    username: str | None = None
    password: SecretValue | None = None
    ca: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=60)] = 10

    @model_validator(mode="after")
    def _clear_only_here(self) -> SmtpSection:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError("smtp.security = none is only for a relay on this machine (loopback)")
        return self


class AssertionSection(Section):
    key: str = ""
    previous: tuple[str, ...] = ()
    header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = "X-VT-Assertion"
    tests: bool = False

    @model_validator(mode="after")
    def _files(self) -> AssertionSection:
        if any(one and not one.startswith("file:") for one in (self.key, *self.previous)):
            raise ValueError("assertion keys are written file:/path/to/key.pem")
        return self


class SecretsSection(Section):
    key_file: Path | None = None


class ProxySection(Section):
    frame_ancestors: str = "'none'"
    websocket_origins: tuple[Origin, ...] = ()


class Settings(Section):
    """The whole configuration. Paths are absolute once loaded."""

    gateway: GatewaySection
    listen: ListenSection
    forwarded: ForwardedSection = ForwardedSection()
    limits: LimitsSection = LimitsSection()
    proxy: ProxySection = ProxySection()
    backends: Annotated[dict[str, BackendSection], Field(min_length=1)]
    routes: Annotated[tuple[RouteSection, ...], Field(min_length=1)]
    records: RecordsSection = RecordsSection()
    store: StoreSection = StoreSection()
    psc: PscSection | None = None
    card: CardSection | None = None
    otp: OtpSection = OtpSection()
    login: LoginSection = LoginSection()
    password: PasswordSection = PasswordSection()
    smtp: SmtpSection | None = None
    sms: SmsSection = SmsSection()
    session: SessionSection = SessionSection()
    account: AccountSection = AccountSection()
    registration: RegistrationSection = RegistrationSection()
    reset: ResetSection = ResetSection()
    charter: CharterSection = CharterSection()
    methods: MethodsSection = MethodsSection()
    liberal: LiberalSection = LiberalSection()
    delegation: DelegationSection = DelegationSection()
    directory: DirectorySection = DirectorySection()
    strong: StrongSection = StrongSection()
    policy: PolicySection = PolicySection()
    admin: AdminSection = AdminSection()
    breakglass: BreakglassSection = BreakglassSection()
    mie: MieSection = MieSection()
    dormancy: DormancySection = DormancySection()
    notify: NotifySection = NotifySection()
    jobs: JobsSection = JobsSection()
    passkey: PasskeySection = PasskeySection()
    ui: UiSection = UiSection()
    links: LinksSection = LinksSection()
    support: SupportSection = SupportSection()
    accessibility: AccessibilitySection = AccessibilitySection()
    regions: tuple[RegionSection, ...] = ()
    assertion: AssertionSection = AssertionSection()
    secrets: SecretsSection = SecretsSection()
    log: LogSection = LogSection()
