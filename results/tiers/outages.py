"""What outages of a server cost: look-ups of a tier, and of the client of `redis` as it comes, while they last.

    python results/tiers/outages.py [--seconds 3] [--out results/tiers/outages.json]

A server is killed, stopped by SIGSTOP, or cut off (its network namespace loses its link, which takes root; left out
otherwise). Before, during and after, a tier looks one key up every 10 ms. Told are the time that all look-ups of the
outage took together, the longest of them, how many waited, and how long after its end the first hit came. The client as
it comes is asked once in each outage, and given up after 15 s.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from kvzero.cache.tiers import Entry, Tier, TierConfig, open_tier
from kvzero.reports import machine_facts

NAMESPACE, KEY = bytes(32), bytes(range(32))
ENTRY = Entry(b"a result" * 100, "none", (100,))
EVERY_SECONDS = 0.01
GIVE_UP_SECONDS = 15.0
ADDRESS, NEAR_ADDRESS = "10.213.251.2", "10.213.251.1"


class Server:
    """A server of our own."""

    def __init__(self, host: str, inside: list[str], folder: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.host = host
        binary = shutil.which("redis-server") or shutil.which("valkey-server") or "redis-server"
        options = ["--port", str(self.port), "--bind", host, "--protected-mode", "no", "--save", "", "--dir", folder]
        self._command = [*inside, binary, *options]
        self.begin()

    def begin(self) -> None:
        """Begin, and wait until somebody listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
        while True:
            with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            time.sleep(0.01)

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def network() -> Iterator[tuple[list[str], Callable[[str], None]]]:
    """Give what runs a command in a network namespace, and what sets its link up or down."""
    name, near, far = f"outage{os.getpid()}", f"ou{os.getpid()}a", f"ou{os.getpid()}b"

    def run(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)  # noqa: S603, S607

    run("netns", "add", name)
    try:
        run("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        run("addr", "add", f"{NEAR_ADDRESS}/30", "dev", near)
        run("link", "set", near, "up")
        run("-n", name, "addr", "add", f"{ADDRESS}/30", "dev", far)
        run("-n", name, "link", "set", far, "up")
        yield ["ip", "netns", "exec", name], lambda state: run("-n", name, "link", "set", far, state)
        run("link", "del", near)  # at once, where a namespace takes its links with it only some time later
    finally:
        run("netns", "del", name)


@contextmanager
def outage(kind: str) -> Iterator[tuple[Server, Callable[[], None], Callable[[], None]]]:
    """Give a server, what makes it fail, and what makes it well again."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "cut off":
            with network() as (inside, link):
                server = Server(ADDRESS, inside, folder)
                yield server, lambda: link("down"), lambda: link("up")
                server.kill()
            return
        server = Server("127.0.0.1", [], folder)
        if kind == "killed":
            yield server, server.kill, server.begin
        else:
            yield (
                server,
                lambda: server.process.send_signal(signal.SIGSTOP),
                lambda: server.process.send_signal(signal.SIGCONT),
            )
        server.kill()


def look_up(tier: Tier) -> tuple[float, bool]:
    """Return how long a look-up takes, and whether it is a hit."""
    started = time.perf_counter()
    (found,) = tier.get_many(NAMESPACE, [KEY])
    return time.perf_counter() - started, found is not None


def keep(tier: Tier) -> None:
    """Have the entry kept, as whoever misses it does."""
    tier.set_many(NAMESPACE, {KEY: ENTRY})


def wait_for_hit(tier: Tier) -> float:
    """Return after how many seconds a look-up is a hit."""
    started = time.perf_counter()
    while not look_up(tier)[1]:
        keep(tier)
        time.sleep(EVERY_SECONDS)
    return time.perf_counter() - started


def measure_tier(kind: str, seconds: float) -> dict[str, Any]:
    """Return what an outage costs who uses a tier."""
    with outage(kind) as (server, fail, mend):
        config = TierConfig(tier=(f"redis://{server.host}:{server.port}",), tier_trusts_network=True)
        tier = open_tier(config)
        if tier is None:
            raise RuntimeError("a server is never refused when a tier is opened")
        with closing(tier):
            wait_for_hit(tier)
            usual = [look_up(tier)[0] for _ in range(50)]
            waits = tier.stats()["redis"].misses["timeout"]
            fail()
            took = []
            stop_at = time.monotonic() + seconds
            while time.monotonic() < stop_at:
                took.append(look_up(tier)[0])
                time.sleep(EVERY_SECONDS)
            waits = tier.stats()["redis"].misses["timeout"] - waits
            mend()
            return {
                "usual_ms": 1000 * sorted(usual)[len(usual) // 2],
                "lost_ms": 1000 * sum(took),
                "longest_ms": 1000 * max(took),
                "lookups": len(took),
                "lookups_that_waited": waits,
                "recovered_after_ms": 1000 * wait_for_hit(tier),
            }


def measure_default_client(kind: str) -> float | None:
    """Return how many milliseconds one look-up of the client as it comes takes in an outage; None if it never ended."""
    with outage(kind) as (server, fail, mend):
        client = redis.Redis(host=server.host, port=server.port)
        client.set(KEY, ENTRY.payload)
        fail()
        took: list[float] = []

        def ask() -> None:
            started = time.perf_counter()
            with suppress(redis.RedisError):
                client.get(KEY)
            took.append(1000 * (time.perf_counter() - started))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(GIVE_UP_SECONDS)
        found = took[0] if took else None
        mend()
        thread.join(GIVE_UP_SECONDS)
        return found


def main() -> None:
    """Measure every outage, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "outages.json")
    words = parser.parse_args()
    kinds = ["killed", "stopped", *(["cut off"] if os.geteuid() == 0 and shutil.which("ip") else [])]
    found: dict[str, Any] = {"machine": machine_facts(), "client": redis.__version__, "seconds": words.seconds}
    for kind in kinds:
        found[kind] = measure_tier(kind, words.seconds) | {"default_client_ms": measure_default_client(kind)}
        print(json.dumps({kind: found[kind]}))
    words.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
