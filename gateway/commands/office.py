"""What the administration commands work with: the configured records and store, opened for one command and closed again.

Every act is done by the same offices as on the pages and in the API, for an actor who is this machine's user and may do
everything (``cli:<user>``): written to the audit before it takes effect, told to the workers that run. Mails that an
act leads to are sent before the command ends.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import click

from gateway.accounts.account import Account, Standing
from gateway.accounts.erasure import Archive
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register, account_of
from gateway.administration.actor import SHELL, Actor, Faulty, Refused
from gateway.administration.invitations import Invitations
from gateway.administration.people import PeopleOffice
from gateway.administration.revisions import Revisions
from gateway.administration.tokens import Tokens
from gateway.commands.outbox import Outbox
from gateway.commands.shared import FAILED, NOT_READY, settings_of
from gateway.connections import mail_sender
from gateway.deployment import admin_methods, defaults, invitation_settings, people_settings, store_access
from gateway.desk import PolicyDesk
from gateway.edges import logs
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.memory_store import MemoryStore
from gateway.edges.stores import AnyStore, open_store
from gateway.edges.system import SystemAmbient
from gateway.edges.witness import DiskWitness
from gateway.epoch.dated_store import DatedStore
from gateway.epoch.epochs import Epochs
from gateway.identity import Login
from gateway.ports import Row, Span
from gateway.reasons import GatewayError, RecordsUnavailable, StoreUnavailable
from gateway.session.keeper import Keeper
from gateway.settings import Settings

T = TypeVar("T")
_PAGE = 500


class Problem(Exception):
    """Why the command cannot be done; the message is for the person at the shell."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Office:
    """``store`` is nothing when this process cannot reach the sessions: none were made yet, or they are in memory."""

    def __init__(self, settings: Settings, records: Database, raw: AnyStore | None, ambient: SystemAmbient) -> None:
        self.settings = settings
        self.records = records
        self.ambient = ambient
        self.epochs = self._epochs(raw)
        self.store = DatedStore(raw, raw, self.epochs) if raw is not None else None
        self.now = ambient.now()
        self.actor = Actor(author(), author().removeprefix("cli:"), SHELL)
        self.register = Register(records, ambient)
        self.mailboxes = Mailboxes(records)
        self.archive = Archive(records)
        self.revisions = Revisions(records, self.store)
        self.outbox = Outbox(ambient)
        self.dormancy = timedelta(days=settings.dormancy.days)
        idle = timedelta(seconds=settings.session.idle_shared)
        self.desk = PolicyDesk(records, defaults(settings), idle, admin_methods(settings))

    def _epochs(self, raw: AnyStore | None) -> Epochs:
        """Without a store only the records say which epoch it is. The disk is the gateway's to write, not ours."""
        if raw is None:
            nothing = MemoryStore(self.ambient)
            return Epochs(nothing, nothing, self.records, self.ambient)
        state = self.settings.gateway.state_dir
        witness = DiskWitness(
            state / "pulses", self.settings.store.url or f"sqlite:///{state / 'store.db'}", writes=False
        )
        return Epochs(
            raw, raw, self.records, self.ambient, audit=lambda: self.audit, witness=witness, replicated=raw.replicated
        )

    # The offices, each made when a command needs it

    @cached_property
    def audit(self) -> Journal:
        """Raises ``Problem`` while the gateway has not made its key, unless it would be made for the right user here."""
        state = self.settings.gateway.state_dir
        path = self.settings.secrets.key_file or state / "gateway.key"
        try:
            if not path.exists() and self.settings.secrets.key_file is None and state.stat().st_uid == os.geteuid():
                ensure_secret(path)
            return Journal(self.records, Secrets(path).key("audit"))
        except (GatewayError, OSError) as error:
            raise Problem(f"secrets.key_file: {error}; start the gateway once", NOT_READY) from error

    @cached_property
    def people(self) -> PeopleOffice:
        """Acts that name a scope need ``read_policy`` before."""
        settings, store = self.settings, self.store
        return PeopleOffice(
            self.records,
            self.register,
            Keeper(store, store, self.ambient) if store is not None else None,
            store,
            self.audit,
            self.desk,
            self.mailboxes,
            Invitations(store, self.ambient, invitation_settings(settings)) if store is not None else None,
            self.outbox,
            self.ambient,
            people_settings(settings),
        )

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.records, self.audit, self.desk, self.ambient, self.settings.admin.token_days)

    async def read_policy(self) -> PolicyDesk:
        """The desk with the book in force: for acts that name a scope."""
        await self.desk.refresh()
        return self.desk

    # Accounts

    async def account(self, name: str) -> Account:
        """The account of this id or login, in any of its spellings; raises ``Problem``."""
        found = await self.register.by_id(name)
        login = Login.parse(name)
        for key in (name, login.key if login else None):
            if found is None and key is not None:
                found = await self.register.by_login(key)
        if found is None:
            raise Problem(f"no account has the id or login {name}")
        return found

    async def living(self, name: str) -> Account:
        """An account that may still be changed."""
        account = await self.account(name)
        if self.standing(account) is Standing.CLOSED:
            raise Problem(f"the account {account.id} was erased")
        return account

    def standing(self, account: Account) -> Standing:
        return account.standing(self.now, self.dormancy)

    async def accounts(self) -> AsyncIterator[Account]:
        """All accounts in the order of their ids, a page at a time, without logins and scopes."""
        last = ""
        while True:
            page = await self.records.find("accounts", {"id": Span(after=last)}, order=("id",), limit=_PAGE)
            for row in page:
                if row["id"] != last:
                    yield account_of(row, [], [])
            if len(page) < _PAGE:
                return
            last = cast(str, page[-1]["id"])

    async def row(self, account: Account) -> Row:
        """The columns that are no part of the value."""
        return (await self.records.find("accounts", {"id": account.id}, limit=1))[0]

    async def tell(self, account_id: str) -> None:
        """All workers read the account again. Without a store they do within seconds all the same."""
        if self.store is not None:
            try:
                await self.store.publish(f"account:{account_id}")
            except StoreUnavailable as error:
                click.echo(f"done, but the workers were not told at once: {error}", err=True)

    async def end_sessions(self, account: Account) -> int:
        """How many ended, of those this process reaches; raises ``StoreUnavailable``."""
        if self.store is None:
            return 0
        return await Keeper(self.store, self.store, self.ambient).close_all(account.id, self.now)

    def need_sessions(self) -> None:
        """Raises ``Problem`` when the sessions are in the memory of another process."""
        if self.store is None and self.settings.store.url.startswith("memory:"):
            raise Problem("store.url is memory://: sessions end only with the gateway's own process")


def author() -> str:
    """Who sits at the shell; behind sudo the person, not root."""
    name = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a user id of a container that has no name
            name = str(os.getuid())
    return f"cli:{name}"


def work(config: Path, job: Callable[[Office], Awaitable[T]]) -> T:
    """Do this with an open office; ends the process with the exit code and one line when it cannot be done."""
    settings = settings_of(config)
    logs.configure(settings.log.level)

    async def run() -> T:
        async with _opened(settings) as office:
            try:
                return await job(office)
            finally:  # what was done before a failure is told too
                await office.outbox.send(mail_sender(settings))

    try:
        return asyncio.run(run())
    except Problem as problem:
        click.echo(str(problem), err=True)
        sys.exit(problem.code)
    except Faulty as faulty:
        for name, sentences in faulty.faults.items():
            for sentence in sentences:
                click.echo(f"{name}: {sentence}" if name else sentence, err=True)
        sys.exit(FAILED)
    except Refused as refused:
        click.echo(f"not done: {refused.sentence}", err=True)
        sys.exit(FAILED)
    except (RecordsUnavailable, StoreUnavailable) as error:
        click.echo(f"{'records' if isinstance(error, RecordsUnavailable) else 'store'}.url: {error}", err=True)
        sys.exit(NOT_READY)
    except GatewayError as error:
        click.echo(f"not done: {error}", err=True)
        sys.exit(FAILED)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Office]:
    """Files are not made here: they would belong to whoever sits at the shell, and not to the gateway."""
    state, ambient = settings.gateway.state_dir, SystemAmbient()
    url = settings.records.url or f"sqlite:///{state / 'records.db'}"
    if _missing(url):
        raise RecordsUnavailable("there is no database yet; run vt-gateway migrate")
    records = Database(url)
    store: AnyStore | None = None
    try:
        if not await records.is_current():
            raise RecordsUnavailable("the schema is not current; run vt-gateway migrate")
        url = settings.store.url or f"sqlite:///{state / 'store.db'}"
        if not url.startswith("memory:") and not _missing(url):
            store = open_store(url, ambient, store_access(settings))
            await store.start()
        yield Office(settings, records, store, ambient)
    finally:
        if store is not None:
            await store.close()
        await records.close()


def _missing(url: str) -> bool:
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()
