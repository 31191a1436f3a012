"""Runs whose collectors live in Ray: the bits of a run without it, at any speed, and whoever dies."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
from tests.training.distributed.collectors.rows import check_ladders
from tests.training.samples import NUM_ENVS, continuous_config, tiny_config

import kvzero
from kvzero import DistributedConfig, EnvConfig, ReanalysisConfig
from kvzero.agent import newest_checkpoint
from kvzero.errors import ClusterError, ConfigError, EnvError
from kvzero.reports import read_metrics
from kvzero.training import Trainer
from kvzero.training.distributed.cluster import open_cluster

pytest.importorskip("ray")

PLACE = "tests.training.distributed.collectors.environments"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Keep one Ray for all runs here."""
    with open_cluster("local", num_actors=2, object_store_bytes=100_000_000) as ray:
        yield ray


class Silent:
    """Looks at nothing but the figures of collectors."""

    def __init__(self):
        self.figures = []

    def update(self, env_steps, *, updates, figures=None):
        if figures and "collectors/restarts" in figures:
            self.figures.append(figures)


def never():
    return False


def with_collectors(config, **settings):
    return replace(config, distributed=DistributedConfig(cluster="auto", **settings))


def located(config, folder):
    folder.mkdir(exist_ok=True)
    env = EnvConfig(env_id=f"{PLACE}:Located", env_kwargs={"folder": str(folder)}, num_envs=NUM_ENVS)
    return replace(config, env=env, replay=replace(config.replay, replay_capacity=1_000))


def tensors(learner):
    networks = (learner.network, learner.target_network)
    yield from (tensor for network in networks for tensor in network.state_dict().values())
    yield from (
        torch.as_tensor(each) for of_one in learner.optimizer.state_dict()["state"].values() for each in of_one.values()
    )


def assert_same(ours, theirs):
    """Compare all that a run is, to the bit."""
    assert (ours.env_steps, ours.num_updates) == (theirs.env_steps, theirs.num_updates)
    parts, others = ours._components, theirs._components
    for mine, other in zip(tensors(parts.learner), tensors(others.learner), strict=True):
        assert torch.equal(mine, other)
    mine, other = parts.replay.state_arrays(), others.replay.state_arrays()
    assert mine.keys() == other.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], other[name])
    assert parts.source.rng_states() == others.source.rng_states()
    assert parts.replay.rng_state() == others.replay.rng_state()


def reanalysing_config(runs_dir):
    """Return a run whose rows keep which weights searched them."""
    return replace(tiny_config(runs_dir), reanalysis=ReanalysisConfig(reanalysed_rows=5))


@pytest.mark.parametrize("make", [reanalysing_config, continuous_config])
def test_one_collector_without_lag_gives_the_bits_of_a_run_without_ray_and_so_does_its_resumption(tmp_path, make):
    config, ends = make(tmp_path), []
    config = replace(config, schedule=replace(config.schedule, epsilon=0.5, final_epsilon=0.1))
    for name, each in [("alone", config), ("elsewhere", with_collectors(config, collectors=1, lag=0))]:
        first = Trainer(each, tmp_path / name)
        while first.env_steps < 24:
            first.advance(never)
        first.save()
        second = Trainer(each, tmp_path / name, resume_from=newest_checkpoint(tmp_path / name))
        if name == "elsewhere":
            first.close()
        second.run(Silent(), never)
        second.close()
        ends.append(second)
    assert_same(*ends)


def test_two_collectors_in_step_give_the_same_bits_at_any_speed(tmp_path):
    config = tiny_config(tmp_path, environment="Ladder")
    slow = replace(config, env=replace(config.env, env_id=f"{PLACE}:Dawdling"))
    ends = []
    for name, each in [("fast", config), ("slow", slow)]:
        trainer, watching = Trainer(with_collectors(each, collectors=2), tmp_path / name), Silent()
        trainer.run(watching, never)
        trainer.close()
        ends.append(trainer)
        assert max(figures["collectors/staleness_max"] for figures in watching.figures) == 1
        assert 1 <= watching.figures[-1]["collectors/speedup_bound"] <= 3
    assert_same(*ends)


@pytest.mark.parametrize("lag", [1, 3])
def test_a_killed_collector_is_replaced_and_no_step_is_lost_or_stored_twice(tmp_path, lag):
    config = located(tiny_config(tmp_path, total_env_steps=120), tmp_path / "processes")
    config = with_collectors(config, collectors=2, lag=lag)
    trainer, watching = Trainer(config, tmp_path / "run"), Silent()
    while trainer.env_steps < 40:
        trainer.advance(never)
    os.kill(int(min(path.name for path in (tmp_path / "processes").iterdir())), signal.SIGKILL)
    trainer.run(watching, never)
    trainer.close()
    assert trainer.env_steps == 120
    assert trainer.num_updates == (120 - 12) * config.schedule.replay_ratio
    assert check_ladders(trainer._components.replay)[0] == 120
    assert sum(trainer._components.source._crew._actors.num_restarts) == 1
    assert max(figures["collectors/staleness_max"] for figures in watching.figures) <= lag


def test_an_environment_that_fails_is_named_with_its_collector_and_host_and_a_checkpoint_is_left(tmp_path):
    config = tiny_config(tmp_path)
    config = replace(config, env=replace(config.env, env_id=f"{PLACE}:Breaking"))
    trainer = Trainer(with_collectors(config, collectors=1), tmp_path / "run")
    with pytest.raises(EnvError, match=r"collector 0 on \S+: environment 0 .*at step 5 .*the ladder broke"):
        trainer.run(Silent(), never)
    trainer.close()
    assert newest_checkpoint(tmp_path / "run").name.startswith("step_0000000008_")


def test_an_environment_that_does_not_exist_there_is_refused(tmp_path):
    config = tiny_config(tmp_path)
    config = replace(config, env=EnvConfig(env_id="Nowhere-v0", num_envs=NUM_ENVS))
    with pytest.raises(ConfigError, match=r"collector 0 on \S+: no environment is called 'Nowhere-v0'"):
        Trainer(with_collectors(config, collectors=1), tmp_path / "run")


def processes_of(kind):
    """Return the processes of the actors of one class."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if any(kind in word for word in process.cmdline()):
                found.append(process)
    return found


class KillingTheEvaluator:
    """An observer that kills whoever evaluates beside training as soon as an evaluation is due."""

    def __init__(self):
        self.killed = []

    def update(self, env_steps, *, updates, figures=None):
        if env_steps >= 24 and not self.killed:
            deadline = time.monotonic() + 120
            while not self.killed:
                assert time.monotonic() < deadline, "nobody evaluates in the cluster"
                self.killed = processes_of("RemotePlayer")
            for process in self.killed:
                process.kill()


def evaluations(run):
    """Return what the metrics say of evaluations, but for how long they took."""
    lines = [line for line in read_metrics(run) if "eval_episodes" in line]
    return [{name: figure for name, figure in line.items() if "seconds" not in name} for line in lines]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # imageio leaves ffmpeg's pipes to chance
def test_an_evaluator_in_the_cluster_gives_the_figures_of_a_run_without_even_if_it_is_killed(
    tmp_path, trained_run, caplog
):
    config = tiny_config(tmp_path, run_name="run", evaluate_beside=True, film_evaluations=True)
    run = kvzero.train(with_collectors(config, collectors=1, lag=0), observer=(observer := KillingTheEvaluator())).run
    assert len(observer.killed) == 1
    assert [record.getMessage() for record in caplog.records if record.name.startswith("kvzero")] == [
        "evaluator 0 was lost; it is begun anew and asked again"
    ]
    assert evaluations(run) == evaluations(trained_run)
    assert [path.name for path in sorted((run / "videos").iterdir())] == ["step0000000020.mp4", "step0000000040.mp4"]
    assert b"ftyp" in (run / "videos" / "step0000000020.mp4").read_bytes()[:16]


def test_an_evaluator_that_the_cluster_has_no_cpu_for_is_refused(tmp_path):
    config = with_collectors(tiny_config(tmp_path, evaluate_beside=True), collectors=2)
    with pytest.raises(
        ClusterError, match=r"of 2 CPUs free, and 3 actors need one each; .* \(--evaluate-beside False\)"
    ):
        Trainer(config, tmp_path / "run")


def test_a_run_goes_on_in_another_cluster(tmp_path):
    config = with_collectors(tiny_config(tmp_path, run_name="run", total_env_steps=24), collectors=1)
    run = kvzero.train(config).run
    with pytest.raises(ClusterError, match="cluster is local, but this process is connected to a Ray already"):
        kvzero.resume(run, total_env_steps=32, cluster="local")
    assert kvzero.resume(run, total_env_steps=32, cluster="auto").summary.env_steps == 32
