"""What the administration commands work with: the configured records and store, opened for one command and closed again.

Every act is written to the audit before it takes effect, with the author ``cli:<user of this machine>``; workers that
run are told, so that nobody goes on with what was true before.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import click

from gateway.accounts.account import Account, Standing
from gateway.accounts.erasure import Archive
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register, account_of
from gateway.audit import Act, Record
from gateway.commands.shared import FAILED, NOT_READY, settings_of
from gateway.edges import logs
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.stores import AnyStore, open_store
from gateway.edges.system import SystemAmbient
from gateway.identity import Login
from gateway.ports import Row, Span
from gateway.reasons import GatewayError, RecordsUnavailable, StoreUnavailable
from gateway.session.keeper import Keeper
from gateway.settings import Settings

T = TypeVar("T")
_PAGE = 500


class Problem(Exception):
    """Why the command cannot be done; the message is for the person at the shell."""


class Office:
    """``store`` is nothing when this process cannot reach the sessions: none were made yet, or they are in memory."""

    def __init__(self, settings: Settings, records: Database, store: AnyStore | None, ambient: SystemAmbient) -> None:
        self.settings = settings
        self.records = records
        self.register = Register(records, ambient)
        self.mailboxes = Mailboxes(records)
        self.archive = Archive(records)
        self.now = ambient.now()
        self.dormancy = timedelta(days=settings.dormancy.days)
        self._journal = Journal(records)
        self._store = store
        self._ambient = ambient

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

    async def living(self, name: str) -> tuple[Account, Standing]:
        """An account that may still be changed, and its standing."""
        account = await self.account(name)
        standing = self.standing(account)
        if standing is Standing.CLOSED:
            raise Problem(f"the account {account.id} was erased")
        return account, standing

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

    async def note(self, act: Act, account: Account, **facts: str) -> None:
        """Write the act down, before it is done."""
        await self._journal.record(Record(act, self.now, account.id, facts={**facts, "author": author()}))

    async def tell(self, account_id: str) -> None:
        """All workers read the account again. Without a store they do within seconds all the same."""
        if self._store is not None:
            try:
                await self._store.publish(f"account:{account_id}")
            except StoreUnavailable as error:
                click.echo(f"done, but the workers were not told at once: {error}", err=True)

    @property
    def reaches_sessions(self) -> bool:
        return self._store is not None or not self.settings.store.url.startswith("memory:")

    async def end_sessions(self, account: Account) -> int:
        """How many ended. Raises ``StoreUnavailable``, or ``Problem`` when they are out of reach."""
        if not self.reaches_sessions:
            raise Problem("store.url is memory://: sessions end only with the gateway's own process")
        if self._store is None:
            return 0
        return await Keeper(self._store, self._store, self._ambient).close_all(account.id, self.now)


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
            return await job(office)

    try:
        return asyncio.run(run())
    except Problem as problem:
        click.echo(str(problem), err=True)
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
            store = open_store(url, ambient)
            await store.start()
        yield Office(settings, records, store, ambient)
    finally:
        if store is not None:
            await store.close()
        await records.close()


def _missing(url: str) -> bool:
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()
