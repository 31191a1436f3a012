"""Where a run can be asked for its figures, as a user writes it: `PORT` or `HOST:PORT`."""

from kvzero.checks import read_address

__all__ = ["check_monitor", "read_monitor", "write_url"]

LOOPBACK = "127.0.0.1"
WANTED = "give PORT, 0 for any free one, or HOST:PORT for machines other than this one to ask"


def check_monitor(text: str) -> None:
    """Refuse what is neither `PORT` nor `HOST:PORT`.

    Raises:
        ConfigError: with what it is.
    """
    read_monitor(text)


def read_monitor(text: str) -> tuple[str, int]:
    """Return host and port; without a host, the one that other machines cannot reach.

    Raises:
        ConfigError: if it is neither `PORT` nor `HOST:PORT`.
    """
    host, port = read_address("monitor", text, WANTED, is_own=True)
    return host or LOOPBACK, port


def write_url(host: str, port: int) -> str:
    """Return the address that Prometheus asks."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
