"""The knobs of tiers: which there are, and how much a file may take."""

from dataclasses import dataclass

from kvzero.cache.tiers.address import LmdbAddress, RedisAddress, TierAddress, read_address
from kvzero.checks import changed_fields, check_field, read_fields
from kvzero.errors import ConfigError

__all__ = ["TierConfig"]

LEAST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TierConfig:
    """Where results are kept beyond this process."""

    tier: tuple[str, ...] = ()
    """Where results outlive the process and others find them, nearest first: lmdb:FOLDER, a file of this host;
    redis://HOST:PORT or rediss://HOST:PORT, a server. Several, one of each kind, are a chain. Nowhere if not given."""

    tier_max_bytes: int = 1 << 30
    """Most bytes of the file of an lmdb tier; once it is full, the older half is forgotten."""

    tier_trusts_network: bool = False
    """Whether a server on another host is used even without a password and encryption."""

    def __post_init__(self) -> None:
        read_fields(self)
        specs = tuple(word.strip() for spec in self.tier for word in spec.split(","))
        object.__setattr__(self, "tier", specs)
        check_field(self, "tier_max_bytes", lambda value: value >= LEAST_BYTES, f"give at least {LEAST_BYTES:,}")
        kinds = [type(address) for address in self.addresses]
        if len(set(kinds)) < len(kinds):
            raise ConfigError(f"tier is {', '.join(specs)}; give one of each kind at most")
        users = {"tier_max_bytes": LmdbAddress, "tier_trusts_network": RedisAddress}
        idle = [name for name in changed_fields(self) if name in users and users[name] not in kinds]
        if idle:
            raise ConfigError(f"{', '.join(idle)} would have no effect without such a tier; leave it out")

    @property
    def addresses(self) -> list[TierAddress]:
        """What the tiers say, in their order."""
        return [read_address(spec) for spec in self.tier]
