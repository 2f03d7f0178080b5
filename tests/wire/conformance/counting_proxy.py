"""What goes over the wire between a client and the server: counted in both directions, and cut where a check wants."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_READ = 1 << 16


class Request:
    """A GET, and how many bytes were answered (its head included)."""

    def __init__(self, head: bytes) -> None:
        self.path = head.split(b" ", 2)[1].decode()
        found = re.search(rb"\r\nrange: *bytes=(\d+)-", head, re.IGNORECASE)
        self.start = int(found[1]) if found else None
        self.answered = 0


class CountingProxy:
    """Passes connections on to the server unchanged, so what the server calls itself leads here too."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._address = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        """Bytes from clients, heads included."""
        self.gets: list[Request] = []
        self._cut_after = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        """Begins to count anew."""
        self.sent, self.gets = 0, []

    def cut(self, answered: int) -> None:
        """Breaks the first connection on which a GET is answered by so many bytes, once."""
        self._cut_after = answered

    @property
    def cut_is_due(self) -> bool:
        """Whether no answer has come so far yet."""
        return self._cut_after > 0

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address)
                for connection in (client, server):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                latest: list[Request] = []
                threading.Thread(target=self._pass_up, args=(client, server, latest), daemon=True).start()
                threading.Thread(target=self._pass_down, args=(client, server, latest), daemon=True).start()

    def _pass_up(self, client: socket.socket, server: socket.socket, latest: list[Request]) -> None:
        with suppress(OSError):
            while data := client.recv(_READ):
                if data.startswith(b"GET "):
                    latest[:] = [Request(data)]
                    self.gets += latest
                elif data.startswith((b"HEAD ", b"POST ", b"PUT ", b"DELETE ")):
                    latest.clear()
                with self._lock:
                    self.sent += len(data)
                server.sendall(data)
        _end(client, server)

    def _pass_down(self, client: socket.socket, server: socket.socket, latest: list[Request]) -> None:
        with suppress(OSError):
            while data := server.recv(_READ):
                client.sendall(data)
                for request in latest[:1]:
                    request.answered += len(data)
                    if self._cut_after and request.answered >= self._cut_after:
                        self._cut_after = 0
                        _end(client, server)
        _end(client, server)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
