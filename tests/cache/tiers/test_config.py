"""What tiers are called is read, or refused with what to write; a password stands in no config."""

from pathlib import Path

import pytest

from kvzero.cache.tiers import TierConfig
from kvzero.cache.tiers.address import LmdbAddress, RedisAddress
from kvzero.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("lmdb:some/folder", LmdbAddress(Path("some/folder"))),
        ("lmdb:~", LmdbAddress(Path.home())),
        ("redis://here", RedisAddress("here", 6379, 0, None, is_encrypted=False)),
        ("redis://[::1]:77/3", RedisAddress("::1", 77, 3, None, is_encrypted=False)),
        ("rediss://me@there.net:99", RedisAddress("there.net", 99, 0, "me", is_encrypted=True)),
    ],
)
def test_an_address_is_read(text: str, address: object) -> None:
    (found,) = TierConfig(tier=(text,)).addresses
    assert found == address
    assert TierConfig(tier=(str(found),)).addresses == [address]


def test_commas_make_a_chain() -> None:
    assert TierConfig(tier=("lmdb:a, redis://b",)) == TierConfig(tier=("lmdb:a", "redis://b"))


@pytest.mark.parametrize(
    "text", ["", "lmdb", "lmdb:", "redis:", "redis://", "redis://a:b", "redis://a/b", "http://a", "a"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="give lmdb:FOLDER, redis://HOST:PORT or rediss://HOST:PORT"):
        TierConfig(tier=(text,))


def test_a_home_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="'lmdb:~nobody-of-this-name/tier', and there is no such home"):
        TierConfig(tier=("lmdb:~nobody-of-this-name/tier",))


@pytest.mark.parametrize("text", ["redis://:hush@here", "rediss://me:hush@here/2", "redis://here?password=hush"])
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="KVZERO_TIER_PASSWORD") as refusal:
        TierConfig(tier=(text,))
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tier": ("lmdb:a", "lmdb:b")}, "one of each kind"),
        ({"tier": ("redis://a", "rediss://b")}, "one of each kind"),
        ({"tier": ("lmdb:a",), "tier_max_bytes": 1_000}, "tier_max_bytes is 1000; give at least"),
        ({"tier": ("redis://a",), "tier_max_bytes": 1 << 25}, "tier_max_bytes would have no effect"),
        ({"tier": ("lmdb:a",), "tier_trusts_network": True}, "tier_trusts_network would have no effect"),
        ({"tier_max_bytes": 1 << 25}, "tier_max_bytes would have no effect"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TierConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("localhost", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("a.net", False)],
)
def test_only_what_cannot_leave_this_host_is_local(host: str, is_local: bool) -> None:
    assert RedisAddress(host, 1, 0, None, is_encrypted=False).is_local == is_local
