"""Runs whose reanalysers live in Ray: the bits of a run without it, at any speed, and whoever dies."""

import os
import signal
from contextlib import closing
from dataclasses import replace

import pytest
from tests.training.distributed.collectors.test_runs import assert_same, never, with_collectors
from tests.training.distributed.reanalysers.dawdling import Dawdling
from tests.training.samples import continuous_config, tiny_config

from kvzero import ReanalysisConfig
from kvzero.agent import newest_checkpoint
from kvzero.training import Trainer
from kvzero.training.distributed.cluster import open_cluster
from kvzero.training.session import components

pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Keep one Ray for all runs here."""
    with open_cluster("local", num_actors=3, object_store_bytes=100_000_000) as ray:
        yield ray


class Silent:
    """Looks at nothing but the figures of reanalysers."""

    def __init__(self):
        self.figures = []

    def update(self, env_steps, *, updates, figures=None):
        if figures and "reanalysers/restarts" in figures:
            self.figures.append(figures)


def reanalysing(config, **changes):
    return replace(config, reanalysis=ReanalysisConfig(reanalysed_rows=5), **changes)


@pytest.mark.parametrize("make", [tiny_config, continuous_config])
def test_one_reanalyser_without_lag_gives_the_bits_of_a_run_without_ray_and_so_does_its_resumption(tmp_path, make):
    config, ends = reanalysing(make(tmp_path)), []
    for name, each in [("alone", config), ("elsewhere", with_collectors(config, reanalysers=1, lag=0))]:
        with closing(Trainer(each, tmp_path / name)) as first:
            while first.env_steps < 24:
                first.advance(never)
            first.save()
        with closing(Trainer(each, tmp_path / name, resume_from=newest_checkpoint(tmp_path / name))) as second:
            second.run(Silent(), never)
        ends.append(second)
    assert ends[1]._components.reanalyser.served_updates == ends[0]._components.reanalyser.served_updates > 0
    assert_same(*ends)


def test_reanalysers_and_a_collector_in_step_give_the_same_bits_at_any_speed_and_when_one_is_killed(
    tmp_path, monkeypatch
):
    config = with_collectors(reanalysing(tiny_config(tmp_path)), collectors=1, reanalysers=2)
    ends, watching = [], Silent()
    with closing(Trainer(config, tmp_path / "swift")) as swift:
        swift.run(watching, never)
    ends.append(swift)
    assert any(figures.get("reanalyser/1/rows_per_second", 0) > 0 for figures in watching.figures)
    assert all(figures["cluster/object_store_limit_bytes"] == 100_000_000 for figures in watching.figures)
    monkeypatch.setattr(components, "RemoteReanalyser", Dawdling)
    (tmp_path / "processes").mkdir()
    with closing(Trainer(config, tmp_path / "slow")) as slow:
        while not list((tmp_path / "processes").iterdir()):
            slow.advance(never)
        os.kill(int(next((tmp_path / "processes").iterdir()).name), signal.SIGKILL)
        slow.run(watching, never)
    ends.append(slow)
    assert sum(slow._components.reanalyser._actors.num_restarts) == 1
    assert_same(*ends)
