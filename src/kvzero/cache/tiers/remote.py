"""Frames on a Redis server, or one that speaks like it: asked briefly, and never twice."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any

from kvzero.cache.tiers.address import RedisAddress
from kvzero.cache.tiers.backend import BackendError
from kvzero.errors import ConfigError

__all__ = ["READ_SECONDS", "RedisBackend"]

READ_SECONDS = 0.05
"""How long the thread that works waits for the server each time."""
WRITE_SECONDS = 1.0
"""How long the thread that writes does."""
PREFIX = b"kvzero:"
"""What keys begin with on the server."""


class RedisBackend:
    """Serves `Backend` over one server, whose settings say how much it keeps and what it evicts."""

    name = "redis"

    def __init__(self, address: RedisAddress, password: str | None) -> None:
        """Remember where the server is; it is called up when it is first asked.

        Raises:
            ConfigError: if `redis` is not installed.
        """
        self.place = f"tier {address}"
        self._is_named = address.is_named
        self._reader, self._writer = (_connect(address, password, seconds) for seconds in (READ_SECONDS, WRITE_SECONDS))

    def get_many(self, keys: Sequence[bytes], max_bytes: int) -> list[bytes | None]:
        """Return what lies under each key, of more than `max_bytes` the first `max_bytes + 1`."""
        replies = self._read(keys, lambda line, key: line.getrange(key, 0, max_bytes))
        for reply in replies:
            if not isinstance(reply, bytes):
                raise BackendError(f"it answered with {type(reply).__name__} where bytes were asked for")
        return [reply or None for reply in replies]

    def exists_many(self, keys: Sequence[bytes]) -> list[bool]:
        """Return under which keys something lies."""
        return [reply == 1 for reply in self._read(keys, lambda line, key: line.exists(key))]

    def put_many(self, frames: Mapping[bytes, bytes]) -> list[bytes]:
        """Keep the frames whose keys are free, each whole or not at all; return these keys."""
        frame_of = {PREFIX + key: frame for key, frame in frames.items()}
        replies = _ask(self._writer, list(frames), lambda line, key: line.set(key, frame_of[key], nx=True))
        return [key for key, reply in zip(frames, replies, strict=True) if reply]

    def drop_many(self, keys: Sequence[bytes]) -> None:
        """Forget keys."""
        _ask(self._writer, keys, lambda line, key: line.unlink(key))

    def ping(self) -> None:
        """Return if the server answers."""
        _attempt(self._writer.ping)

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._writer.close()

    def _read(self, keys: Sequence[bytes], add: Callable[[Any, bytes], object]) -> list[Any]:
        """Return the replies to one command for each key, without waiting for whoever looks names up."""
        if not self._is_named:
            return _ask(self._reader, keys, add)
        return _in_time(lambda: _ask(self._reader, keys, add), READ_SECONDS)


def _connect(address: RedisAddress, password: str | None, seconds: float) -> Any:
    try:
        import redis  # noqa: PLC0415  # an extra
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f'tier {address} needs redis, which is not installed; run: pip install "kvzero[redis]"'
        ) from error
    return redis.Redis(
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.username,
        password=password,
        ssl=address.is_encrypted,
        protocol=2,
        driver_info=None,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
    )


def _ask(client: Any, keys: Sequence[bytes], add: Callable[[Any, bytes], object]) -> list[Any]:
    """Return the replies to one command for each key, all sent before the first reply is read."""
    if not keys:
        return []
    line = client.pipeline(transaction=False)
    for key in keys:
        add(line, PREFIX + key)
    replies: list[Any] = _attempt(lambda: line.execute(raise_on_error=False))  # which would quote what was sent
    for reply in replies:
        if isinstance(reply, Exception):
            raise BackendError(str(reply)) from reply
    return replies


def _in_time(ask: Callable[[], list[Any]], seconds: float) -> list[Any]:
    """Return what is answered within so many seconds; an answer that comes later leaves an open connection behind.

    Looking a name up takes as long as the system likes, and nothing can end it.
    """
    answer: Future[list[Any]] = Future()

    def wait() -> None:
        try:
            answer.set_result(ask())
        except BackendError as error:
            answer.set_exception(error)

    Thread(target=wait, name="kvzero tier redis, asking", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError as error:
        raise BackendError(f"no answer within {seconds:g} s, its name may not have been found yet") from error


def _attempt(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:  # what a client makes of a server that answers with nonsense is not its own errors alone
        raise BackendError(str(error) or type(error).__name__) from error
