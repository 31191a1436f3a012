"""A run can be asked for its figures while it goes on, and no longer; where it cannot be, it does not begin."""

import socket
from contextlib import closing
from dataclasses import replace
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.training.samples import tiny_config

import kvzero
from kvzero.errors import ConfigError, RunError
from kvzero.reports.monitor.families import FAMILIES, find_place
from kvzero.training import read_config
from kvzero.training.distributed.collectors.figures import CrewFigures
from kvzero.training.distributed.collectors.messages import Label, Report

parser = pytest.importorskip("prometheus_client.parser")


class Asking:
    """An observer that asks the monitor, whenever there are figures, as Prometheus would."""

    def __init__(self):
        self.url = ""
        self.told = []
        self.found = []

    def message(self, text):
        if text.startswith("Prometheus"):
            self.url = text.rpartition(" ")[2]

    def update(self, env_steps, *, updates, figures=None):
        if figures:
            with urlopen(self.url, timeout=10) as answer:
                families = parser.text_string_to_metric_families(answer.read().decode())
                self.found.append({family.name: family for family in families})
            self.told.append((env_steps, dict(figures)))

    def newest(self, name: str) -> dict:
        """Return the newest samples of a family, by their labels."""
        return {tuple(sample.labels.values()): sample.value for sample in self.found[-1][name].samples}


def test_it_serves_its_figures_while_it_goes_on_and_not_afterwards(tmp_path):
    asking = Asking()
    config = tiny_config(tmp_path, run_name="watched", log_every=20)
    agent = replace(config.agent, store="pooled", engine="eager")
    finished = kvzero.train(replace(config, agent=agent, monitor="0", sinks=()), observer=asking)
    lines = [figures for _, figures in asking.told if "updates" in figures]
    for each, (env_steps, _) in zip(asking.found, asking.told, strict=True):
        assert each["kvzero_env_steps"].samples[0].value == env_steps
    assert asking.newest("kvzero_updates") == {(): finished.summary.updates}
    assert asking.newest("kvzero_cache_hits") == {
        ("init",): lines[-1]["cache/init/hits"],
        ("recur",): lines[-1]["cache/recur/hits"],
    }
    assert {"kvzero_cache_misses", "kvzero_cache_evictions", "kvzero_cache_bytes"} <= asking.found[-1].keys()
    assert asking.newest("kvzero_cache_bytes") == {(): lines[-1]["store_bytes"]}
    assert asking.newest("kvzero_update_seconds")[()] == pytest.approx(sum(line["update_seconds"] for line in lines))
    assert asking.newest("kvzero_eval_return")[("mean",)] == finished.summary.eval_return_mean
    assert "kvzero_figure" not in asking.found[-1]
    with pytest.raises(URLError):
        urlopen(asking.url, timeout=10)


def test_every_figure_of_collectors_has_a_place_of_its_own_by_collector() -> None:
    reported = CrewFigures()
    report = Report(
        label=Label(collector=3, incarnation=0, sequence=0),
        host="here",
        version=1,
        steps=[],
        rng_state={},
        collect_seconds=1.0,
        idle_seconds=0.5,
        rss_bytes=7,
        cache={},
    )
    reported.note_report(report, staleness=1)
    places = {name: find_place(name) for name in reported.read([0, 0, 0, 2])}
    assert [name for name, place in places.items() if place is None] == ["collectors/restarts"]
    assert all(place.family in FAMILIES for place in places.values() if place is not None)
    assert find_place("collector/3/restarts").labels == ("3",)


def test_a_port_that_is_taken_is_told_before_anything_is_made_and_another_one_can_be_given_on_resuming(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        config = replace(tiny_config(tmp_path / "runs"), monitor=str(taken.getsockname()[1]))
        with pytest.raises(RunError, match="give monitor another port"):
            kvzero.train(config)
        assert not (tmp_path / "runs").exists()
        run = kvzero.train(replace(tiny_config(tmp_path / "runs", total_env_steps=8, final_eval_episodes=1))).run
        with pytest.raises(RunError, match="give monitor another port"):
            kvzero.resume(run, total_env_steps=12, monitor=config.monitor)
    kvzero.resume(run, total_env_steps=12, monitor="0")
    assert read_config(run).monitor == "0"


def test_what_is_no_address_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="monitor is 'prometheus'"):
        replace(tiny_config(tmp_path), monitor="prometheus")
