"""The pages' side of the composition root: ways of signing in, what the pages share, and the work that waits for no one.

``app`` opens stores, keys, relays and listeners; this room puts the sign-in together from them. Nothing here touches
the network or the edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from gateway import html
from gateway.accounts.authenticator import Authenticators
from gateway.accounts.delegations import Delegations
from gateway.accounts.erasure import Archive
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.passkeys import PasskeyRegister
from gateway.accounts.password import Passwords
from gateway.accounts.register import Register
from gateway.accounts.towns import Towns
from gateway.accounts.upkeep import Upkeep, UpkeepSettings
from gateway.admin.rooms import AdminPages
from gateway.admin.uploads import Uploads
from gateway.administration.invitations import Invitations
from gateway.administration.offices import Offices
from gateway.api.imports import UploadSettings
from gateway.api.table import furnished
from gateway.delegated import contexts_of, delegation_side
from gateway.deployment import (
    admin_methods,
    code_settings,
    help_facts,
    invitation_settings,
    login_settings,
    methods,
    password_age,
    regions,
)
from gateway.desk import PolicyDesk
from gateway.estate import offices_of, statistics_of, swept, waiting_room
from gateway.jobs import Jobs
from gateway.notices import Notices
from gateway.overview import DayBook, Overview
from gateway.pages.account import AccountPages
from gateway.pages.app import Pages, make_app
from gateway.pages.assertion_tests import AssertionTests
from gateway.pages.authenticator import AuthenticatorPages
from gateway.pages.base import frame
from gateway.pages.closing import Closing
from gateway.pages.contacts import Contacts
from gateway.pages.entrance import Entrance
from gateway.pages.forgotten import ForgottenPassword
from gateway.pages.help import HelpPages
from gateway.pages.house import Charter, House, SignOutElsewhere
from gateway.pages.invitation import InvitationPages
from gateway.pages.leaving import Leaving
from gateway.pages.passkeys import PasskeyPages
from gateway.pages.passwords import PasswordPages
from gateway.pages.proving import MailProof
from gateway.pages.registration import Registration
from gateway.pages.signin import SignIn
from gateway.pages.staff_registration import StaffRegistration
from gateway.pages.stepup import StepUp
from gateway.pages.strong import StrongWays
from gateway.ports import Ambient, Audit, Bus, Directory, Records, Sender, Store
from gateway.providers.base import Provider
from gateway.providers.codes import Codes
from gateway.providers.devices import Devices
from gateway.providers.otp import PasswordAndCode
from gateway.providers.passkey import Passkeys, PasskeySettings
from gateway.providers.tries import Tries
from gateway.session.keeper import Keeper
from gateway.settings import Settings
from gateway.trail import Checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundations:
    """What ``app`` opened. ``key(purpose)`` derives a key; ``strong`` are the providers of card and e-CPS."""

    settings: Settings
    ambient: Ambient
    store: Store
    bus: Bus
    records: Records
    keeper: Keeper
    register: Register
    delegations: Delegations
    directory: Directory | None
    audit: Audit
    trail: Checkpoints
    overview: Overview
    day_book: DayBook
    desk: PolicyDesk
    passwords: Passwords
    senders: Mapping[str, Sender]
    strong: Mapping[str, Provider]
    sign_out_elsewhere: SignOutElsewhere | None
    charter: Charter
    key: Callable[[str], bytes]
    seal: Callable[[str], str]
    unseal: Callable[[str], str | None]
    key_set: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Household:
    """The pages, and what works behind them."""

    app: web.Application
    house: House
    notices: Notices
    codes: Codes
    jobs: Jobs
    offices: Offices

    def start(self) -> None:
        self.notices.start()
        self.jobs.start()

    async def close(self) -> None:
        await self.jobs.close()
        await self.offices.imports.close()
        await self.codes.close()
        await self.notices.close()

    def error_page(self, status: int, sentence: str, advice: str, reference: str) -> str:
        """The door's own refusals, in the same clothes as every page."""
        lines = (advice, *(() if status < 500 else ("Vous n'avez pas été déconnecté.",)))
        return html.render(
            "message", page=self._frame(), title=sentence, lines=lines, actions=(), reference=reference, typed=()
        )

    def held_page(self, address: str, reference: str) -> str:
        """For a form that came after the session's end."""
        return html.render("held", page=self._frame(), address=address, reference=reference)

    def _frame(self) -> SimpleNamespace:
        return frame(self.house, self.house.regions.of(None, (), self.house.rules.above))


def furnish(given: Foundations) -> Household:
    """The pages over these foundations. Raises ``StartError`` for a setting that cannot be used."""
    settings, ambient = given.settings, given.ambient
    devices = Devices(given.store, timedelta(days=settings.login.known_device_days))
    logins = login_settings(settings)
    tries = Tries(given.store, devices, given.key("codes"), logins.pace, logins.address_pace)
    authenticators = Authenticators(
        given.records, seal=given.seal, unseal=given.unseal, key=given.key("recovery"), ambient=ambient
    )
    codes = Codes(
        store=given.store,
        ambient=ambient,
        senders=given.senders,
        authenticators=authenticators,
        tries=tries,
        audit=given.audit,
        key=given.key("codes"),
        settings=code_settings(settings),
    )
    password = PasswordAndCode(
        accounts=given.register,
        passwords=given.passwords,
        codes=codes,
        devices=devices,
        tries=tries,
        rules=given.desk,
        settings=logins,
    )
    providers: dict[str, Provider] = {**given.strong, "password": password}

    passkeys = PasskeyRegister(given.records)
    keys: Passkeys | None = None
    if any("passkey" in means for means in methods(settings).values()):
        keys = _passkeys(given, passkeys)
        providers["passkey"] = keys
    notices = Notices(given.senders.get("mail"), ambient)
    house = _house(given, providers, notices, devices, tries)

    mailboxes = Mailboxes(given.records)
    entrance, leaving, proof, towns = Entrance(house), Leaving(house), MailProof(house, mailboxes), Towns()
    sign_in = SignIn(house, entrance, password)
    rooms: list[Pages] = [
        sign_in,
        StrongWays(house, entrance),
        StepUp(house, entrance, sign_in, password),
        leaving,
        proof,
        ForgottenPassword(house),
        AccountPages(house, proof, leaving, authenticators, passkeys),
        Contacts(house, proof),
        PasswordPages(house),
        AuthenticatorPages(house, authenticators),
        Closing(house, Archive(given.records), mailboxes, proof, leaving),
        HelpPages(house, towns, help_facts(settings)),
    ]
    if keys is not None:
        rooms.append(PasskeyPages(house, keys, passkeys))
    invitations = Invitations(given.store, ambient, invitation_settings(settings))
    offices = offices_of(
        settings,
        ambient=ambient,
        records=given.records,
        bus=given.bus,
        overview=given.overview,
        audit=given.audit,
        desk=given.desk,
        register=given.register,
        keeper=given.keeper,
        codes=codes,
        invitations=invitations,
        notices=notices,
        charter=given.charter,
    )
    delegated = delegation_side(
        settings,
        ambient=ambient,
        store=given.store,
        bus=given.bus,
        records=given.records,
        register=given.register,
        delegations=given.delegations,
        keeper=given.keeper,
        audit=given.audit,
        directory=given.directory,
        notices=notices,
        overview=given.overview,
        desk=given.desk,
    )
    rooms += delegated.rooms(house)
    if settings.assertion.tests:
        rooms.append(AssertionTests(house, given.key("assertion-tests")))
    rooms.append(Registration(house, proof, towns, StaffRegistration(house, delegated.receiving)))
    folder, largest = waiting_room(settings), settings.admin.import_max_bytes
    swept(folder, ambient.now())
    rooms += [
        InvitationPages(house, invitations),
        AdminPages(house, offices, Uploads(folder, largest), delegated.oversight),
        furnished(house, offices, UploadSettings(folder, largest), delegated.oversight),
    ]
    upkeep = Upkeep(
        given.records,
        given.audit,
        given.trail,
        notices.post,
        UpkeepSettings(
            dormancy=timedelta(days=settings.dormancy.days),
            warn_days=settings.dormancy.warn_days,
            retention=timedelta(days=settings.log.retention_days),
            zone=ZoneInfo(settings.ui.timezone),
        ),
    )
    statistics = statistics_of(settings, given.day_book, given.overview, given.desk)
    jobs = Jobs(
        given.store,
        ambient,
        (*upkeep.jobs(), given.trail.job(), *statistics.jobs(), *delegated.jobs()),
        settings.jobs.every,
        alone=given.records,
    )
    return Household(make_app(house, rooms), house, notices, codes, jobs, offices)


def _passkeys(given: Foundations, register: PasskeyRegister) -> Passkeys:
    settings = given.settings
    return Passkeys(
        PasskeySettings.of(
            settings.gateway.public_url,
            settings.passkey.name,
            given.key("passkeys"),
            timedelta(seconds=settings.passkey.challenge_ttl),
        ),
        given.register,
        register,
        given.ambient,
    )


def _house(
    given: Foundations, providers: Mapping[str, Provider], notices: Notices, devices: Devices, tries: Tries
) -> House:
    settings = given.settings
    gateway, account = settings.gateway, settings.account

    async def changed(account_id: str) -> None:
        await given.bus.publish(f"account:{account_id}")

    targets = [gateway.public_url, *gateway.card_url]
    if settings.psc is not None:
        parts = urlsplit(settings.psc.issuer)
        targets.append(f"{parts.scheme}://{parts.netloc}")
    return House(
        prefix=gateway.prefix,
        public_url=gateway.public_url,
        card_urls=gateway.card_url or (gateway.public_url,),
        form_targets=targets,
        ambient=given.ambient,
        store=given.store,
        keeper=given.keeper,
        register=given.register,
        contexts=contexts_of(settings, given.delegations, given.register),
        providers=providers,
        methods=methods(settings),
        admin_methods=admin_methods(settings),
        channels=settings.otp.channels,
        default_space=gateway.default_space,
        card_direct=settings.card is None or settings.card.button_target == "direct",
        passwords=given.passwords,
        devices=devices,
        tries=tries,
        rules=given.desk,
        audit=given.audit,
        notices=notices,
        sms=given.senders.get("sms"),
        charter=given.charter,
        regions=regions(settings),
        physicians=frozenset(settings.liberal.professions),
        required_fields=frozenset(account.required_fields),
        generic_mailbox=account.generic_mailbox,
        generic_mailboxes=frozenset(one.casefold() for one in account.generic_mailboxes),
        accessibility=settings.accessibility.status,
        verify_mail=account.verify_mail,
        least_bits=settings.password.min_entropy_bits,
        password_age=password_age(settings),
        dormancy=timedelta(days=settings.dormancy.days),
        wakers=frozenset(settings.dormancy.reactivate_with),
        proof_life=timedelta(seconds=settings.registration.ttl),
        form_life=timedelta(seconds=settings.registration.keep),
        reset_life=timedelta(seconds=settings.reset.ttl),
        mail_proof_life=timedelta(seconds=account.proof_ttl),
        freshness=timedelta(seconds=account.change_freshness),
        known_device_life=timedelta(days=settings.login.known_device_days),
        warn=timedelta(seconds=settings.session.warn),
        notify_sign_in=settings.notify.sign_in,
        notify_memory=settings.notify.memory,
        backend_cookie_paths=settings.session.backend_cookie_paths,
        csrf_key=given.key("forms"),
        seal=given.seal,
        unseal=given.unseal,
        key_set=given.key_set,
        changed=changed,
        sign_out_elsewhere=given.sign_out_elsewhere,
    )
