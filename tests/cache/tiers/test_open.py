"""Tiers are opened, or done without in one sentence; a network that others may read is refused."""

import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.cache.tiers.fakes import NAMESPACE, entries, entry, key, wait_until

from kvzero.cache.tiers import TierConfig, embedded, open_tier
from kvzero.errors import ConfigError, KvzeroWarning


def test_without_a_tier_there_is_none() -> None:
    assert open_tier(TierConfig()) is None


@pytest.mark.parametrize("package", ["lmdb", "redis"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    spec = {"lmdb": f"lmdb:{tmp_path}", "redis": "redis://localhost"}[package]
    with pytest.raises(ConfigError, match=rf'needs {package}, .*pip install "kvzero\[{package}\]"'):
        open_tier(TierConfig(tier=(spec,)))


@pytest.mark.parametrize(
    ("spec", "password", "says"),
    [
        ("redis://far.net", "", "has no password"),
        ("rediss://far.net", "", "has no password"),
        ("redis://far.net", "hush", "not encrypted"),
        ("redis://10.1.2.3", "hush", "not encrypted"),
    ],
)
def test_a_server_on_another_host_needs_a_password_and_encryption_unless_it_is_said_otherwise(
    spec: str, password: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVZERO_TIER_PASSWORD", password)
    with pytest.raises(ConfigError, match=f"{says}; give rediss://") as refusal:
        open_tier(TierConfig(tier=(spec,)))
    assert "hush" not in str(refusal.value)


def test_what_was_opened_before_an_address_that_is_refused_is_closed_again(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KVZERO_TIER_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="has no password"):
        open_tier(TierConfig(tier=(f"lmdb:{disk}", "redis://far.net")))
    assert [path for path in embedded._open_files if path.is_relative_to(disk.resolve())] == []


def test_a_tier_that_cannot_be_used_is_done_without_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.warns(KvzeroWarning, match=r"^tier lmdb:.*/file is not used: .*; the run goes on without$") as said:
        assert open_tier(TierConfig(tier=(f"lmdb:{tmp_path}/file",))) is None
    assert len(said) == 1


def test_a_secret_separates_those_who_have_it_from_those_who_do_not(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TierConfig(tier=(f"lmdb:{disk}",))
    monkeypatch.setenv("KVZERO_TIER_SECRET", "hush")
    insider, outsider = open_tier(config), None
    monkeypatch.delenv("KVZERO_TIER_SECRET")
    outsider = open_tier(config)
    assert insider is not None
    assert outsider is not None
    with closing(insider), closing(outsider):
        insider.set_many(NAMESPACE, entries(1))
        wait_until(lambda: insider.get_many(NAMESPACE, [key(1)]) == [entry(1)])
        assert outsider.get_many(NAMESPACE, [key(1)]) == [None]
        assert outsider.stats()["lmdb"].misses["foreign"] == 1
        assert insider.get_many(NAMESPACE, [key(1)]) == [entry(1)]  # and is still there


def test_a_value_that_would_take_much_of_a_file_is_not_kept(disk: Path) -> None:
    tier = open_tier(TierConfig(tier=(f"lmdb:{disk}",), tier_max_bytes=16 << 20))
    assert tier is not None
    with closing(tier):
        tier.set_many(NAMESPACE, entries(1, num_bytes=(1 << 19) + 1))
        tier.set_many(NAMESPACE, entries(2, num_bytes=1 << 19))
        wait_until(lambda: tier.get_many(NAMESPACE, [key(1), key(2)]) == [None, entry(2, num_bytes=1 << 19)])
        assert tier.stats()["lmdb"].dropped["oversize"] == 1
