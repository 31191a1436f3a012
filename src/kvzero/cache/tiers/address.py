"""Where a tier is, as a user writes it: `lmdb:PATH`, `redis://HOST` or `rediss://HOST`."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from kvzero.errors import ConfigError

__all__ = ["LmdbAddress", "RedisAddress", "TierAddress", "read_address"]

EXAMPLES = "give lmdb:FOLDER, redis://HOST:PORT or rediss://HOST:PORT"
REDIS_PORT = 6379


@dataclass(frozen=True, slots=True)
class LmdbAddress:
    """A file of this host."""

    folder: Path
    """The folder that it is in."""

    def __str__(self) -> str:
        return f"lmdb:{self.folder}"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server."""

    host: str
    port: int
    db: int
    """Number of the database on the server."""
    username: str | None
    is_encrypted: bool

    @property
    def is_named(self) -> bool:
        """Whether the host has a name that somebody else has to look up."""
        try:
            ip_address(self.host)
        except ValueError:
            return self.host != "localhost"
        return False

    @property
    def is_local(self) -> bool:
        """Whether the way to the server does not leave this host."""
        return self.host == "localhost" or (not self.is_named and ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        user = "" if self.username is None else f"{self.username}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.is_encrypted else 'redis'}://{user}{host}:{self.port}/{self.db}"


TierAddress = LmdbAddress | RedisAddress


def read_address(text: str) -> TierAddress:
    """Return what an address says.

    Raises:
        ConfigError: if it is none, or holds a password, which would be written to every file that holds a run's config.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind == "lmdb" and rest:
        return LmdbAddress(_read_folder(rest))
    if colon and kind in ("redis", "rediss"):
        return _read_url(text)
    raise ConfigError(f"tier is {text!r}; {EXAMPLES}")


def _read_folder(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"tier is 'lmdb:{text}', and there is no such home; give the whole path") from error


def _read_url(text: str) -> RedisAddress:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ConfigError(f"tier cannot be read ({error}); {EXAMPLES}") from error
    if url.password is not None or url.query:
        raise ConfigError(
            f"the tier at {url.hostname} is given with a password or other options; a password belongs into the "
            "environment variable KVZERO_TIER_PASSWORD, from where no file of a run has it, and other options have "
            f"no effect: {EXAMPLES}"
        )
    db = url.path.removeprefix("/") or "0"
    if not url.hostname or not db.isdecimal() or url.fragment:
        raise ConfigError(f"tier is {text!r}; {EXAMPLES}, and if need be /NUMBER of a database after that")
    return RedisAddress(url.hostname, port or REDIS_PORT, int(db), url.username or None, url.scheme == "rediss")
