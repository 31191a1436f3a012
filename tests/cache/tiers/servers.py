"""A real server for the tests that need one: begun in a folder of its own, and ended by whoever began it."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.cache.tiers.fakes import wait_until

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")
needs_server = pytest.mark.skipif(BINARY is None, reason="there is no redis-server or valkey-server on this machine")

needs_namespaces = pytest.mark.skipif(
    BINARY is None or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="network namespaces need a server, root and the command ip",
)


def free_port() -> int:
    """Return the number of a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Server:
    """A server that can be stopped, killed and begun again."""

    def __init__(
        self, folder: Path, *options: str, host: str = "127.0.0.1", inside: Sequence[str] = (), tls: bool = False
    ) -> None:
        """Begin a server; `inside` is the command that runs a command where it shall live."""
        self.port = free_port()
        self.host = host
        ports = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        self._command = [
            *inside, str(BINARY), *ports, "--bind", host, "--dir", str(folder), "--save", "", *options,
        ]  # fmt: skip
        self.url = f"{'rediss' if tls else 'redis'}://{host}:{self.port}"
        self.begin()

    def begin(self) -> None:
        """Begin, and wait until somebody listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._listens)

    def kill(self) -> None:
        """End the server with no time to say so."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let the server stand still: its port is open, and it does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a server go on that stood still."""
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False


@contextmanager
def serving(folder: Path, *options: str, **places: Any) -> Iterator[Server]:
    """Give a server for a while."""
    server = Server(folder, *options, **places)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def far_end() -> Iterator[tuple[str, list[str], list[str]]]:
    """Give an address in a network namespace, the command that runs a command there, and the one that cuts it off."""
    name, number = f"kvzero{os.getpid()}", os.getpid() % 250
    near, far = f"kv{os.getpid()}a", f"kv{os.getpid()}b"
    inside = ["ip", "netns", "exec", name]

    def run(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    run("netns", "add", name)
    try:
        run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        run("addr", "add", f"10.213.{number}.1/30", "dev", near)
        run("link", "set", near, "up")
        run("-n", name, "addr", "add", f"10.213.{number}.2/30", "dev", far)
        run("-n", name, "link", "set", far, "up")
        yield f"10.213.{number}.2", inside, ["ip", "-n", name, "link", "set", far]
        run("link", "del", near)  # at once, where a namespace takes its links with it only some time later
    finally:
        run("netns", "del", name)
