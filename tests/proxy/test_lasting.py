"""Which sessions have something open: tunnels always, transfers after a while (R127, R143)."""

from __future__ import annotations

from tests.proxy.conftest import Rig
from tests.proxy.test_door import WS, echo_socket, until


async def test_r127_a_tunnel_is_listed_as_long_as_it_is_open(rig: Rig) -> None:
    """Bytes in it are activity; a quiet one is listed too."""
    assert rig.door.lasting(5) == {}
    rig.origin.script = echo_socket
    reader, writer = await rig.open()
    writer.write(WS + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert rig.door.lasting(5) == {"digest": True}
    rig.clock[0] += 6
    assert rig.door.lasting(5) == {"digest": False}
    writer.write(b"ping")
    await writer.drain()
    assert await reader.readexactly(4) == b"ping"
    assert rig.door.lasting(5) == {"digest": True}
    rig.door.cut("digest")
    await until(lambda: rig.door.lasting(5) == {})
    writer.close()
