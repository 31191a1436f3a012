"""Where a run can be asked for its figures, as a user writes it: `PORT` or `HOST:PORT`."""

from kvzero.errors import ConfigError

__all__ = ["check_monitor", "read_address", "write_url"]

LOOPBACK = "127.0.0.1"
LAST_PORT = 65_535


def check_monitor(text: str) -> None:
    """Refuse what is neither `PORT` nor `HOST:PORT`.

    Raises:
        ConfigError: with what it is.
    """
    read_address(text)


def read_address(text: str) -> tuple[str, int]:
    """Return host and port; without a host, the one that other machines cannot reach.

    Raises:
        ConfigError: if it is neither `PORT` nor `HOST:PORT`.
    """
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if is_bracketed else host
    is_host = bool(name) and "/" not in name and (is_bracketed or ":" not in name)
    is_port = port.isascii() and port.isdecimal() and int(port) <= LAST_PORT
    if not is_port or is_host != bool(colon):
        raise ConfigError(
            f"monitor is {text!r}; give PORT, 0 for any free one, or HOST:PORT for machines other than this one to ask"
        )
    return name or LOOPBACK, int(port)


def write_url(host: str, port: int) -> str:
    """Return the address that Prometheus asks."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
