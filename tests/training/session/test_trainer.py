"""A session's own state goes into a checkpoint and comes back; its rounds are those of a whole run."""

import json
import sys
from dataclasses import replace

import pytest
from tests.training.environments import Ladder
from tests.training.samples import NUM_ENVS, tiny_config

from kvzero.agent import Planner, newest_checkpoint
from kvzero.errors import ConfigError, EnvError, ProcessError, RunError, SearchError
from kvzero.replay import Replay
from kvzero.training import RunConfig, Trainer
from kvzero.training.learning.schedules import Schedules
from kvzero.training.session import trainer as trainer_module
from kvzero.training.session.player_process import PlayerProcess

STEP = 1


class Listening:
    """Keeps the figures that it is told."""

    def __init__(self):
        self.figures = []

    def update(self, env_steps, *, updates, figures=None):
        if figures:
            self.figures.append(figures)


def stopped_after(config: RunConfig, run, num_asks: int) -> Trainer:
    """Return a trainer that was told to stop when it asked for the `num_asks`th time."""
    asks = iter(range(1, 10_000))
    trainer = Trainer(config, run)
    result = trainer.run(Listening(), lambda: next(asks) >= num_asks)
    trainer.close()
    assert not result.is_finished
    assert result.eval_returns == []
    return trainer


@pytest.mark.usefixtures("own_random_state")
def test_counters_and_random_states_come_back_and_running_episodes_are_ended(tmp_path):
    config = tiny_config(tmp_path, replay_ratio=0.3)
    first = stopped_after(config, tmp_path, 40)
    assert 0 < first._loop.updates_owed % 1 < 1
    second = Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
    second.close()
    assert second.env_steps == first.env_steps > 12
    assert second._loop.updates_owed == first._loop.updates_owed
    assert second.num_updates == first.num_updates > 0
    ours, theirs = second._components, first._components
    assert ours.source.rng_states() == theirs.source.rng_states()
    arrays, before = ours.replay.state_arrays(), theirs.replay.state_arrays()
    assert any(before[f"kinds.{env}"][-1] == STEP for env in range(NUM_ENVS))
    assert all(arrays[f"kinds.{env}"][-1] != STEP for env in range(NUM_ENVS))
    assert len(ours.replay) < len(theirs.replay)


@pytest.mark.usefixtures("own_random_state")
def test_updates_that_a_stopped_session_owed_are_made_up_for_even_at_the_end_of_the_run(tmp_path):
    config = tiny_config(tmp_path, replay_ratio=0.5, round_env_steps=40)
    first = Trainer(config, tmp_path)
    first.run(Listening(), lambda: first.num_updates >= 3)
    first.close()
    owed = int(first._loop.updates_owed)
    assert (first.env_steps, owed > 1) == (40, True)
    second = Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
    result = second.run(Listening(), lambda: False)
    second.close()
    assert result.updates == 3 + owed


def seconds_said_by(run) -> float:
    return json.loads((newest_checkpoint(run) / "state.json").read_text())["progress"]["seconds"]


def test_a_session_counts_on_from_the_seconds_in_its_checkpoint(tmp_path):
    config = tiny_config(tmp_path)
    stopped_after(config, tmp_path, 30)
    state = newest_checkpoint(tmp_path) / "state.json"
    found = json.loads(state.read_text())
    found["progress"]["seconds"] = 1000.0
    state.write_text(json.dumps(found))
    second = Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
    second.close()
    assert 1000 < second.seconds < 2000


def test_the_final_evaluation_and_what_it_took_stand_in_the_last_checkpoint(tmp_path):
    config, told = tiny_config(tmp_path, total_env_steps=20), Listening()
    trainer = Trainer(config, tmp_path)
    result = trainer.run(told, lambda: False)
    trainer.close()
    assert result.is_finished
    assert told.figures[-1]["eval_episodes"] == 3
    assert told.figures[-1]["wall_seconds"] <= seconds_said_by(tmp_path) <= result.seconds
    longer = tiny_config(tmp_path, total_env_steps=24)
    again = Trainer(longer, tmp_path, resume_from=newest_checkpoint(tmp_path))
    again.run(told, lambda: False)
    again.close()
    assert [line["eval_episodes"] for line in told.figures if "eval_episodes" in line] == [3, 3]


def test_an_overdue_evaluation_is_not_made_twice_however_soon_the_session_is_killed(tmp_path):
    config = tiny_config(tmp_path)
    first, asks = Trainer(config, tmp_path), iter(range(10_000))
    first.run(Listening(), lambda: first.env_steps >= 20 and next(asks) > 0)
    first.close()
    assert first.env_steps == 20
    counts = []
    for _ in range(2):
        told = Listening()
        killed = Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
        with pytest.raises(Killed):
            killed.run(told, killed_at_the_next_step(killed))
        killed.close()
        counts.append(sum("eval_episodes" in figures for figures in told.figures))
    assert counts == [1, 0]


class Killed(BaseException):
    """Ends a session as no stop does: without a checkpoint."""


def killed_at_the_next_step(trainer: Trainer):
    def should_stop():
        if trainer.env_steps > 20:
            raise Killed
        return False

    return should_stop


def test_a_replay_without_room_for_an_environment_is_refused(tmp_path):
    config = tiny_config(tmp_path)
    with pytest.raises(ConfigError, match="replay_capacity 3"):
        Trainer(replace(config, replay=replace(config.replay, replay_capacity=3)), tmp_path)


def build_nothing(*_, **__):
    raise AssertionError("something was built")


def test_to_film_without_the_packages_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "build_components", build_nothing)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"kvzero\[video\]"):
        Trainer(tiny_config(tmp_path, film_evaluations=True), tmp_path)


def test_annealing_that_would_not_end_is_refused_before_anything_is_built_but_not_of_a_run_that_goes_on(
    tmp_path, monkeypatch
):
    config = tiny_config(tmp_path)
    stopped_after(config, tmp_path, 30)
    config = replace(config, learner=replace(config.learner, first_discount=0.9, annealing_begins=0.75))
    Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path)).close()
    monkeypatch.setattr(trainer_module, "build_components", build_nothing)
    with pytest.raises(ConfigError, match=r"annealing_begins is 0\.75, which leaves 2\.5 of the run's 10 updates"):
        Trainer(config, tmp_path)


@pytest.fixture
def closed(monkeypatch) -> list:
    """Return the environments that are closed from now on."""
    found, close = [], Ladder.close

    def watched(self):
        found.append(self)
        close(self)

    monkeypatch.setattr(Ladder, "close", watched)
    return found


def test_environments_are_closed_where_what_works_with_them_cannot_be_built(tmp_path, monkeypatch, closed):
    def refuse(*_, **__):
        raise ConfigError("no")

    monkeypatch.setattr(trainer_module, "Meter", refuse)
    with pytest.raises(ConfigError, match="no"):
        Trainer(tiny_config(tmp_path), tmp_path)
    assert len(closed) == NUM_ENVS


class Deaf(PlayerProcess):
    """Plays nothing beside training, and the second one is no more when it is asked."""

    def __init__(self, made):
        self.is_lost, self.is_closed = len(made) == 1, False
        made.append(self)

    def ask(self, due, folder):
        if self.is_lost:
            raise ProcessError("the evaluator was killed by signal 9")

    def hear(self, seconds):
        return None

    def close(self):
        self.is_closed = True


def test_who_plays_beside_training_is_ended_where_it_cannot_be_asked(tmp_path, monkeypatch, closed):
    config, made = tiny_config(tmp_path, evaluate_beside=True), []
    monkeypatch.setattr(trainer_module, "PlayerProcess", lambda *_: Deaf(made))
    first = Trainer(config, tmp_path)
    first.run(Listening(), lambda: first._evaluator.due is not None)
    first.close()
    with pytest.raises(ProcessError):
        Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
    assert [each.is_closed for each in made] == [True, True]
    assert len(closed) == 2 * NUM_ENVS


def normalising(config: RunConfig) -> RunConfig:
    model = replace(config.agent.model, normalize_observations=True)
    return replace(config, agent=replace(config.agent, model=model))


@pytest.mark.parametrize(("replay_ratio", "num_waiting"), [(0.0, 0), (0.25, 8)], ids=["without updates", "with them"])
def test_what_was_seen_waits_for_the_first_update_and_not_where_there_will_be_none(tmp_path, replay_ratio, num_waiting):
    trainer = Trainer(normalising(tiny_config(tmp_path, replay_ratio=replay_ratio)), tmp_path)
    for _ in range(2):
        trainer.advance(lambda: False)
    trainer.close()
    learner = trainer._components.learner
    assert sum(map(len, learner.unseen)) == num_waiting
    for network in (learner.network, learner.target_network):
        assert network.normaliser.count == 8 - num_waiting


def test_rounds_that_are_asked_for_one_by_one_are_those_of_a_whole_run(tmp_path):
    config = tiny_config(tmp_path, eval_every=40, log_every=40, final_eval_episodes=1)
    whole = Trainer(config, tmp_path / "whole")
    whole.run(Listening(), lambda: False)
    whole.close()
    sliced = Trainer(config, tmp_path / "sliced")
    rounds = []
    while sliced.env_steps < 40:
        rounds.append(sliced.advance(lambda: False))
    sliced.save()
    sliced.close()
    assert [each.num_env_steps for each in rounds] == [4] * 10
    assert sum(each.num_updates for each in rounds) == whole.num_updates == 7
    assert [each.num_updates for each in rounds[:4]] == [0, 0, 0, 1]
    assert all(each.collect_seconds > 0 for each in rounds)
    assert sum(each.update_seconds for each in rounds[3:]) > sum(each.update_seconds for each in rounds[:3])
    ended = [episode for each in rounds for episode in each.episodes]
    assert all(3 <= episode.num_steps <= 6 for episode in ended)
    assert sliced.measure()["train_return"] == pytest.approx(sum(e.raw_return for e in ended) / len(ended))
    assert "train_return" not in sliced.measure()
    assert checkpointed(tmp_path / "sliced") == checkpointed(tmp_path / "whole")


def checkpointed(run):
    return [(newest_checkpoint(run) / f"{name}.safetensors").read_bytes() for name in ("weights", "optimizer")]


class Raising:
    """An observer that ends the run from within, when it has made so many steps."""

    def __init__(self, error, at):
        self.error = error
        self.at = at

    def update(self, env_steps, *, updates, figures=None):
        if env_steps >= self.at:
            raise self.error


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("out of memory"), GeneratorExit(), EnvError("broke")])
def test_whatever_ends_a_session_leaves_a_checkpoint_first(tmp_path, error):
    trainer = Trainer(tiny_config(tmp_path), tmp_path)
    with pytest.raises(type(error)) as raised:
        trainer.run(Raising(error, at=16), lambda: False)
    trainer.close()
    assert raised.value is error
    assert newest_checkpoint(tmp_path).name == "step_0000000016_0000000001"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SearchError("NaN"), RunError("the disk is full")])
def test_a_second_interrupt_and_what_leaves_nothing_worth_keeping_end_at_once(tmp_path, error):
    trainer = Trainer(tiny_config(tmp_path), tmp_path)
    with pytest.raises(type(error)):
        trainer.run(Raising(error, at=8), lambda: False)
    trainer.close()
    assert not (tmp_path / "checkpoints").exists()


def test_an_error_is_not_hidden_by_a_checkpoint_that_cannot_be_written(tmp_path, caplog):
    (tmp_path / "checkpoints").touch()
    trainer = Trainer(tiny_config(tmp_path), tmp_path)
    with pytest.raises(ZeroDivisionError):
        trainer.run(Raising(ZeroDivisionError(), at=8), lambda: False)
    trainer.close()
    assert "no checkpoint is left of what ZeroDivisionError ended: checkpoint " in caplog.text


def test_an_error_is_not_hidden_by_what_it_broke(tmp_path, monkeypatch, caplog):
    """As on a GPU that answers no more: the weights cannot be read either."""
    trainer = Trainer(tiny_config(tmp_path), tmp_path)
    monkeypatch.setattr(trainer._components.learner.network, "state_dict", unreadable)
    with pytest.raises(ZeroDivisionError):
        trainer.run(Raising(ZeroDivisionError(), at=8), lambda: False)
    trainer.close()
    assert "no checkpoint is left of what ZeroDivisionError ended: the GPU is lost" in caplog.text


def unreadable():
    raise RuntimeError("the GPU is lost")


def prioritised(config: RunConfig) -> RunConfig:
    return replace(config, replay=replace(config.replay, sampler="prioritised"))


@pytest.mark.usefixtures("own_random_state")
def test_a_block_of_prioritised_updates_that_was_stopped_goes_on_bit_for_bit(tmp_path):
    config = prioritised(tiny_config(tmp_path, replay_ratio=0.5, round_env_steps=20, total_env_steps=60))
    whole, first = (Trainer(config, tmp_path / name) for name in ("whole", "stopped"))
    for each in (whole, first):
        each.advance(lambda: False)
    learnt = whole.num_updates
    whole.advance(lambda: False)
    first.advance(lambda: first.num_updates >= learnt + 3)
    first.save()
    second = Trainer(config, tmp_path / "stopped", resume_from=newest_checkpoint(tmp_path / "stopped"))
    second._loop.make_owed_updates(lambda: False)
    assert learnt + 3 == first.num_updates < second.num_updates == whole.num_updates
    for each in (whole, second):
        each.save()
        each.close()
    first.close()
    assert checkpointed(tmp_path / "stopped") == checkpointed(tmp_path / "whole")
    ours, theirs = (each._components.replay.state_arrays() for each in (second, whole))
    for name in (name for name in theirs if name.startswith("sampler.")):
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    assert len(theirs["sampler.pending_places"]) == config.learner.batch_size * (whole.num_updates - learnt)


@pytest.mark.usefixtures("own_random_state")
def test_a_prioritised_run_draws_by_its_errors_and_makes_up_for_it_wholly_in_the_end(tmp_path):
    config, told = prioritised(tiny_config(tmp_path)), Listening()
    trainer = Trainer(config, tmp_path)
    trainer.run(told, lambda: False)
    trainer.close()
    masses = trainer._components.replay.state_arrays()["sampler.masses"]
    assert len(set(masses[masses > 0])) > 3
    assert 0 < told.figures[-2]["effective_batch_share"] <= 1
    draws = [trainer._components.replay.sample(500, num_steps=2, progress=progress) for progress in (0.0, 1.0)]
    assert draws[1].weights.min() == pytest.approx(
        draws[0].weights.min() ** (1 / config.replay.priority_beta), rel=0.01
    )


@pytest.mark.parametrize("env_steps", [12, 40])
def test_weights_follow_how_much_of_the_run_is_behind(tmp_path, monkeypatch, env_steps):
    asked, sample = [], Replay.sample

    def watched(self, *arguments, **options):
        asked.append(options["progress"])
        return sample(self, *arguments, **options)

    monkeypatch.setattr(Replay, "sample", watched)
    trainer = Trainer(tiny_config(tmp_path, learning_starts=0), tmp_path)
    while trainer.env_steps < env_steps:
        trainer.advance(lambda: False)
    trainer.close()
    assert asked[-1] == env_steps / 40


def scheduled_config(tmp_path) -> RunConfig:
    config = tiny_config(tmp_path)
    moving = replace(config.learner, final_bootstrap_steps=1, first_discount=0.6, annealing_updates=5, warmup_updates=3)
    return replace(config, learner=moving)


@pytest.mark.usefixtures("own_random_state")
def test_searches_follow_the_discount_of_the_learner_from_round_to_round(tmp_path, monkeypatch):
    collected, evaluated, plan = [], [], Planner.plan

    def watched(self, *arguments, **options):
        is_collecting = self is trainer._components.source.planner
        (collected if is_collecting else evaluated).append((self.engine._searches.config.discount, trainer.num_updates))
        return plan(self, *arguments, **options)

    monkeypatch.setattr(Planner, "plan", watched)
    trainer, told = Trainer(scheduled_config(tmp_path), tmp_path), Listening()
    trainer.run(told, lambda: False)
    trainer.close()
    due = Schedules(trainer._config.learner, discount=0.997, total_updates=10).discount
    assert {discount for discount, _ in collected} > {0.6, 0.997}
    assert all(discount == due(num_updates) for discount, num_updates in collected + evaluated)
    assert len({discount for discount, _ in evaluated}) == 2
    lines = [line for line in told.figures if "lr" in line]
    assert [line["discount"] for line in lines] == [due(int(line["updates"])) for line in lines]
    assert {line["bootstrap_steps"] for line in lines} == {2, 1}
    assert lines[0]["lr"] == pytest.approx(0.01 / 3)


@pytest.mark.usefixtures("own_random_state")
def test_a_session_goes_on_with_the_schedules_of_the_one_before(tmp_path):
    config = scheduled_config(tmp_path)
    first = stopped_after(config, tmp_path, 30)
    second = Trainer(config, tmp_path, resume_from=newest_checkpoint(tmp_path))
    second.close()
    ours, theirs = second._components.learner, first._components.learner
    assert 0 < ours.num_updates < 5
    assert (ours.learning_rate, ours.discount) == (theirs.learning_rate, theirs.discount)
    agent = json.loads((newest_checkpoint(tmp_path) / "agent.json").read_text())["agent"]
    assert 0.6 < agent["search"]["discount"] == ours.discount < 0.997
