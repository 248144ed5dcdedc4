"""The composition root: settings in, running listeners out. The only room that knows every other.

What opens here closes here, in reverse. Nothing listens before everything it needs is there; what is needed and
missing stops the start with its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from gateway import connections, ops
from gateway.accounts.delegations import Delegations
from gateway.accounts.password import Passwords
from gateway.accounts.register import Register
from gateway.answer import Answers
from gateway.assertion import Mint
from gateway.deployment import (
    StartError,
    address,
    admin_methods,
    audience,
    backend,
    charter,
    defaults,
    delegation_rules,
    door_settings,
    keys_of_this_machine,
    methods,
    routes,
    rules,
    store_access,
    trust,
)
from gateway.desk import PolicyDesk
from gateway.edges.card_tls import CardTls, card_context
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import FileSigner, Secrets, ensure_assertion_key, ensure_secret, key_set
from gateway.edges.logs import sink
from gateway.edges.overview import SqlOverview
from gateway.edges.pulse import Pulse
from gateway.edges.revocation import Revocation
from gateway.edges.scrape import Scrape
from gateway.edges.sockets import Handed, open_listener
from gateway.edges.stores import open_store
from gateway.edges.tally import Tally
from gateway.edges.tls import public_context
from gateway.edges.witness import DiskWitness
from gateway.ending import CLOSING, Closing, ended, within
from gateway.epoch.dated_store import DatedStore
from gateway.epoch.epochs import Epochs
from gateway.gate import FACTS_AGE, Gate
from gateway.household import Foundations, Household, furnish
from gateway.identity import Space
from gateway.ports import Ambient
from gateway.providers.base import Provider
from gateway.providers.certificates import CardTrust, CardType
from gateway.providers.smartcard import CardSettings, Smartcard
from gateway.proxy.door import Door
from gateway.proxy.journal import AccessLog
from gateway.proxy.pool import pages_connector
from gateway.reasons import GatewayError, RecordsUnavailable, StoreUnavailable
from gateway.request import Peer, RequestHead
from gateway.session.keeper import Keeper
from gateway.settings import Settings
from gateway.settings.model import Listener
from gateway.trail import Checkpoints

_BOOK_EVERY = 1.0  # seconds between two readings of the policy (R83: at most 5 s)
_UNDER_WAY = 3.0  # seconds for pages under way when their listener closes; a store that is silent takes 2
_log = structlog.get_logger("gateway")


class Away(StartError):
    """What is needed to start does not answer, and may soon: ``check`` of readiness and the reason why."""

    def __init__(self, check: str, reason: str, said: str) -> None:
        super().__init__(said)
        self.check, self.reason = check, reason


class Gateway:
    """One worker: ``start`` opens everything, ``stop`` closes it, in reverse. ``handed``: what a supervisor gave it, which
    listens already; ``pulse``: of its event loop, when somebody else listens to it too."""

    def __init__(
        self, settings: Settings, *, ambient: Ambient, handed: Handed | None = None, pulse: Pulse | None = None
    ) -> None:
        self.settings = settings
        self._handed = handed
        self._sockets = handed.sockets if handed is not None else {}  # by the listener's name
        self._pulse = pulse
        self._ambient = ambient
        self._stack = Closing()
        self.door: Door
        self.records: Database
        self._management: web.SockSite
        self._store: DatedStore
        self._epochs: Epochs
        self._revocation: Revocation | None = None
        self._draining = False
        self._news = asyncio.Event()  # another worker says that the policy changed

    async def start(self) -> None:
        """Open everything; raises ``StartError`` with what is wrong, ``Away`` when waiting may mend it, and leaves nothing
        open then."""
        try:
            await self._start()
        except (RecordsUnavailable, StoreUnavailable) as error:
            await self._stack.aclose()
            records = isinstance(error, RecordsUnavailable)
            part, url = ("records", self.settings.records.url) if records else ("store", self.settings.store.url)
            if not url or url.startswith("sqlite:"):  # a file: nothing comes back by itself
                raise StartError(f"{part}.url: {error}") from error
            raise Away(part, error.reason.value, f"{part}.url: {error}") from error
        except OSError as error:
            await self._stack.aclose()
            if error.filename is None:
                raise
            raise StartError(f"{error.filename}: {error.strerror}") from error
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self, grace: float | None = None, *, replaced: bool = False) -> None:
        """Drain: readiness fails first, requests in flight end, then everything closes. It takes ``grace`` and a few
        seconds at most, whatever does not answer meanwhile. ``replaced``: another worker serves in its place, and is who
        says from now on whether this gateway is ready."""
        self._draining = True
        if replaced:
            await self._management.stop()
        grace = self.settings.gateway.drain if grace is None else grace
        last = time.monotonic() + grace + CLOSING
        try:
            await within("Door.drain", self.door.drain(grace), grace + CLOSING)
        finally:
            await self._stack.aclose(min(CLOSING, last - time.monotonic()))

    async def _start(self) -> None:
        settings, ambient = self.settings, self._ambient
        state = settings.gateway.state_dir
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        secrets = Secrets(settings.secrets.key_file or ensure_secret(state / "gateway.key"))
        signers = self._signers(state)
        if own := keys_of_this_machine(settings):
            _log.warning("keys were made on this machine, others that share its memory need the same", settings=own)
        records = self.records = Database(
            settings.records.url or f"sqlite:///{state / 'records.db'}", settings.records.pool
        )
        self._stack.push_async_callback(records.close)
        await self._schema(records)
        journal = Journal(records, secrets.key("audit"))
        store = self._store = await self._dated_store(records, journal, state)

        desk = await self._desk(records)
        keeper = Keeper(store, store, ambient)
        register = Register(records, ambient)
        delegations = Delegations(records, ambient)
        terms = charter(settings)
        mint = Mint(
            signers[0],
            ambient,
            settings.gateway.public_url,
            [audience(name, one) for name, one in settings.backends.items()],
            settings.gateway.header_prefix,
            settings.assertion.header,
            delegation_rules(settings),
        )
        gate = Gate(
            ambient=ambient,
            routes=routes(settings),
            keeper=keeper,
            register=register,
            delegations=delegations,
            mint=mint,
            book=lambda: desk.book,
            rules=rules(settings, terms),
            background_paths=settings.session.background_paths,
            gone=lambda digest: self.door.cut(digest),
        )

        def heard(message: str) -> None:
            gate.heard(message)
            if message.startswith("policy"):
                self._news.set()

        store.listen(heard)
        passwords = Passwords(memory=settings.password.hash_memory_kib, threads=settings.password.hash_threads)
        self._stack.callback(passwords.close)
        senders = connections.senders(settings, ambient)
        for sender in senders.values():
            self._stack.push_async_callback(sender.close)
        http = connections.http_session(settings)
        self._stack.push_async_callback(http.close)
        pinned = trust(settings)
        strong: dict[str, Provider] = {}
        oidc = connections.pro_sante_connect(settings, http, ambient)
        if oidc is not None:
            strong["psc"] = oidc
        if pinned is not None:
            strong["card"] = await self._card(pinned, ambient, state)

        directory = connections.open_directory(settings, http, ambient)
        if directory is not None:
            self._stack.push_async_callback(directory.close)
        keys = key_set(signers)
        household = furnish(
            Foundations(
                settings=settings,
                ambient=ambient,
                store=store,
                bus=store,
                records=records,
                keeper=keeper,
                register=register,
                delegations=delegations,
                directory=directory,
                audit=journal,
                trail=Checkpoints(records, signers[0]),
                overview=SqlOverview(records),
                day_book=Tally(records),
                desk=desk,
                passwords=passwords,
                senders=senders,
                strong=strong,
                sign_out_elsewhere=oidc if settings.psc is not None and settings.psc.sign_out else None,
                charter=terms,
                key=secrets.key,
                seal=secrets.seal,
                unseal=secrets.unseal,
                key_set=lambda: keys,
            )
        )
        for space, means in methods(settings).items():
            if not any(one in household.house.providers for one in means):
                raise StartError(f"methods: no configured means opens the space {space.value}")
        self._stack.push_async_callback(household.close)
        await household.offices.imports.recover(ambient.now())
        household.start()
        await self._open_door(household, gate, pinned)
        await self._open_management(household, journal)
        self._background(desk, gate)
        _log.info("serving", public=settings.listen.public.address, url=settings.gateway.public_url)

    # Parts

    def _signers(self, state: Path) -> list[FileSigner]:
        settings = self.settings.assertion
        key = settings.key.removeprefix("file:")
        try:
            paths = [Path(key) if key else ensure_assertion_key(state / "assertion.pem")]
            paths += [Path(one.removeprefix("file:")) for one in settings.previous]
            return [FileSigner(path) for path in paths]
        except GatewayError as error:
            raise StartError(f"assertion.key: {error}") from error

    async def _schema(self, records: Database) -> None:
        """SQLite is migrated here; a PostgreSQL waits for ``vt-gateway migrate``."""
        url = self.settings.records.url
        if not url or url.startswith("sqlite:"):
            await records.migrate()
        elif not await records.is_current():
            raise StartError("records.url: the schema is not current; run vt-gateway migrate")

    async def _dated_store(self, records: Database, journal: Journal, state: Path) -> DatedStore:
        """The store, with nothing of another epoch in it. One that gives no answer is waited for, closed."""
        url = self.settings.store.url or f"sqlite:///{state / 'store.db'}"
        try:
            raw = open_store(url, self._ambient, store_access(self.settings))
        except (OSError, ValueError) as error:
            raise StartError(f"store.url: {error}") from None  # what it comes from may hold the address
        self._stack.push_async_callback(raw.close)
        await raw.start()
        witness = None if url.startswith("memory:") else DiskWitness(state / "pulses", url)
        epochs = self._epochs = Epochs(
            raw,
            raw,
            records,
            self._ambient,
            audit=lambda: journal,
            witness=witness,
            replicated=raw.replicated,
        )
        store = DatedStore(raw, raw, epochs)
        self._stack.push_async_callback(epochs.close)
        await epochs.start()
        return store

    async def _desk(self, records: Database) -> PolicyDesk:
        settings = self.settings
        idle = timedelta(seconds=settings.session.idle_shared)
        desk = PolicyDesk(records, defaults(settings), idle, admin_methods(settings))
        await desk.refresh()
        return desk

    async def _card(self, trust: CardTrust, ambient: Ambient, state: Path) -> Smartcard:
        settings = self.settings
        card = settings.card
        assert card is not None  # noqa: S101 - trust comes from this section
        pinned = {one.name: one.certificate for one in trust.authorities}
        revocation = Revocation(card.crl, pinned, ambient, refresh=card.crl_refresh, keep=state / "crl")
        self._stack.push_async_callback(revocation.close)
        await revocation.start()
        self._revocation = revocation
        accept = {
            Space.LIBERAL: frozenset(CardType(one) for one in card.accept_liberal),
            Space.PROFESSIONNEL: frozenset(CardType(one) for one in card.accept_etablissement),
        }
        origins = settings.gateway.card_url
        return Smartcard(CardSettings(origins, settings.gateway.prefix, accept), trust, revocation)

    async def _open_door(self, household: Household, gate: Gate, pinned: CardTrust | None) -> None:
        settings = self.settings
        runner = web.AppRunner(
            household.app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,
            shutdown_timeout=_UNDER_WAY,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        server = runner.server
        assert server is not None  # noqa: S101 - set up above
        clock = time.monotonic
        access = AccessLog(sink().write, self._ambient, clock)
        door = self.door = Door(
            door_settings(settings),
            gate=gate,
            answers=Answers(
                settings.gateway.public_url, settings.gateway.prefix, household.error_page, household.held_page
            ),
            backends=[backend(name, one) for name, one in settings.backends.items()],
            pages=pages_connector(server),
            ambient=self._ambient,
            log=access if settings.log.access else lambda events: None,
            clock=clock,
            failed=_log_failure,
            spoofed=_log_spoofed,
        )
        self._stack.push_async_callback(gate.close)
        self._stack.push_async_callback(door.close)
        listen = settings.listen
        await self._listen(door, listen.public, "public")
        if listen.plain is not None:
            await self._listen(door, listen.plain, "plain")
        if listen.card is not None and pinned is not None:
            await self._listen_card(door, listen.card, pinned)

    async def _listen(self, door: Door, listener: Listener, name: str) -> None:
        host, port = address(listener.address)
        tls: ssl.SSLContext | None = None
        try:
            if listener.certificate is not None and listener.key is not None:
                tls = public_context(listener.certificate, listener.key)
            await door.listen(host, port, name, tls, sock=self._sockets.get(name))
        except ssl.SSLError as error:
            raise StartError(f"listen.{name}.certificate: {error}") from error
        except OSError as error:
            raise StartError(f"listen.{name}.address: {listener.address}: {error.strerror}") from error

    async def _listen_card(self, door: Door, listener: Listener, trust: CardTrust) -> None:
        host, port = address(listener.address)
        assert listener.certificate is not None and listener.key is not None  # noqa: S101 - checked by settings
        pinned = [one.certificate for one in trust.authorities]
        try:
            context = card_context(listener.certificate, listener.key, pinned)
            handshake = self.settings.limits.handshake
            server = await asyncio.get_running_loop().create_server(
                lambda: CardTls(context, lambda: door.factory("card"), handshake),
                sock=self._sockets.get("card") or open_listener(host, port),
            )
        except OSError as error:
            raise StartError(f"listen.card.address: {listener.address}: {error.strerror}") from error
        door.adopt(server)

    async def _open_management(self, household: Household, journal: Journal) -> None:
        host, port = address(self.settings.listen.management.address)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(ops.DoorMetrics(self.door.meters, self.door.flush, self._list_ages))
        registry.register(
            ops.HouseMetrics(
                journal.acts,
                lambda: (household.notices.sent, household.notices.lost),
                lambda: (household.jobs.done, household.jobs.failed),
            )
        )
        pulse = self._pulse
        if pulse is None:
            pulse = Pulse()
            pulse.start()
            self._stack.callback(pulse.stop)
        registry.register(ops.LoopMetrics(pulse.worst))
        registry.register(ops.EpochMetrics(lambda: self._epochs.number))
        handed = self._handed
        scrape = Scrape(
            handed.folder if handed else None, handed.slot if handed else 1, lambda: generate_latest(registry)
        )
        await self._meet(scrape)
        app = ops.make_app(self._checks(), scrape.collect)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_UNDER_WAY)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            listening = self._sockets.get("management") or open_listener(host, port)
            self._management = web.SockSite(runner, listening)
            await self._management.start()
        except OSError as error:
            raise StartError(f"listen.management.address: {host}:{port}: {error.strerror}") from error

    async def _meet(self, scrape: Scrape) -> None:
        try:
            await scrape.start()
        except OSError as error:  # the folder is gone: numbers are then missing, and nothing else
            _log.warning("other workers cannot ask this one for its numbers", error=error.strerror)
        self._stack.push_async_callback(scrape.close)

    def _list_ages(self) -> Mapping[str, float]:
        return self._revocation.ages(self._ambient.now()) if self._revocation else {}

    def _checks(self) -> dict[str, ops.Check]:
        async def store() -> str | None:
            try:
                await self._store.read("ready")
            except GatewayError as error:
                return error.reason.value
            return None

        async def records() -> str | None:
            try:
                return None if await self.records.is_current() else "schema"
            except GatewayError as error:
                return error.reason.value

        async def draining() -> str | None:
            return "draining" if self._draining else None

        async def cards() -> str | None:
            return self._revocation.missing(self._ambient.now()) if self._revocation else None

        return {"draining": draining, "store": store, "records": records, "revocation": cards}

    def _background(self, desk: PolicyDesk, gate: Gate) -> None:
        async def keep_book() -> None:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BOOK_EVERY):
                        await self._news.wait()
                self._news.clear()
                try:
                    await desk.refresh()
                except (GatewayError, ValueError) as error:
                    _log.warning("policy not refreshed", error=str(error))

        async def look_again() -> None:
            while True:
                await asyncio.sleep(FACTS_AGE)
                await gate.recheck(self.door.lasting(FACTS_AGE))

        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(keep_book(), name="policy book"),
            loop.create_task(look_again(), name="what lasts"),
        ]

        async def end() -> None:
            await ended(*tasks)

        self._stack.push_async_callback(end)


def _log_failure(error: Exception, head: RequestHead) -> None:
    _log.error("a judgement failed", id=head.request_id, error=f"{type(error).__name__}: {error}")


def _log_spoofed(peer: Peer) -> None:
    _log.warning("certificate header from an untrusted peer", client=peer.address)
