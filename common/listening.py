"""Sockets that listen, or a line that says why one cannot."""

import socket


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: HOST.
        port: the port.
        variable: the setting that the port is from.

    Raises:
        SystemExit: it cannot be listened on; says what HOST and the variable are, and why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # create_server says the address once more
        raise SystemExit(f"HOST={host} {variable}={port}: cannot listen: {why}") from None
