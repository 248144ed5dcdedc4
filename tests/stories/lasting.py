"""Requests that last: a WebSocket, a stream of events, a long download, an answer that is waited for. Each has a connection
of its own, read by a thread, so that a story sees when the gateway ends it. And a connection that many requests share."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPSConnection
from urllib.parse import urlsplit

from tests.visitor import Visitor

KINDS = ("socket", "events", "download", "answer")
_TARGETS = {"socket": "/ws", "events": "/sse", "download": f"/bytes/{1 << 34}", "answer": "/slow/60"}
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
)
_HELLO = b"\x81\x82\x00\x00\x00\x00ok"  # a masked text frame; the mask is zero
_ECHO = b"\x81\x02ok"
POLICY = b"\x88\x02\x03\xf0"  # a close frame that says 1008


class Lasting:
    """One request of this visitor, with the cookies of now; ``kind`` is one of ``KINDS``."""

    def __init__(self, visitor: Visitor, kind: str) -> None:
        self.kind = kind
        self.status = b""
        self.data = b""  # the last bytes that came
        self.length = 0
        self.ended_at: float | None = None
        self._hurry = threading.Event()
        self._begun = threading.Event()
        self._asking = visitor.demo.asking()  # it is under way until it has ended
        gateway = urlsplit(visitor.demo.about["gateway"])
        context = ssl.create_default_context(cafile=str(visitor.demo.folder / visitor.demo.about["ca"]))
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # little is on its way when it is cut
        plain.settimeout(90)
        plain.connect(("127.0.0.1", gateway.port or 443))
        self._tls = context.wrap_socket(plain, server_hostname="localhost")
        cookies = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
        head = f"GET {_TARGETS[kind]} HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nCookie: {cookies}\r\n"
        self._tls.sendall((head + (_UPGRADE if kind == "socket" else "") + "\r\n").encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if kind == "answer":  # nothing comes yet: the application has it
            _until(lambda: any(one["target"] == _TARGETS[kind] for one in visitor.demo.requests()))
            return
        assert self._begun.wait(10), kind
        if kind == "socket":
            self._tls.sendall(_HELLO)
            _until(lambda: _ECHO in self.data)
        assert self.status == (b"101" if kind == "socket" else b"200"), self.data

    def _read(self) -> None:
        with self._asking:
            self._receive()
        self.ended_at = time.monotonic()

    def _receive(self) -> None:
        try:
            while piece := self._tls.recv(1 << 14):
                if not self.length:
                    self.status = piece.split(b" ", 2)[1]
                self.length += len(piece)
                self.data = (self.data + piece)[-400:]
                self._begun.set()
                if self.kind == "download" and not self._hurry.is_set():
                    time.sleep(0.02)  # somebody with a slow line
        except OSError:
            pass

    def goes_on(self) -> bool:
        """Whether more comes: for events, which come every second."""
        before = self.length
        _until(lambda: self.length > before or self.ended_at is not None, 3)
        return self.ended_at is None

    def ended(self, seconds: float) -> bool:
        """Whether the gateway ends it within this time."""
        self._hurry.set()
        self._thread.join(max(seconds, 0))
        ended = self.ended_at is not None
        self.close()
        return ended

    def close(self) -> None:
        """The reader leaves first: a connection closed under it would have it read from the next one of that number."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._tls, socket.SHUT_RDWR)
        self._hurry.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._tls.close()


def left(lasting: Sequence[Lasting], seconds: float = 5) -> list[str]:
    """The kinds of those that the gateway has not ended within this time, from now on for all of them (R125)."""
    deadline = time.monotonic() + seconds
    return [one.kind for one in lasting if not one.ended(deadline - time.monotonic())]


class Line:
    """One connection kept open, as browsers do: what is remembered of it is remembered across midnight."""

    def __init__(self, visitor: Visitor) -> None:
        address = urlsplit(visitor.demo.about["gateway"])
        context = ssl.create_default_context(cafile=str(visitor.demo.folder / visitor.demo.about["ca"]))
        self._connection = HTTPSConnection("localhost", address.port, context=context, timeout=10)
        self._cookies = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
        self._asking = contextlib.ExitStack()  # it is under way until it is closed
        self._asking.enter_context(visitor.demo.asking())

    def ask(self, target: str, method: str = "GET", body: bytes | None = None) -> int:
        """The status of the answer."""
        head = {"Cookie": self._cookies, "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
        self._connection.request(method, target, body, head)
        with self._connection.getresponse() as answer:
            answer.read()
            return answer.status

    def close(self) -> None:
        self._connection.close()
        self._asking.close()


def _until(look: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "nothing comes"
        time.sleep(0.02)
