"""A file keeps what several tiers and processes give it, within its bound, whoever is killed meanwhile."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import lmdb
import pytest
from tests.cache.tiers.fakes import NAMESPACE, entries, entry, key, wait_until

from kvzero.cache.tiers import TierConfig, embedded, open_tier
from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.embedded import FULL_SHARE, LmdbBackend
from kvzero.errors import KvzeroWarning

ROOT = Path(__file__).parents[3]
MAX_BYTES = 16 << 20


def test_what_one_process_kept_is_there_for_the_next(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        assert backend.put_many({key(1): b"one", key(2): b"two"}) == [key(1), key(2)]
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        assert backend.put_many({key(2): b"another", key(3): b"three"}) == [key(3)]
        assert backend.get_many([key(3), key(2), key(4)], 100) == [b"three", b"two", None]
        assert backend.get_many([key(3)], 2) == [b"thr"]
        backend.drop_many([key(1)])
        assert backend.exists_many([key(1), key(2)]) == [False, True]


def test_a_process_may_open_a_file_twice(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as first:
        with closing(LmdbBackend(disk / ".." / disk.name, MAX_BYTES)) as second:
            first.put_many({key(1): b"one"})
            assert second.get_many([key(1)], 100) == [b"one"]
        assert first.get_many([key(1)], 100) == [b"one"]


def test_closing_twice_leaves_the_files_to_those_who_use_them(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as other:
        backend = LmdbBackend(disk, MAX_BYTES)
        backend.close()
        backend.close()
        assert other.put_many({key(1): b"one"}) == [key(1)]
    assert not embedded._open_files.keys() & set(other._paths)


LARGER = """
import lmdb, sys
for path in sys.argv[1:]:
    with lmdb.open(path, map_size=64 << 20, max_readers=512) as env:
        for number in range(12):
            with env.begin(write=True) as txn:
                txn.put(b"%032d" % number, bytes(1 << 20))
"""


def enlarge(*paths: Path) -> None:
    """Let another process, which has a larger bound, write more into these files than fits the smaller one."""
    subprocess.run([sys.executable, "-c", LARGER, *map(str, paths)], check=True)


def test_files_that_another_process_enlarged_are_read_and_written_on(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        backend.put_many({key(1): b"one"})
        enlarge(*backend._paths)
        assert backend.get_many([key(1), b"%032d" % 11], 4) == [b"one", bytes(5)]
        enlarge(*backend._paths)
        assert backend.put_many({key(2): b"two"}) == [key(2)]
        assert backend.get_many([key(2)], 100) == [b"two"]


def test_a_file_that_grew_is_mapped_anew_once_no_other_thread_is_reading_it(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend, ThreadPoolExecutor() as pool:
        backend.put_many({key(1): b"one"})
        with backend._files[0].begin(buffers=True) as reading:
            enlarge(backend._paths[0])
            asked = pool.submit(backend.get_many, [key(1)], 100)
            time.sleep(0.2)
            assert not asked.done()
            assert bytes(reading.get(key(1))) == b"one"
        assert asked.result() == [b"one"]


def test_where_the_folders_are_gone_what_lmdb_says_is_still_what_is_told(disk: Path) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        backend._files[0].env.close()
        for path in backend._paths:
            shutil.rmtree(path)
        with pytest.raises(BackendError, match="closed"):
            backend.get_many([key(1)], 100)


def test_of_two_processes_that_write_one_key_at_once_the_first_is_kept(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        backend.put_many({key(1): b"one"})
        with monkeypatch.context() as patched:  # that it is not there yet is what the second one has seen
            patched.setattr(backend, "exists_many", lambda keys: [False] * len(keys))
            assert backend.put_many({key(1): b"another", key(2): b"two"}) == [key(2)]
        assert backend.get_many([key(1), key(2)], 100) == [b"one", b"two"]


@pytest.mark.parametrize("num_bytes", [300, 5_000, 200_000])
def test_a_full_file_forgets_the_older_half_and_stays_within_its_bound(disk: Path, num_bytes: int) -> None:
    rng = random.Random(num_bytes)
    given: list[bytes] = []
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        for _ in range(2 * MAX_BYTES // (1 << 17)):
            batch = {rng.randbytes(32): rng.randbytes(num_bytes) for _ in range(max(1, (1 << 17) // num_bytes))}
            assert backend.put_many(batch) == list(batch)
            assert backend.get_many(list(batch), num_bytes) == list(batch.values())
            # Before one is full to the brim: emptying that one takes long, see below.
            assert backend._num_bytes(backend._young()) < FULL_SHARE * MAX_BYTES / 2 + (1 << 19)
            given += batch
        is_there = backend.exists_many(given)
        assert is_there == sorted(is_there)  # what is gone is older than all that is there
        assert MAX_BYTES // 6 < sum(is_there) * num_bytes < MAX_BYTES
    assert sum(path.stat().st_size for path in disk.rglob("data.mdb")) <= MAX_BYTES


def fill(backend: LmdbBackend, place: int, rng: random.Random) -> None:
    """Write into one of the files until it takes no more."""
    while True:
        backend._put(place, {rng.randbytes(32): rng.randbytes(rng.randrange(4_000)) for _ in range(4)})


def test_files_without_a_free_page_are_used_again(disk: Path) -> None:
    """LMDB notes which pages are free in pages of its own, of which a file that is full to the brim has none."""
    rng = random.Random(2)
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        for place in (0, 1):
            with pytest.raises(lmdb.MapFullError):
                fill(backend, place, rng)
        assert backend.put_many({key(1): b"one"}) == [key(1)]
        assert backend.get_many([key(1)], 100) == [b"one"]


def test_writers_that_are_killed_leave_nothing_torn_behind(disk: Path) -> None:
    """The same for a minute with 100 kills is in `results/tiers`."""
    script = ROOT / "results/tiers/kill_writers.py"
    words = ["--folder", str(disk), "--seconds", "2", "--processes", "3", "--kills", "10", "--keys", "8000"]
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 10
    assert found["hits"] > 0
    assert found["written"] > 0
    assert found["wrong"] == 0
    assert found["misses"].keys() == {"absent"}
    assert found["file_bytes"] <= found["max_bytes"]


READER = """
import lmdb, sys
held = [lmdb.open(path, max_readers=512).begin() for path in sys.argv[1:]]
print("reads", flush=True)
sys.stdin.read()
"""


def test_readers_that_were_killed_keep_no_room(disk: Path) -> None:
    rng = random.Random(4)
    with closing(LmdbBackend(disk, MAX_BYTES)) as backend:
        words = [sys.executable, "-c", READER, *map(str, backend._paths)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"reads\n"
            reader.kill()
        for _ in range(3 * MAX_BYTES // 800_000):
            batch = {rng.randbytes(32): rng.randbytes(200_000) for _ in range(4)}
            assert backend.put_many(batch) == list(batch)


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_a_file_cannot_grow_it_is_still_read_and_used_again_later(disk: Path) -> None:
    tier = open_tier(TierConfig(tier=(f"lmdb:{disk}",)))
    assert tier is not None
    with closing(tier):
        tier.set_many(NAMESPACE, entries(1))
        wait_until(lambda: tier.stats()["lmdb"].written == 1)
        with largest_file(500_000):
            tier.set_many(NAMESPACE, entries(2, num_bytes=1_000_000))
            with pytest.warns(KvzeroWarning, match="keeps nothing for now: .*; the run goes on without"):
                wait_until(lambda: tier.stats()["lmdb"].dropped["sick"] == 1)
        assert tier.get_many(NAMESPACE, [key(1), key(2)]) == [entry(1), None]
        tier.set_many(NAMESPACE, entries(3))
        wait_until(lambda: tier.get_many(NAMESPACE, [key(3), key(2)]) == [entry(3), None])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_told_of_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=True)
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: [])  # whose kind would be refused
    try:
        tier = open_tier(TierConfig(tier=(f"lmdb:{tmp_path}",)))
        assert tier is not None
        with closing(tier):
            tier.set_many(NAMESPACE, entries(1))
            wait_until(lambda: tier.stats()["lmdb"].written == 1)
            tier.set_many(NAMESPACE, entries(2, num_bytes=1_100_000))
            with pytest.warns(KvzeroWarning, match="keeps nothing for now: .*the disk is full.*; the run goes on"):
                wait_until(lambda: tier.stats()["lmdb"].dropped["sick"] == 1)
            assert tier.get_many(NAMESPACE, [key(1), key(2)]) == [entry(1), None]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """Return a folder that the user, who is not root meanwhile, may read only."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o555)
        os.seteuid(65534 if user == 0 else user)
        yield Path(name)
        os.seteuid(user)
        Path(name).chmod(0o755)


def test_a_folder_that_may_only_be_read_is_told_of_in_one_sentence(read_only: Path) -> None:
    for folder in (read_only, read_only / "new"):
        with pytest.warns(KvzeroWarning, match=r"is not used: .*Permission denied.*; the run goes on without$") as said:
            assert open_tier(TierConfig(tier=(f"lmdb:{folder}",))) is None
        assert len(said) == 1


def test_what_is_no_file_of_lmdb_is_told_of(disk: Path) -> None:
    (disk / "b").mkdir()
    (disk / "b" / "data.mdb").write_bytes(b"something else" * 1_000)
    with pytest.raises(BackendError, match="MDB_INVALID"):
        LmdbBackend(disk, MAX_BYTES)
