"""The address on which the web server listens, and its URLs."""

import errno
import http.client
import socket

from imgsearch.local.terminal import LauncherError

ANY_ADDRESS = ("0.0.0.0", "::")


def _try_to_bind(host: str, port: int) -> None:
    """Bind to a port and close it. Raises OSError when a server cannot listen there."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _next_free(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 100, 65_536)):
        try:
            _try_to_bind(host, candidate)
        except OSError:
            continue
        return candidate
    return 8000


def check_port(host: str, port: int) -> None:
    """Raise LauncherError when a server cannot listen on the port."""
    try:
        _try_to_bind(host, port)
    except socket.gaierror as error:
        raise LauncherError(
            f"HOST={host} is not an address. Leave HOST empty for this machine only, or type "
            "`HOST=0.0.0.0 make run` for the whole network."
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LauncherError(
                f"Port {port} on {host} is already in use by another program. "
                f"Type `PORT={_next_free(host, port)} make run` to use another port."
            ) from error
        if error.errno == errno.EACCES:
            raise LauncherError(
                f"Port {port} may not be used by this user; ports below 1024 are for root. "
                "Type `PORT=8000 make run`."
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise LauncherError(
                f"HOST={host} is not an address of this machine. Type `HOST=0.0.0.0 make run` "
                "to listen on all of its addresses."
            ) from error
        raise LauncherError(f"Port {port} on {host} cannot be used: {error.strerror}.") from error


def lan_address() -> str | None:
    """Return the IP address in the local network, or None. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def server_url(host: str, port: int) -> str:
    """Return the URL of a server."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def reachable_host(host: str) -> str:
    """Return the host at which this machine can reach a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def allowed_hosts(host: str) -> list[str]:
    """Return the Host headers to accept on a server that listens on `host`."""
    if host not in ANY_ADDRESS:
        return [f"[{host}]" if ":" in host else host]
    name = socket.gethostname()
    names = [host, name, name.lower(), f"{name.lower()}.local", lan_address() or ""]
    return [name for name in dict.fromkeys(names) if name]


def http_get(host: str, port: int, path: str, timeout: float = 5.0) -> tuple[int, str]:
    """GET `path` from a server on this machine, without a proxy. Return status and body.

    Raises OSError if it does not respond.
    """
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(2000).decode(errors="replace")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
