"""A link to a server that is severed at a chosen message, before the server has it or before its answer arrives."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

Chosen = Callable[[bytes], bool]


class Link:
    """A way to a server on loopback, through a port of its own, for any number of connections."""

    def __init__(self, port: int) -> None:
        """Listen; connections go to `port`."""
        self.server_port = port
        self.cuts = 0
        self.messages = 0
        self._chosen: tuple[Chosen, bool] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def sever(self, chosen: Chosen, *, delivered: bool) -> None:
        """Sever the connection that next sends a message of which `chosen` is true, once; the others stay.

        Where it is `delivered`, the server has the message and has answered it, and the answer is dropped.
        """
        self._chosen = chosen, delivered

    def mend(self) -> None:
        """Sever nothing more."""
        self._chosen = None

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            with selectors.DefaultSelector() as either:
                either.register(client, selectors.EVENT_READ)
                either.register(server, selectors.EVENT_READ)
                while True:
                    for key, _ in either.select():
                        if not self._pass_on(key.fileobj, client, server):  # type: ignore[arg-type]
                            return

    def _pass_on(self, end: socket.socket, client: socket.socket, server: socket.socket) -> bool:
        """Carry what one end has sent to the other; return whether the connection still stands."""
        try:
            message = end.recv(1 << 20)
            if not message:
                return False
            if end is server:
                client.sendall(message)
                return True
            self.messages += 1
            chosen = self._chosen
            if chosen is None or not chosen[0](message):
                server.sendall(message)
                return True
            self._chosen = None
            self.cuts += 1
            if chosen[1]:
                server.sendall(message)
                server.recv(1 << 20)
            return False
        except OSError:
            return False
