"""Who may come into Redis: TLS in both directions, a name and a password, few rights; and no secret is told."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.edges.redis_line import Entrance
from gateway.edges.redis_store import RedisStore
from gateway.edges.system import SystemAmbient
from gateway.redis_url import RedisAccess, parse
from tests.redis_clients import nothing_is_known, opened
from tests.redis_servers import HOST, PASSWORD
from tests.redis_tls import TlsServer, tls_server

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as server:
        yield server


# Who may come in


async def test_tls_with_a_user_that_may_do_what_is_needed(tls: TlsServer) -> None:
    """Over TLS in both directions, with the rights of deploy/ and no others, every verb works; and no command was refused."""
    async with opened(tls.url, tls.access()) as store:
        await store.write("a", b"1", HOUR)
        assert await store.swap("a", b"1", b"2", HOUR)
        assert await store.read("a") == (b"2",)
        await store.publish("policy:1")
    assert tls.one.ask("ACL", "LOG") == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong-secret"}, "invalid username-password pair"),
        ({"ca": "other-ca"}, "certificate verify failed"),
        ({"client": "other-ca"}, ""),  # the server ends the conversation
    ],
)
async def test_who_is_not_let_in_knows_nothing(tls: TlsServer, changed: dict[str, str], said: str) -> None:
    """A wrong password, an authority that did not vouch for the server, a certificate of ours that the server does not accept:
    unavailable. The log says why, and no secret."""
    with capture_logs() as lines:
        async with opened(tls.url, tls.access(**changed)) as store:
            faults = await nothing_is_known(store)
            async with asyncio.timeout(5):
                while not any(line["event"] == "store away" for line in lines):
                    await asyncio.sleep(0.02)
    told = "".join("".join(traceback.format_exception(fault)) for fault in faults) + repr(lines)
    assert said in told
    assert PASSWORD not in told and "wrong-secret" not in told


async def test_a_certificate_for_another_name_is_no_certificate(tls: TlsServer) -> None:
    """The host name is verified: a server with a good certificate of another name is not believed."""
    tls.one.kill()
    tls.start("elsewhere")
    try:
        async with opened(tls.url, tls.access()) as store:
            faults = await nothing_is_known(store)
            assert "certificate verify failed" in "".join(traceback.format_exception(faults[0]))
    finally:
        tls.one.kill()
        tls.start()


async def test_a_command_that_is_not_permitted_is_unavailable(tls: TlsServer) -> None:
    """A user without the right to read or to write learns nothing; what they may do still works."""
    async with opened(tls.url, tls.access()) as store:
        await store.write("a", b"1", HOUR)
        tls.one.ask("ACL", "SETUSER", "vtgw", "-get", "-mget", "-evalsha", "-set", "-publish")
        try:
            await nothing_is_known(store)
        finally:
            tls.one.ask("ACL", "SETUSER", "vtgw", "+get", "+mget", "+evalsha", "+set", "+publish")
        assert await store.read("a") == (b"1",)


def test_secrets_do_not_show() -> None:
    """Neither addresses nor what is made of them tell a password."""
    address = parse(f"redis+sentinel://u:{PASSWORD}@127.0.0.1:1/s/0?sentinel_password={PASSWORD}")
    entrance = Entrance(address.username, address.password)
    access = RedisAccess(password=PASSWORD, sentinel_password=PASSWORD)
    assert address.password == PASSWORD
    for shown in (address, entrance, access, entrance.line((HOST, 1))):
        assert PASSWORD not in f"{shown!r} {shown}"


def test_files_of_tls_that_are_none_stop_the_start(tmp_path: Path) -> None:
    """With an error that says which."""
    with pytest.raises(OSError, match="No such file"):
        RedisStore("rediss://127.0.0.1:1/0", SystemAmbient(), RedisAccess(ca=str(tmp_path / "none.pem")))
