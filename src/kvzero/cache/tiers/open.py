"""How tiers are opened: what cannot be used is told of once, and the run goes on without."""

import os
import warnings
from contextlib import ExitStack

from kvzero.cache.tiers.address import RedisAddress, TierAddress
from kvzero.cache.tiers.backend import Backend, BackendError
from kvzero.cache.tiers.chain import TierChain
from kvzero.cache.tiers.config import TierConfig
from kvzero.cache.tiers.embedded import LmdbBackend
from kvzero.cache.tiers.frame import Framer
from kvzero.cache.tiers.remote import RedisBackend
from kvzero.cache.tiers.stored import StoredTier
from kvzero.cache.tiers.tier import Tier
from kvzero.errors import ConfigError, KvzeroWarning

__all__ = ["open_tier"]

PASSWORD_VARIABLE = "KVZERO_TIER_PASSWORD"  # noqa: S105  # where it is, not what it is
SECRET_VARIABLE = "KVZERO_TIER_SECRET"  # noqa: S105
MAX_PAYLOAD_BYTES = 16 << 20
"""Longest value that is kept; the context of an Atari agent takes 3 MB."""
QUEUE_BYTES = 64 << 20
"""How much may wait to be written."""
FILE_SHARE = 32
"""A value may take one part in so many of a file."""


def open_tier(config: TierConfig) -> Tier | None:
    """Return what a config names: a tier, a chain of tiers, or None where there is none, or none that can be used.

    A server's password is read from the environment variable `KVZERO_TIER_PASSWORD`, the secret that values are signed
    with from `KVZERO_TIER_SECRET`.

    Warns:
        KvzeroWarning: with the reason why a tier is done without.

    Raises:
        ConfigError: if a package is missing, or a server would be asked over a network without password and encryption.
            Nothing is left open then.
    """
    backends: list[Backend] = []
    with ExitStack() as opened:
        for address in config.addresses:
            backend = _open_backend(address, config)
            if backend is not None:
                backends.append(backend)
                opened.callback(backend.close)
        opened.pop_all()
    tiers = [_wrap(backend, config) for backend in backends]
    return TierChain(tiers) if len(tiers) > 1 else next(iter(tiers), None)


def _open_backend(address: TierAddress, config: TierConfig) -> Backend | None:
    if isinstance(address, RedisAddress):
        password = os.environ.get(PASSWORD_VARIABLE)
        _refuse_open_network(address, password, config)
        return RedisBackend(address, password)
    try:
        return LmdbBackend(address.folder, config.tier_max_bytes)
    except BackendError as error:
        warnings.warn(f"tier {address} is not used: {error}; the run goes on without", KvzeroWarning, stacklevel=3)
        return None


def _refuse_open_network(address: RedisAddress, password: str | None, config: TierConfig) -> None:
    if address.is_local or config.tier_trusts_network or (password and address.is_encrypted):
        return
    raise ConfigError(
        f"tier {address} is on another host, and {'not encrypted' if password else 'has no password'}; give rediss:// "
        f"and a password in {PASSWORD_VARIABLE}, or, where nobody else is on the network, tier_trusts_network"
    )


def _wrap(backend: Backend, config: TierConfig) -> Tier:
    limit = config.tier_max_bytes // FILE_SHARE if isinstance(backend, LmdbBackend) else MAX_PAYLOAD_BYTES
    framer = Framer(
        max_payload_bytes=min(limit, MAX_PAYLOAD_BYTES), secret=os.environ.get(SECRET_VARIABLE, "").encode()
    )
    return StoredTier(backend, framer, queue_bytes=QUEUE_BYTES)
