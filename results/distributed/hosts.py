"""Two hosts on one machine: network namespaces joined by a cable that can be pulled, and Ray on both. Takes root."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

SUBNET = "10.214.77"
PORT = 6401
START_SECONDS = 90
END_SECONDS = 3
OBJECT_STORE_BYTES = 100_000_000
COUNT = """
import os, sys, time
from kvzero.errors import ClusterError
from kvzero.training.distributed.cluster.probe import probe
told, give_up_at = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < give_up_at:
    try:
        found = len(probe(sys.argv[1], token=os.environ["RAY_AUTH_TOKEN"], seconds=2.0).node_hosts)
    except ClusterError:
        found = 0
    for told in range(told + 1, found + 1):
        print(told, flush=True)
    time.sleep(0.2)
"""
"""Prints the number of each node of a cluster once it is there."""


def missing() -> str | None:
    """Return what this machine lacks for two hosts; None for nothing."""
    if shutil.which("ip") is None:
        return "there is no command ip"
    name = f"kvzero-try{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if made.returncode:
        return f"network namespaces cannot be made: {made.stderr.strip()}"
    _ip("netns", "del", name)
    return None


class Host:
    """One end of the cable."""

    def __init__(self, name: str, address: str, folder: Path, token: str) -> None:
        self.name, self.address = name, address
        self._folder = folder
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # as everybody else on this machine
            "OMP_NUM_THREADS": "1",
        }

    def begin(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Begin a command on this host, in a process group of its own."""
        with log.open("wb") as file:
            return subprocess.Popen(  # noqa: S603
                ["ip", "netns", "exec", self.name, *command],  # noqa: S607
                env=self.environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def begin_ray(self, *options: str) -> subprocess.Popen[bytes]:
        """Begin a node of Ray on this host."""
        ray = str(Path(sys.executable).with_name("ray"))
        where = ["--node-ip-address", self.address, "--object-store-memory", str(OBJECT_STORE_BYTES)]
        places = ["--plasma-directory", str(self._folder), "--temp-dir", str(self._folder / self.name)]
        return self.begin(
            ray, "start", "--block", *where, *places, "--include-log-monitor", "false", *options,
            log=self._folder / f"{self.name}.log",
        )  # fmt: skip

    def set_link(self, state: str) -> None:
        """Pull this end of the cable (`down`), or plug it in again (`up`)."""
        _ip("-n", self.name, "link", "set", "cable", state)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Give two hosts that reach each other and nobody else."""
    token, number = secrets.token_hex(32), os.getpid()
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="kvz2-", dir="/tmp")))
        hosts = []
        for place, letter in enumerate("ab", start=1):
            name = f"kvz{number}{letter}"
            _ip("netns", "add", name)
            held.callback(_ip, "netns", "del", name)
            hosts.append(Host(name, f"{SUBNET}.{place}", folder, token))
        near, far = hosts
        _ip("-n", near.name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far.name)
        for host in hosts:
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "cable")
            host.set_link("up")
            _ip("-n", host.name, "link", "set", "lo", "up")
        yield near, far


@contextmanager
def ray_on(near: Host, far: Host, *, near_cpus: int, far_cpus: int) -> Iterator[str]:
    """Give the address of a cluster whose head is on one host, with a node on the other."""
    with ExitStack() as held:
        address = f"{near.address}:{PORT}"
        head = near.begin_ray("--head", "--port", str(PORT), "--num-cpus", str(near_cpus), "--include-dashboard=false")
        held.callback(end, head)
        count = held.enter_context(_counting(near, address))
        _await_one_more(count)
        node = far.begin_ray("--address", address, "--num-cpus", str(far_cpus))
        held.callback(end, node)
        _await_one_more(count)
        yield address


@contextmanager
def _counting(near: Host, address: str) -> Iterator[IO[str]]:
    """Give where a line is written for each node of a cluster once it is there."""
    words = ["ip", "netns", "exec", near.name, sys.executable, "-c", COUNT, address, str(START_SECONDS)]
    with subprocess.Popen(words, env=near.environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield process.stdout
        finally:
            process.kill()


def _await_one_more(count: IO[str]) -> None:
    if not count.readline():
        raise TimeoutError(f"the nodes of Ray did not begin in {START_SECONDS} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group: kindly, then by force."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    process.wait()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)  # noqa: S603, S607
