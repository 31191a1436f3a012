"""Frames in files that the processes of one host share, by LMDB; full, they forget the older half.

Two files take turns: new frames go into the young one. Once that is full, the old one is emptied and becomes the young
one. A file counts as full well before its bound, since LMDB writes changed pages anew before it can use the old ones
again.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from shutil import disk_usage
from typing import Any

from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.folders import make_folder
from kvzero.cache.tiers.tier import DIGEST_BYTES
from kvzero.errors import ConfigError

__all__ = ["LmdbBackend"]

FILES = ("a", "b")
FULL_SHARE = 0.6
YOUNG = b"young"
"""The key, in the first file, that says which one is young."""
SETTLED = b"settled"
"""A key that is written so that something is committed."""
NUM_SETTLING = 2
NUM_DELETED = 16
"""Entries that are deleted together: so few that one page holds the numbers of the pages that they give up."""
MAX_READERS = 512
LEAST_FREE_BYTES = 1 << 20
"""Below this a disk counts as full: LMDB reports an error of input or output then."""


class _File:
    """An open environment of LMDB; a process may open each once only.

    Another process may have made it larger. Then no transaction begins here before the new size is taken over, which
    maps the file anew, so that there must be no other transaction in this process meanwhile.
    """

    def __init__(self, lmdb: Any, path: Path, max_bytes: int) -> None:
        self.env = lmdb.open(
            str(path),
            map_size=max_bytes,
            max_readers=MAX_READERS,
            mode=0o600,
            metasync=False,  # the last commit may be lost with the machine; the file stays whole
            writemap=False,  # a full disk is an error; with a map that is written to, it would be a signal
        )
        self.main = self.env.open_db(None)  # its only table
        self.num_users = 0
        self._grown_error = lmdb.MapResizedError
        self._num_open = 0
        self._closing = threading.Condition()  # of a transaction

    @contextmanager
    def begin(self, **options: bool) -> Iterator[Any]:
        """Open a transaction, which is committed in the end unless something is raised."""
        with ExitStack() as counted:
            counted.enter_context(self._count())
            try:
                transaction = self.env.begin(**options)
            except self._grown_error:
                counted.close()
                self._take_over_size()
                counted.enter_context(self._count())
                transaction = self.env.begin(**options)
            with transaction as txn:
                yield txn

    @contextmanager
    def _count(self) -> Iterator[None]:
        with self._closing:
            self._num_open += 1
        try:
            yield
        finally:
            with self._closing:
                self._num_open -= 1
                self._closing.notify_all()

    def _take_over_size(self) -> None:
        with self._closing:
            self._closing.wait_for(lambda: not self._num_open)
            self.env.set_mapsize(0)


_open_files: dict[Path, _File] = {}
_open_files_lock = threading.Lock()


class LmdbBackend:
    """Serves `Backend` over two files of bounded size in a folder; whoever uses them may be killed at any moment.

    LMDB never writes a page that is in use, and syncs what a commit refers to before the commit. So whatever ends a
    process or the machine, what is found is what some commit left. Reading waits for nobody; only writers wait for each
    other.
    """

    name = "lmdb"

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the files, or make them.

        Raises:
            ConfigError: if `lmdb` is not installed.
            BackendError: if the folder or a file cannot be used.
        """
        self.place = f"tier lmdb:{folder}"
        self._lmdb = _import_lmdb()
        self._full_bytes = int(FULL_SHARE * max_bytes / len(FILES))
        self._paths = [folder.resolve() / name for name in FILES]
        self._files: list[_File] = []
        try:
            for path in self._paths:
                make_folder(path)
                with self._reporting():
                    self._files.append(self._open(path, max_bytes // len(FILES)))
        except BackendError:
            self.close()
            raise

    def get_many(self, keys: Sequence[bytes], max_bytes: int) -> list[bytes | None]:
        """Return what lies under each key, of more than `max_bytes` the first `max_bytes + 1`."""
        found: dict[bytes, bytes] = {}
        for file in self._files:
            with self._reporting(), file.begin(buffers=True) as txn:
                frames = ((key, txn.get(key)) for key in keys if key not in found)
                found |= {key: bytes(frame[: max_bytes + 1]) for key, frame in frames if frame is not None}
        return [found.get(key) for key in keys]

    def exists_many(self, keys: Sequence[bytes]) -> list[bool]:
        """Return under which keys something lies."""
        return [found is not None for found in self.get_many(keys, max_bytes=0)]

    def put_many(self, frames: Mapping[bytes, bytes]) -> list[bytes]:
        """Keep the frames whose keys are free, all or none; return these keys."""
        is_known = self.exists_many(list(frames))
        free = {key: frame for (key, frame), known in zip(frames.items(), is_known, strict=True) if not known}
        if not free:
            return []
        with self._reporting():
            for file in self._files:
                file.env.reader_check()  # readers that were killed would keep pages from being used again
            young = self._young()
            if self._num_bytes(young) > self._full_bytes:
                young = self._turn_over(young)
            try:
                return self._put(young, free)
            except self._lmdb.MapFullError:
                return self._put(self._turn_over(young), free)

    def drop_many(self, keys: Sequence[bytes]) -> None:
        """Forget keys."""
        for file in self._files if keys else ():
            with self._reporting(), file.begin(write=True) as txn:
                for key in keys:
                    txn.delete(key)

    def ping(self) -> None:
        """Return if the files can be read."""
        self.exists_many([YOUNG])

    def close(self) -> None:
        """Close the files, unless somebody else in this process still uses them; a second time, do nothing."""
        with _open_files_lock:
            files, self._files = self._files, []
            for path, file in zip(self._paths, files, strict=False):  # not all, if one cannot be opened
                file.num_users -= 1
                if not file.num_users:
                    del _open_files[path]
                    file.env.close()

    def _open(self, path: Path, max_bytes: int) -> _File:
        with _open_files_lock:
            if path not in _open_files:
                _open_files[path] = _File(self._lmdb, path, max_bytes)
            _open_files[path].num_users += 1
            return _open_files[path]

    def _young(self) -> int:
        with self._files[0].begin() as txn:
            return FILES.index(txn.get(YOUNG, FILES[0].encode()).decode())

    def _num_bytes(self, place: int) -> int:
        file = self._files[place]
        with file.begin() as txn:
            stat = txn.stat(file.main)
        return int(stat["psize"] * (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]))

    def _put(self, place: int, frames: Mapping[bytes, bytes]) -> list[bytes]:
        with self._files[place].begin(write=True) as txn:
            return [key for key, frame in frames.items() if txn.put(key, frame, overwrite=False)]

    def _turn_over(self, full: int) -> int:
        """Let the other file than the full one be the young one, and return its place.

        Of several processes one empties it; what others write into it meanwhile may be lost.
        """
        place = 1 - full
        with self._files[0].begin(write=True) as txn:
            is_first = txn.get(YOUNG, FILES[0].encode()).decode() == FILES[full]
            txn.put(YOUNG, FILES[place].encode())
        if is_first:
            self._empty(self._files[place])
        return place

    def _empty(self, file: _File) -> None:
        """Forget all that is in a file: at once, or, where there is no room to note so many free pages, bit by bit."""
        _settle(file)
        try:
            with file.begin(write=True) as txn:
                txn.drop(file.main, delete=False)
        except self._lmdb.MapFullError:
            while _delete_some(file):
                pass
        _settle(file)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report what LMDB raises as a `BackendError`."""
        try:
            yield
        except self._lmdb.MapFullError as error:
            raise BackendError("its files are full for now") from error
        except self._lmdb.Error as error:
            is_full = any(map(_is_full, self._paths))
            raise BackendError(f"{error}{', the disk is full' if is_full else ''}") from error
        except OSError as error:
            raise BackendError(error.strerror or str(error)) from error


def _is_full(folder: Path) -> bool:
    """Tell whether there is no room on the disk of a folder; of one that is gone, that is not the matter."""
    try:
        return disk_usage(folder).free < LEAST_FREE_BYTES
    except OSError:
        return False


def _settle(file: _File) -> None:
    """Let pages be used again that the last commits gave up, which LMDB does not allow the very next one."""
    for _ in range(NUM_SETTLING):
        with file.begin(write=True) as txn:
            txn.put(SETTLED, b"")


def _delete_some(file: _File) -> bool:
    """Delete some entries, and return whether there were any."""
    with file.begin(write=True) as txn:
        entries = (key for key in txn.cursor().iternext(values=False) if len(key) == DIGEST_BYTES)
        keys = list(islice(entries, NUM_DELETED))
        for key in keys:
            txn.delete(key)
    return bool(keys)


def _import_lmdb() -> Any:
    try:
        import lmdb  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigError('tier lmdb needs lmdb, which is not installed; run: pip install "kvzero[lmdb]"') from error
    return lmdb
