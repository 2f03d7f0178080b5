"""The TCP port that the gateway processes of one tree share."""

from __future__ import annotations

import errno
import socket

from tholos.kit.errors import Conflict


class PortInUse(Conflict):
    """Another program listens on the port."""

    code = "port_in_use"


def shared_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound with SO_REUSEPORT: the kernel spreads connections over the processes that listen on one."""
    sock = socket.socket(_family(host), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def reserve_port(host: str, port: int) -> socket.socket:
    """A bound, never listening socket that keeps ``port`` (0: a free one) for this tree. Raises PortInUse."""
    try:
        # Without SO_REUSEPORT first: another tree's shared port must count as taken.
        with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = probe.getsockname()[1]
        return shared_socket(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} of {host} is in use.", next="Choose another: `tholos up --port 8401`."
            ) from None
        raise PortInUse(
            f"Cannot listen on {host}:{port}: {error.strerror}.", next="Choose an address of this machine and a port."
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
