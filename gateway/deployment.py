"""From settings to values: the small frozen value that each room needs, so that no room reads settings.

What cannot be used raises ``StartError`` with the key, in one line.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from gateway.accounts.account import Account
from gateway.administration.compliance import ComplianceSettings
from gateway.administration.explain import ExplainSettings
from gateway.administration.invitations import InvitationSettings
from gateway.administration.people import PeopleSettings
from gateway.administration.scopes import Bounds
from gateway.administration.switching import SwitchSettings
from gateway.assertion import Audience
from gateway.edges.tls import client_context
from gateway.identity import Method, Proof, Space
from gateway.overview import Measure
from gateway.pages.help import HelpFacts
from gateway.pages.house import Charter
from gateway.pages.journey import Stop, next_step
from gateway.pages.regions import Contact, Links, Region, Regions, logo_of, theme_of
from gateway.policy.decision import Rules
from gateway.policy.delegation import DelegationRules
from gateway.policy.establishments import Defaults
from gateway.policy.legal import CHANNELS, MEANS, Legal, Status
from gateway.policy.routes import Route, RouteClass, RouteTable
from gateway.policy.throttle import Pace
from gateway.policy.ways import Arrival
from gateway.providers.certificates import CardTrust, trust_of
from gateway.providers.code import CodePolicy, CodeSettings
from gateway.providers.otp import LoginSettings
from gateway.proxy.headers import Names
from gateway.proxy.limits import Backend, DoorSettings, Group, Health, Limits
from gateway.reasons import Reason
from gateway.redis_url import RedisAccess
from gateway.session.model import Lifetimes
from gateway.settings import Settings
from gateway.settings.looks import ContactSection
from gateway.settings.model import BackendSection

_LOCAL = ("sqlite:", "memory:")  # addresses that no other machine can mean


class StartError(Exception):
    """The gateway cannot start; the message says which setting or dependency, in one line."""


def store_access(settings: Settings) -> RedisAccess:
    """How we come into the store, where its address does not say."""
    store = settings.store
    return RedisAccess(
        username=store.username,
        password=store.password.reveal() if store.password is not None else "",
        sentinel_username=store.sentinel_username,
        sentinel_password=store.sentinel_password.reveal() if store.sentinel_password is not None else "",
        ca=str(store.ca or ""),
        certificate=str(store.certificate or ""),
        key=str(store.key or ""),
        replicas=store.replicas,
    )


def methods(settings: Settings) -> dict[Space, Sequence[str]]:
    order = ("card", "psc", "passkey", "password")
    return {
        Space.LIBERAL: [one for one in order if one in settings.methods.liberal],
        Space.PROFESSIONNEL: [one for one in order if one in settings.methods.etablissement],
    }


def defaults(settings: Settings) -> Defaults:
    """The national default of every policy field, and the legal status of every means (G3)."""
    mie = settings.mie
    legal = {"psc": Legal(Status.PSC), "card": Legal(Status.CPX)}
    for name in ("otp_mail", "otp_sms", "otp_totp", "passkey", "password"):
        one = getattr(mie, name)
        status = Status(one.status)
        until = mie.transition_until if status is Status.TRANSITION else one.homologation_until
        legal[name] = Legal(status, one.homologation, until)
    return Defaults(
        mandatory_from=settings.strong.mandatory_from,
        code_validity=timedelta(seconds=settings.otp.code_validity),
        second_factor_memory=timedelta(seconds=settings.otp.second_factor_memory),
        channels=settings.otp.channels,
        lifetimes=Lifetimes(timedelta(seconds=settings.session.absolute), timedelta(seconds=settings.session.idle)),
        legal=legal,
    )


def rules(settings: Settings, terms: Charter) -> Rules:
    """What ``decide`` needs of the configuration."""
    return Rules(
        terms.stamp,
        timedelta(days=settings.dormancy.days),
        password_age(settings),
        settings.policy.on_enable == "revoke",
        delegation_rules(settings),
    )


def delegation_rules(settings: Settings) -> DelegationRules:
    """Who may hand rights to whom, as configured."""
    section = settings.delegation
    return DelegationRules(
        physicians=frozenset(settings.liberal.professions),
        modules=dict(section.modules),
        actions=dict(section.actions),
        finalise_with=frozenset(section.finalise_with),
        staff_methods=frozenset(section.staff_methods),
        max_days=section.max_days or None,
        invite_life=timedelta(seconds=section.invite_ttl),
        freshness=timedelta(seconds=section.change_freshness),
        dormancy=timedelta(days=settings.dormancy.days),
        zone=ZoneInfo(settings.ui.timezone),
    )


def admin_methods(settings: Settings) -> frozenset[Method]:
    """The methods left to regional and national administrators (G59)."""
    return frozenset(method for means in settings.admin.methods for method in MEANS[means])


def routes(settings: Settings) -> RouteTable:
    default = settings.gateway.default_space
    return RouteTable(
        [Route(one.path, RouteClass(one.class_), one.backend, one.space or default) for one in settings.routes]
    )


def arrival(settings: Settings) -> Arrival:
    """The end of every sign-in, as ``explain`` asks it."""
    physicians = frozenset(settings.liberal.professions)
    dormancy = timedelta(days=settings.dormancy.days)
    wakers = frozenset(settings.dormancy.reactivate_with)

    def arrive(
        proof: Proof,
        account: Account,
        space: Space,
        now: datetime,
        *,
        strong: bool,
        allowed: frozenset[Method] | None,
    ) -> Reason | None:
        step = next_step(
            proof,
            account,
            space,
            strong=strong,
            physicians=physicians,
            dormancy=dormancy,
            now=now,
            wakers=wakers,
            allowed=allowed,
        )
        return step.reason if isinstance(step, Stop) else None

    return arrive


def bounds(settings: Settings) -> Bounds:
    """What scopes may set (R91): within the nation's limits, of the means and channels that exist here."""
    policy, offered = settings.policy, {one for means in methods(settings).values() for one in means}
    channels = tuple(
        one
        for one in CHANNELS
        if (one != "mail" or settings.smtp is not None) and (one != "sms" or settings.sms.sender != "none")
    )
    codes = {CHANNELS[one] for one in channels} if "password" in offered else set()
    return Bounds(
        timedelta(seconds=policy.code_validity_max),
        timedelta(seconds=policy.second_factor_memory_max),
        timedelta(seconds=policy.session_absolute_max),
        timedelta(seconds=policy.session_idle_max),
        channels,
        tuple(one for one in MEANS if one in offered or one in codes),
    )


def switch_settings(settings: Settings) -> SwitchSettings:
    policy, account = settings.policy, settings.account
    return SwitchSettings(
        derogation_max=timedelta(days=policy.derogation_max_days),
        breakglass_max=timedelta(seconds=settings.breakglass.max),
        referent_can_enable=policy.referent_can_enable,
        revoke=policy.on_enable == "revoke",
        dormancy=timedelta(days=settings.dormancy.days),
        generic_names=account.generic_names,
        generic_mailboxes=account.generic_mailboxes,
        zone=ZoneInfo(settings.ui.timezone),
        prove_first=account.verify_mail == "strict",
    )


def people_settings(settings: Settings) -> PeopleSettings:
    account = settings.account
    return PeopleSettings(
        timedelta(days=settings.dormancy.days),
        frozenset(account.generic_names),
        frozenset(one.casefold() for one in account.generic_mailboxes),
        ZoneInfo(settings.ui.timezone),
    )


def invitation_settings(settings: Settings) -> InvitationSettings:
    return InvitationSettings(
        settings.gateway.public_url + settings.gateway.prefix,
        timedelta(seconds=settings.admin.invitation_ttl),
        timedelta(seconds=settings.account.proof_ttl),
        ZoneInfo(settings.ui.timezone),
    )


def measure_of(settings: Settings) -> Callable[[datetime], Measure]:
    """What counts of people depend on, at an instant."""
    account, dormancy = settings.account, timedelta(days=settings.dormancy.days)
    names, mailboxes, prove_first = account.generic_names, account.generic_mailboxes, account.verify_mail == "strict"

    def measure(now: datetime) -> Measure:
        return Measure(now, dormancy, names, mailboxes, prove_first)

    return measure


def explain_settings(settings: Settings) -> ExplainSettings:
    door = door_settings(settings)
    return ExplainSettings(
        arrival=arrival(settings),
        offered=methods(settings),
        requires_prior_strong=settings.otp.requires_prior_strong,
        entries=tuple(one.path for one in settings.routes),
        hosts=door.hosts,
        prefix=door.prefix,
        reserved=frozenset(door.reserved),
        zone=ZoneInfo(settings.ui.timezone),
    )


def compliance_settings(settings: Settings) -> ComplianceSettings:
    session, login = settings.session, settings.login
    return ComplianceSettings(
        offered=frozenset(one for means in methods(settings).values() for one in means),
        password_bits=settings.password.min_entropy_bits,
        failures_in_a_row=login.delay_after,
        failures_in_a_day=login.max_failures_24h,
        idle=timedelta(seconds=session.idle),
        absolute=timedelta(seconds=session.absolute),
        revocation=settings.card.revocation if settings.card is not None else "",
        revoke_on_enable=settings.policy.on_enable == "revoke",
        derogation_max=timedelta(days=settings.policy.derogation_max_days),
        breakglass_max=timedelta(seconds=settings.breakglass.max),
        dormancy=timedelta(days=settings.dormancy.days),
        generic_names=settings.account.generic_names,
        generic_mailboxes=settings.account.generic_mailboxes,
        zone=ZoneInfo(settings.ui.timezone),
    )


def audience(name: str, backend: BackendSection) -> Audience:
    claims = None if backend.claims is None else frozenset(backend.claims)
    return Audience(name, backend.audience, claims, by_actor=backend.profile == "rfc8693")


def charter(settings: Settings) -> Charter:
    path = settings.charter.file
    shipped = files("gateway").joinpath("templates", "charter_text.html")
    return Charter(settings.charter.version, (path.read_text("utf-8") if path else shipped.read_text("utf-8")))


def trust(settings: Settings) -> CardTrust | None:
    card = settings.card
    if card is None:
        return None
    try:
        return trust_of(
            [path.read_bytes() for path in card.trust],
            test=card.environment == "test",
            hard=card.revocation == "hard",
            policies=card.policies,
            accept_adeli=card.accept_adeli,
        )
    except ValueError as error:
        raise StartError(f"card.trust: {error}") from error


def code_settings(settings: Settings) -> CodeSettings:
    otp, account = settings.otp, settings.account
    return CodeSettings(
        digits=otp.digits,
        max_wrong=otp.max_wrong,
        resend_delay=timedelta(seconds=otp.resend_delay),
        max_sends_per_attempt=otp.max_sends_per_attempt,
        max_sends_per_day=otp.max_sends_per_day,
        prove_mail_first=account.verify_mail == "strict",
        blocked_names=frozenset(account.generic_names) if account.generic_account == "block" else frozenset(),
        hide_destination=settings.login.uniform_failure,
        usual=CodePolicy(True, timedelta(seconds=otp.code_validity), otp.channels),
        zone=ZoneInfo(settings.ui.timezone),
    )


def login_settings(settings: Settings) -> LoginSettings:
    login = settings.login
    return LoginSettings(
        requires_prior_strong=settings.otp.requires_prior_strong,
        uniform=login.uniform_failure,
        pace=Pace(login.delay_after, timedelta(seconds=login.delay), login.max_failures_24h),
        address_pace=Pace(after=1_000_000, most=login.max_failures_per_address),
    )


def regions(settings: Settings) -> Regions:
    """The regions with what each sets otherwise than the deployment; raises ``StartError`` for looks that are refused."""
    zone = ZoneInfo(settings.ui.timezone)
    links = Links(**settings.links.model_dump())
    neutral = Region(links=links, zone=zone, contacts=_contacts(settings.support.contacts))
    found = []
    for one in settings.regions:
        try:
            found.append(
                Region(
                    id=one.id,
                    name=one.name,
                    scope=one.scope,
                    links=replace(links, **one.links.model_dump(exclude_none=True)),
                    zone=ZoneInfo(one.timezone) if one.timezone else zone,
                    logo=logo_of(one.logo.read_bytes()) if one.logo else None,
                    theme=theme_of(one.colours.model_dump()),
                    contacts=_contacts(one.contacts),
                )
            )
        except (ValueError, OSError) as error:
            raise StartError(f"regions.{one.id}: {error}") from error
    try:
        return Regions(settings.gateway.prefix, neutral, tuple(found), settings.ui.region)
    except ValueError as error:
        raise StartError(str(error)) from error


def _contacts(sections: Sequence[ContactSection]) -> tuple[Contact, ...]:
    return tuple(Contact(one.label, one.url, one.topics, one.hours) for one in sections)


def help_facts(settings: Settings) -> HelpFacts:
    said, support = settings.accessibility, settings.support
    return HelpFacts(
        organisation=support.organisation,
        data_protection=support.data_protection or "",
        log_days=settings.log.retention_days,
        status=said.status,
        stated_on=said.stated_on,
        audited_by=said.audited_by,
        rate=said.rate,
    )


def password_age(settings: Settings) -> timedelta | None:
    days = settings.password.max_age_days
    return timedelta(days=days) if days else None


def backend(name: str, section: BackendSection) -> Group:
    tls = None
    servers = []
    for url in section.addresses:
        parts = urlsplit(url)
        if parts.scheme == "https" and tls is None:
            tls = client_context(section.ca)
        servers.append(
            Backend(
                name=name,
                scheme=parts.scheme,
                host=parts.hostname or "",
                port=parts.port or (443 if parts.scheme == "https" else 80),
                tls=tls,
                connect_timeout=section.connect_timeout,
                first_byte_timeout=section.first_byte_timeout,
                idle_timeout=section.idle_timeout,
                max_connections=section.max_connections,
                max_age=section.max_age,
            )
        )
    health = Health(
        balance=section.balance,
        path=section.health_path,
        interval=section.health_interval,
        timeout=section.health_timeout,
        eject_after=section.eject_after,
        eject_for=section.eject_for,
    )
    return Group(name, tuple(servers), health)


def door_settings(settings: Settings) -> DoorSettings:
    gateway, limits = settings.gateway, settings.limits
    origins = [gateway.public_url, *gateway.card_url]
    hosts = {(urlsplit(one).hostname or "").lower() for one in origins} | {host.lower() for host in gateway.hosts}
    return DoorSettings(
        names=Names.of(gateway.header_prefix, settings.assertion.header),
        hosts=frozenset(hosts),
        public_authority=urlsplit(gateway.public_url).netloc,
        prefix=gateway.prefix,
        trusted=tuple(ipaddress.ip_network(one) for one in settings.forwarded.trusted),
        limits=Limits(**limits.model_dump()),
        origins=frozenset(one.lower() for one in (gateway.public_url, *settings.proxy.websocket_origins)),
        frame_ancestors=settings.proxy.frame_ancestors,
    )


def keys_of_this_machine(settings: Settings) -> tuple[str, ...]:
    """Settings of keys that were made here because none is configured, although others may share the store or the
    database: forms, codes and sealed values of one machine would be nothing to the next."""
    shared = [url for url in (settings.store.url, settings.records.url) if url and not url.startswith(_LOCAL)]
    made = {"secrets.key_file": settings.secrets.key_file, "assertion.key": settings.assertion.key}
    return tuple(name for name, given in made.items() if not given) if shared else ()


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
