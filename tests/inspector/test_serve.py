"""One page is served on a port of this machine, and nothing else."""

import socket
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from kvzero.errors import ConfigError
from kvzero.inspector import serve_page

PAGE = b"<!DOCTYPE html><title>here</title>"


@pytest.fixture
def address() -> str:
    """Return where the page is served; the thread ends with the tests."""
    found: list[str] = []
    is_ready = threading.Event()

    def note(url: str) -> None:
        found.append(url)
        is_ready.set()

    threading.Thread(
        target=serve_page, args=(PAGE,), kwargs={"host": "127.0.0.1", "port": 0, "on_ready": note}, daemon=True
    ).start()
    assert is_ready.wait(60)
    return found[0]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/?step=3", 200), ("/etc/passwd", 404), ("/../x", 404)])
def test_the_page_is_served_and_nothing_else(address: str, path: str, status: int) -> None:
    place = urlsplit(address)
    assert place.hostname == "127.0.0.1"
    connection = HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == status
    assert (content == PAGE) == (status == 200)


def test_a_port_that_is_taken_is_told_of() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} cannot be opened"):
            serve_page(PAGE, host="127.0.0.1", port=port, on_ready=print)
