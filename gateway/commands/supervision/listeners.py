"""The listening sockets, by their address: opened before anybody needs them, closed when nobody does any more."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping

from gateway.commands.supervision.plan import Address
from gateway.edges.sockets import open_listener


class CannotListen(Exception):
    """``str()``: which listener, where, and why not."""


class Listeners:
    def __init__(self, sockets: Mapping[Address, socket.socket] | None = None) -> None:
        self._open: dict[Address, socket.socket] = dict(sockets or {})

    def open(self, wanted: Mapping[str, Address]) -> list[Address]:
        """Open what is not open; all of it, or nothing: raises ``CannotListen`` with every fault. Returns what is new."""
        opened: list[Address] = []
        faults = []
        whose: dict[Address, str] = {}
        for name, address in wanted.items():
            if whose.setdefault(address, name) != name:
                faults.append(
                    f"listen.{name}.address: {address[0]}:{address[1]}: already in use by listen.{whose[address]}"
                )
            if address in self._open:
                continue
            try:
                self._open[address] = open_listener(*address)
            except OSError as error:
                faults.append(f"listen.{name}.address: {address[0]}:{address[1]}: {error.strerror or error}")
            else:
                opened.append(address)
        if faults:
            self.close(opened)
            raise CannotListen("; ".join(faults))
        return opened

    def of(self, wanted: Mapping[str, Address]) -> dict[str, socket.socket]:
        return {name: self._open[address] for name, address in wanted.items()}

    def close(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._open.pop(address).close()

    def keep(self, wanted: Iterable[Address]) -> None:
        """Close what is not among these."""
        kept = set(wanted)
        self.close([address for address in self._open if address not in kept])

    def dump(self) -> list[tuple[str, int, int]]:
        """Host, port, descriptor."""
        return [(*address, one.fileno()) for address, one in self._open.items()]

    @classmethod
    def restored(cls, dumped: Iterable[tuple[str, int, int]]) -> Listeners:
        found = {}
        for host, port, fd in dumped:
            os.set_inheritable(fd, False)
            found[host, port] = socket.socket(fileno=fd)
        return cls(found)
