"""What a monitor serves: every figure, under a name and a type that Prometheus understands, until it is closed."""

import socket
import sys
from contextlib import closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from kvzero.cache import CacheStats
from kvzero.cache.pools.stats import LevelStats
from kvzero.cache.tiers.stats import TierCounts
from kvzero.errors import ConfigError, RunError
from kvzero.reports import Monitor
from kvzero.reports.monitor.families import FAMILIES, find_place

parser = pytest.importorskip("prometheus_client.parser")


def scrape(url: str) -> dict:
    """Return all families served, by name."""
    with urlopen(url, timeout=10) as answer:
        return {family.name: family for family in parser.text_string_to_metric_families(answer.read().decode())}


def values(family) -> dict:
    """Return the samples of a family by their labels."""
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_figures_are_served_with_names_types_labels_and_help(tmp_path: Path) -> None:
    with closing(Monitor("0")) as monitor:
        assert monitor.url.startswith("http://127.0.0.1:")
        sink = monitor(tmp_path / "poles")
        assert scrape(monitor.url)["kvzero_run_info"].samples[0].labels["run"] == "poles"
        sink.write(500, {"loss": 2.5, "loss_value": float("nan"), "cache/init/hits": 3, "cache/recur/hits": 40})
        sink.write(1_000, {"loss": 2.0, "cache/init/hits": 5, "mine/own": 7})
        found = scrape(monitor.url)
    assert (found["kvzero_env_steps"].type, values(found["kvzero_env_steps"])) == ("counter", {(): 1_000})
    assert found["kvzero_env_steps"].samples[0].name == "kvzero_env_steps_total"
    assert (found["kvzero_loss"].type, values(found["kvzero_loss"])) == ("gauge", {(): 2.0})
    assert list(values(found["kvzero_loss_part"])) == [("value",)]
    assert values(found["kvzero_cache_hits"]) == {("init",): 5, ("recur",): 40}
    assert found["kvzero_cache_hits"].samples[0].labels == {"pool": "init"}
    assert values(found["kvzero_figure"]) == {("mine/own",): 7}
    assert all(family.documentation for family in found.values())
    assert found["kvzero_figures_timestamp_seconds"].samples[0].value > 1e9


def test_what_is_told_since_the_line_before_is_summed(tmp_path: Path) -> None:
    with closing(Monitor("0")) as monitor:
        sink = monitor(tmp_path)
        for rows in (64.0, 32.0, 0.0):
            sink.write(500, {"reanalysis/rows": rows})
        found = scrape(monitor.url)["kvzero_reanalysis_rows"]
    assert (found.type, values(found)) == ("counter", {(): 96.0})


def test_every_figure_of_a_cache_has_a_place_of_its_own_or_is_what_others_add_up_to() -> None:
    pool = CacheStats(hits=1, misses=2, evictions=3, size=4, pool_size=5, bytes=6)
    named = [f"cache/{name}" for name in LevelStats({"env_0": pool}, pool).figures()]
    named += [f"cache/lmdb/{name}" for name in TierCounts().record().figures()]
    places = {name: place for name in named if (place := find_place(name)) is not None}
    assert all(place.family in FAMILIES for place in places.values())
    assert len(set(places.values())) == len(places)
    assert sorted(name.partition("/")[2] for name in named if name not in places) == [
        *sorted(f"global/{name}" for name in pool.figures()),
        *(f"init/{name}" for name in ("hit_rate", "miss_rate", "total_queries")),
        *(f"lmdb/{name}" for name in ("hit_rate", "miss_rate", "misses", "read_ratio", "total_queries")),
        *(f"recur/{name}" for name in ("hit_rate", "miss_rate", "total_queries")),
    ]


def test_names_and_types_follow_what_prometheus_asks_of_them() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))]


def test_nothing_is_served_once_it_is_closed(tmp_path: Path) -> None:
    monitor = Monitor("0")
    monitor(tmp_path)
    monitor.close()
    with pytest.raises(URLError):
        urlopen(monitor.url, timeout=10)


def test_a_port_that_is_taken_is_refused() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"127\.0\.0\.1:{port} .*Address already in use.*give monitor another port"):
            Monitor(str(port))


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(RunError, match=r"figures cannot be served at 192\.0\.2\.1:0"):
        Monitor("192.0.2.1:0")


def test_without_its_package_it_is_refused_and_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"kvzero\[monitor\]"):
        Monitor("0")
