"""A server keeps what a tier gives it; killed, stopped, cut off or talking nonsense, it costs a few short waits."""

import shutil
import socket
import subprocess
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import redis
from tests.cache.tiers.fakes import NAMESPACE, entries, entry, keep_one, key, wait_until
from tests.cache.tiers.servers import Server, far_end, needs_namespaces, needs_server, serving

from kvzero.cache.tiers import Tier, TierConfig, TierStats, open_tier
from kvzero.cache.tiers.address import RedisAddress
from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.breaker import MAX_FAILURES
from kvzero.cache.tiers.remote import PREFIX, READ_SECONDS, RedisBackend
from kvzero.errors import KvzeroWarning


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as server:
        yield server


@contextmanager
def tier_at(url: str, *, trusts: bool = False) -> Iterator[Tier]:
    tier = open_tier(TierConfig(tier=(url,), tier_trusts_network=trusts))
    assert tier is not None
    with closing(tier):
        yield tier


def stats(tier: Tier) -> TierStats:
    return tier.stats()["redis"]


def held(tier: Tier, *numbers: int) -> list[bool] | None:
    """Return which entries the server has; None where it does not answer."""
    with suppress(BackendError):
        return tier._backend.exists_many([key(number) for number in numbers])
    return None


def keep(tier: Tier, *numbers: int) -> None:
    """Have entries kept, and wait until they are; what the tier dropped on a machine that is busy is given again."""
    given_after = -1

    def are_kept() -> bool:
        nonlocal given_after
        if (dropped := stats(tier).dropped["sick"]) != given_after:
            given_after = dropped
            tier.set_many(NAMESPACE, entries(*numbers))
        return held(tier, *numbers) == [True] * len(numbers)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KvzeroWarning)
        wait_until(are_kept)


def count_waits(tier: Tier) -> int:
    """Look up until the breaker is open, and return how many look-ups waited for the server."""
    before = stats(tier).misses["timeout"]
    with pytest.warns(KvzeroWarning, match="does not answer"):
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [None] and bool(stats(tier).misses["open"]))
    return stats(tier).misses["timeout"] - before


def reason_for_nothing(server: Server) -> str:
    """Return what is told of a server from which nothing is to be had."""
    with tier_at(server.url) as tier, pytest.warns(KvzeroWarning, match="does not answer") as said:
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [None] and bool(stats(tier).misses["open"]))
    return str(said[0].message)


def check_outage(tier: Tier) -> None:
    """See that an outage costs at most 200 ms: three look-ups, each of which waits once."""
    assert 1 <= count_waits(tier) <= MAX_FAILURES
    assert MAX_FAILURES * READ_SECONDS <= 0.2
    assert tier.get_many(NAMESPACE, [key(1)] * 50) == [None] * 50


@needs_server
def test_what_one_tier_kept_another_finds(server: Server) -> None:
    with tier_at(server.url) as writer, tier_at(server.url) as reader:
        keep(writer, 1, 2)
        wait_until(lambda: reader.get_many(NAMESPACE, [key(2), key(3), key(1)]) == [entry(2), None, entry(1)])
        writer.set_many(NAMESPACE, {key(1): entry(9)})
        wait_until(lambda: stats(writer).known == 1)
        assert reader.get_many(NAMESPACE, [key(1)]) == [entry(1)]
        reader.drop([key(1)])
        wait_until(lambda: held(writer, 1) == [False])
    with closing(redis.Redis(port=server.port)) as client:
        assert client.keys("*") == [PREFIX + key(2)]


@needs_server
def test_of_what_is_too_long_only_the_beginning_is_fetched(server: Server) -> None:
    address = RedisAddress("127.0.0.1", server.port, 0, None, is_encrypted=False)
    with closing(RedisBackend(address, None)) as backend:
        assert backend.put_many({key(1): bytes(1_000_000), key(2): b"short"}) == [key(1), key(2)]
        assert backend.get_many([key(1), key(2), key(3)], 10) == [bytes(11), b"short", None]


@needs_server
def test_of_two_that_write_one_key_the_first_is_kept(server: Server) -> None:
    address = RedisAddress("127.0.0.1", server.port, 0, None, is_encrypted=False)
    with closing(RedisBackend(address, None)) as first, closing(RedisBackend(address, None)) as second:
        assert first.put_many({key(1): b"one"}) == [key(1)]
        assert second.put_many({key(1): b"another", key(2): b"two"}) == [key(2)]
        wait_until(lambda: found_at(first, 1, 2) == [b"one", b"two"])


@needs_server
def test_a_server_that_is_killed_costs_little_and_is_used_again_once_it_is_back(server: Server) -> None:
    with tier_at(server.url) as tier:
        keep(tier, 1)
        server.kill()
        check_outage(tier)
        server.begin()
        wait_until(lambda: keep_one(tier))


@needs_server
def test_a_server_that_stands_still_costs_little_and_is_used_again_once_it_goes_on(server: Server) -> None:
    with tier_at(server.url) as tier:
        keep(tier, 1)
        server.stop()
        check_outage(tier)
        server.go_on()
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [entry(1)])


@needs_namespaces
def test_a_server_that_is_cut_off_costs_little_and_is_used_again_once_it_is_back(tmp_path: Path) -> None:
    with (
        far_end() as (host, inside, link),
        serving(tmp_path, "--protected-mode", "no", host=host, inside=inside) as server,
        tier_at(server.url, trusts=True) as tier,
    ):
        keep(tier, 1)
        subprocess.run([*link, "down"], check=True)
        check_outage(tier)
        subprocess.run([*link, "up"], check=True)
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1)]) == [entry(1)])


@needs_server
def test_a_name_that_is_looked_up_slowly_holds_nobody_up_and_is_used_once_it_is_found(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_found, look_up = Event(), socket.getaddrinfo

    def look_up_slowly(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "far.example":
            assert is_found.wait(60)
            host = "127.0.0.1"
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
    with closing(RedisBackend(RedisAddress("far.example", server.port, 0, None, is_encrypted=False), None)) as backend:
        for ask in (lambda: backend.get_many([key(1)], 10), lambda: backend.exists_many([key(1)])):
            with pytest.raises(BackendError, match=r"0\.05 s, its name"):
                ask()
        is_found.set()
        assert backend.put_many({key(1): b"short"}) == [key(1)]
        wait_until(lambda: found_at(backend, 1) == [b"short"])


def found_at(backend: RedisBackend, *numbers: int) -> list[bytes | None]:
    """Return what lies under some keys; nothing where a machine is so busy that the answer took too long."""
    try:
        return backend.get_many([key(number) for number in numbers], 10)
    except BackendError:
        return []


@needs_server
def test_a_server_that_is_full_is_still_read(tmp_path: Path) -> None:
    with serving(tmp_path, "--maxmemory", "1500000") as server, tier_at(server.url) as tier:
        keep(tier, 1)
        tier.set_many(NAMESPACE, entries(2, num_bytes=900_000))
        with pytest.warns(KvzeroWarning, match="keeps nothing for now: .*'maxmemory'.*; the run goes on without"):
            wait_until(lambda: stats(tier).dropped["sick"] == 1)
        assert tier.get_many(NAMESPACE, [key(1)]) == [entry(1)]


@needs_server
def test_a_password_is_asked_for_and_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, "--requirepass", "hush") as server:
        assert "uthentication required" in reason_for_nothing(server)
        monkeypatch.setenv("KVZERO_TIER_PASSWORD", "hush")
        with tier_at(server.url) as tier:
            keep(tier, 1)
            assert tier.get_many(NAMESPACE, [key(1)]) == [entry(1)]


@needs_server
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
def test_a_server_is_asked_in_secret_if_its_certificate_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key_file), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ["--tls-cert-file", certificate, "--tls-key-file", key_file, "--tls-auth-clients", "no"]
    with serving(tmp_path, *map(str, options), tls=True) as server:
        assert "certificate verify failed" in reason_for_nothing(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with tier_at(server.url) as tier:
            wait_until(lambda: keep_one(tier))


@contextmanager
def answering(reply: bytes) -> Iterator[RedisBackend]:
    """Give a backend whose server has one answer to everything."""

    def answer(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            while line.recv(1 << 16):
                line.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer, args=(listener,))
        thread.start()
        address = RedisAddress("127.0.0.1", listener.getsockname()[1], 0, None, is_encrypted=False)
        with closing(RedisBackend(address, None)) as backend:
            yield backend
        thread.join()


@pytest.mark.parametrize(
    "reply",
    [
        b"$9223372036854775808\r\nabc",
        b"$9223372036854775807\r\nabc",
        b"$99999999999\r\nabc",
        b"$x\r\n",
        b"*1\r\n$1\r\na\r\n",
        b":7\r\n",
        b"what?\r\n",
        b"$-1\r\n",
        b"-ERR no\r\n",
        b"\xff\xfe\r\n",
        b"$5\r\nab",
    ],
)
def test_nonsense_is_a_failure_and_makes_room_for_nothing(reply: bytes) -> None:
    with answering(reply) as backend:
        tracemalloc.start()
        try:
            with pytest.raises(BackendError):
                backend.get_many([key(1)], 100)
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
