"""A run that searches rows again: the same bits each time, through a stop in a block of updates, and told of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.samples import continuous_config, tiny_config

from kvzero import ReanalysisConfig, RunConfig, SearchConfig
from kvzero.replay import Replay, ahead
from kvzero.training import Trainer
from kvzero.training.session.components import Components, build_components
from kvzero.training.session.loop import Loop
from kvzero.training.storage import Progress, load_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("own_random_state")


def reanalysing(config: RunConfig) -> RunConfig:
    """Return a run whose updates all come in one block at its end, and learn from searches in all ways."""
    learner = replace(config.learner, bootstrap="search", search_value_age=4, search_value_starts=2)
    return replace(config, learner=learner, reanalysis=ReanalysisConfig(reanalysed_rows=5))


def sliding_config(runs_dir: Path, **schedule) -> RunConfig:
    """Return a tiny run with learned positions, whose windows slide in a pooled store."""
    config = tiny_config(runs_dir, **schedule)
    model = replace(config.agent.model, positions="learned")
    return replace(config, agent=replace(config.agent, model=model, store="pooled"))


def gumbel_config(runs_dir: Path, **schedule) -> RunConfig:
    """Return a tiny run that searches by another rule."""
    config = tiny_config(runs_dir, **schedule)
    return replace(config, agent=replace(config.agent, search=SearchConfig(num_simulations=3, rule="gumbel")))


CONFIGS = pytest.mark.parametrize("make_config", [tiny_config, continuous_config, sliding_config, gumbel_config])


def begin(config: RunConfig) -> tuple[Components, Loop]:
    components, progress = build_components(config)
    return components, Loop(config, components, progress)


def finish(loop: Loop) -> None:
    while not loop.is_done:
        loop.advance(lambda: False)


def state_of(components: Components) -> dict[str, np.ndarray]:
    """Return all that an end of a run leaves."""
    networks = components.learner.network, components.learner.target_network
    weights = {
        f"{index}.{name}": tensor.numpy()
        for index, each in enumerate(networks)
        for name, tensor in each.state_dict().items()
    }
    return {**weights, **components.replay.state_arrays()}


def assert_same(left: Components, right: Components) -> None:
    ours, theirs = state_of(left), state_of(right)
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


@CONFIGS
def test_the_same_seed_gives_the_same_bits_however_early_batches_are_drawn(tmp_path, monkeypatch, make_config):
    config = reanalysing(make_config(tmp_path, replay_ratio=0.5))
    (first, first_loop), (second, second_loop) = begin(config), begin(config)
    torch_state = torch.get_rng_state()
    finish(first_loop)
    torch.set_rng_state(torch_state)

    class AtOnce:
        """Draws a batch before it is asked for, where a thread might be late."""

        def __init__(self, *arguments, **options):
            pass

        def submit(self, draw, *arguments, **options):
            found = draw(*arguments, **options)
            return type("Drawn", (), {"result": lambda _: found})()

        def shutdown(self):
            pass

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    monkeypatch.setattr(ahead, "ThreadPoolExecutor", AtOnce)
    finish(second_loop)
    for components in (first, second):
        components.source.envs.close()
    assert first.learner.num_updates == 14
    assert first.reanalyser.served_updates == 14
    judged, collected = (first.replay.steps_of(name) for name in ("judged_at", "collected_at"))
    assert (judged > collected).mean() > 0.3
    assert_same(first, second)


@CONFIGS
def test_a_stop_inside_a_block_of_updates_changes_no_bit(tmp_path, make_config):
    config = reanalysing(make_config(tmp_path, replay_ratio=0.5, round_env_steps=20))
    (whole, whole_loop), (stopped, stopped_loop) = begin(config), begin(config)
    for loop in (whole_loop, stopped_loop):
        loop._collect(lambda: False)
        loop.make_owed_updates(lambda: False)
        loop._collect(lambda: False)
    before = stopped.learner.num_updates
    torch_state = torch.get_rng_state()
    whole_loop.make_owed_updates(lambda: False)
    torch.set_rng_state(torch_state)
    stopped_loop.make_owed_updates(lambda: stopped.learner.num_updates >= before + 3)
    assert stopped.learner.num_updates == before + 3
    resumed = through_a_checkpoint(config, stopped, stopped_loop, tmp_path)
    for components in (whole, stopped, resumed):
        components.source.envs.close()
    assert whole.learner.num_updates == resumed.learner.num_updates > before + 3
    assert_same(whole, resumed)


def test_rows_that_were_searched_since_a_checkpoint_are_searched_anew_where_only_its_state_was_written(tmp_path):
    config = reanalysing(tiny_config(tmp_path, replay_ratio=0.5, round_env_steps=20))
    (whole, whole_loop), (stopped, stopped_loop) = begin(config), begin(config)
    for loop in (whole_loop, stopped_loop):
        loop._collect(lambda: False)
        loop.make_owed_updates(lambda: False)
        loop._collect(lambda: False)
    torch_state = torch.get_rng_state()
    whole_loop.make_owed_updates(lambda: False)
    torch.set_rng_state(torch_state)
    save(config, stopped, stopped_loop, tmp_path)
    served = stopped.reanalyser.served_updates
    stopped_loop.make_owed_updates(lambda: True)
    assert stopped.reanalyser.served_updates > served == stopped.learner.num_updates > 0
    resumed = through_a_checkpoint(config, stopped, stopped_loop, tmp_path)
    for components in (whole, stopped, resumed):
        components.source.envs.close()
    assert_same(whole, resumed)


def save(config: RunConfig, components: Components, loop: Loop, run: Path) -> Path:
    progress = Progress(
        env_steps=loop.env_steps,
        updates_owed=loop.updates_owed,
        evaluated_at=0,
        seconds=1.0,
        search_rng={},
        served_updates=components.reanalyser.served_updates,
    )
    return save_checkpoint(run, components.learner, components.replay, progress, agent=config.agent, keep=1)


def through_a_checkpoint(config: RunConfig, stopped: Components, loop: Loop, run: Path) -> Components:
    """Save, load into new parts, and make the updates that are still owed; no running episode is ended here."""
    folder = save(config, stopped, loop, run)
    resumed, _ = build_components(config)
    progress = load_checkpoint(folder, resumed.learner, resumed.replay)
    resumed.reanalyser.served_updates = progress.served_updates
    Loop(config, resumed, progress).make_owed_updates(lambda: False)
    return resumed


def test_a_line_of_metrics_tells_what_was_searched_again(tmp_path):
    config = reanalysing(tiny_config(tmp_path, replay_ratio=0.5))
    trainer = Trainer(config, tmp_path)
    while trainer.env_steps < 40:
        trainer.advance(lambda: False)
    figures = trainer.measure()
    trainer.close()
    assert 0 < figures["reanalysis/share"] <= 1
    assert 0 <= figures["reanalysis/age_updates"] < 14
    assert figures["reanalysis/rows"] > 14
    assert figures["reanalysis/seconds"] > 0


@CONFIGS
def test_a_run_whose_results_may_be_old_searches_fewer_rows_and_says_how_old(tmp_path, make_config):
    config = reanalysing(make_config(tmp_path, replay_ratio=0.5))
    recent = replace(config, reanalysis=replace(config.reanalysis, max_age_updates=6))
    figures = []
    for each in (config, recent):
        trainer = Trainer(each, tmp_path)
        while trainer.env_steps < 40:
            trainer.advance(lambda: False)
        figures.append(trainer.measure())
        trainer.close()
    plain, found = figures
    assert "reanalysis/reused_rows" not in plain
    assert found["reanalysis/rows"] < plain["reanalysis/rows"]
    assert found["results/hits"] == found["reanalysis/reused_rows"] > 5
    assert found["results/misses"] == found["reanalysis/rows"]
    assert 0 < found["reanalysis/reused_age_mean"] <= found["reanalysis/reused_age_max"] <= 6


def test_rows_are_judged_before_the_first_batch_of_a_block_is_drawn(tmp_path, monkeypatch):
    config = reanalysing(tiny_config(tmp_path, replay_ratio=0.5))
    components, loop = begin(config)
    events = []
    judge, sample = Replay.judge, Replay.sample

    def watched_judge(self, *arguments):
        events.append("judge")
        return judge(self, *arguments)

    def watched_sample(self, *arguments, **options):
        events.append("sample")
        return sample(self, *arguments, **options)

    monkeypatch.setattr(Replay, "judge", watched_judge)
    monkeypatch.setattr(Replay, "sample", watched_sample)
    while not loop.is_done:
        events.append("block")
        loop.advance(lambda: False)
    components.source.envs.close()
    blocks = [block.split() for block in " ".join(events).split("block")]
    assert any({"judge", "sample"} <= set(block) for block in blocks)
    for block in blocks:
        assert block == sorted(block)  # all of judging comes before all of sampling
