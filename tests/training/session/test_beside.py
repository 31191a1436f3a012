"""Evaluations beside training give the figures that they have in its way, whatever is killed and whenever it stops."""

import json
import os
import signal
from dataclasses import replace

import pytest
from safetensors.numpy import load_file
from tests.training.samples import tiny_config, tiny_learner

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.errors import ProcessError
from kvzero.reports import read_metrics, read_summary
from kvzero.training.session import player_process
from kvzero.training.session.beside import Evaluator
from kvzero.training.session.player import DueEvaluation
from kvzero.training.session.player_process import PlayerProcess

UNLIKE = ("seconds", "rss_bytes", "per_second", "speedup_bound")


def history(run) -> list[dict]:
    """Return what the metrics say of a run, in the order of its steps, but for what differs from run to run."""
    lines = [
        {name: figure for name, figure in line.items() if not any(part in name for part in UNLIKE)}
        for line in read_metrics(run)
    ]
    return sorted(lines, key=lambda line: (line["env_steps"], "eval_episodes" in line))


def kill(evaluator: Evaluator) -> None:
    os.kill(evaluator._playing._process._process.pid, signal.SIGKILL)


class KillingOnce:
    """An observer that kills the process that evaluates as soon as there is one under way."""

    def __init__(self, made: list[Evaluator]):
        self.made = made
        self.has_killed = False

    def update(self, env_steps, *, updates, figures=None):
        if not self.has_killed and self.made[0].due is not None:
            kill(self.made[0])
            self.has_killed = True


@pytest.fixture
def made(monkeypatch):
    """Return the evaluators that runs make from now on."""
    evaluators, begin = [], Evaluator.__init__

    def watched(self, *arguments):
        evaluators.append(self)
        begin(self, *arguments)

    monkeypatch.setattr(Evaluator, "__init__", watched)
    return evaluators


def test_the_run_is_the_same_with_the_evaluation_at_the_step_at_which_it_was_due(tmp_path, trained_run, made, caplog):
    config = tiny_config(tmp_path, run_name="run", evaluate_beside=True)
    finished = kvzero.train(config, observer=(observer := KillingOnce(made)))
    assert observer.has_killed
    assert [record.getMessage() for record in caplog.records] == [
        "the evaluator was killed by signal 9; it is begun anew and asked again"
    ]
    assert history(finished.run) == history(trained_run)
    assert [line["env_steps"] for line in history(finished.run) if "eval_episodes" in line] == [20, 40]
    assert finished.summary.eval_returns == read_summary(trained_run).eval_returns


class StoppingOnceDue:
    """An observer that asks the run to stop when an evaluation is under way."""

    def __init__(self, made: list[Evaluator]):
        self.made = made
        self.has_stopped = False

    def update(self, env_steps, *, updates, figures=None):
        if self.made[0].due is not None and env_steps >= 24 and not self.has_stopped:
            self.has_stopped = True  # a second signal would end the program at once
            os.kill(os.getpid(), signal.SIGTERM)


def test_one_that_a_stop_left_is_played_by_the_session_that_resumes_with_the_weights_of_its_own_moment(
    tmp_path, trained_run, made
):
    config = tiny_config(tmp_path, run_name="run", evaluate_beside=True)
    run = kvzero.train(config, observer=StoppingOnceDue(made)).run
    checkpoint = newest_checkpoint(run)
    state = json.loads((checkpoint / "state.json").read_text())
    assert state["progress"]["evaluating"] == {"env_steps": 20, "discount": config.agent.search.discount}
    assert not [line for line in history(run) if "eval_episodes" in line]
    now, then = (load_file(checkpoint / f"{name}.safetensors") for name in ("weights", "evaluating"))
    assert any((now[name] != then[name]).any() for name in now)
    kvzero.resume(run)
    evaluations = [[line for line in history(each) if line.get("env_steps") == 20] for each in (run, trained_run)]
    assert evaluations[0] == evaluations[1]
    left = [json.loads(path.read_text())["progress"] for path in (run / "checkpoints").glob("step_*/state.json")]
    assert [progress["evaluating"] for progress in left] == [None] * len(left)
    assert not list((run / "checkpoints").glob("step_*/evaluating.safetensors"))


def test_a_process_that_ends_between_two_evaluations_is_begun_anew_and_asked(tmp_path, caplog):
    network = tiny_learner().network
    evaluator = Evaluator(PlayerProcess(tiny_config(tmp_path), network.spec))
    due = DueEvaluation.of(network, env_steps=20, discount=0.9)
    evaluator.begin(due, tmp_path)
    first = evaluator.finish(lambda: False)
    kill(evaluator)
    evaluator._playing._process._process.wait()  # so that its end of the line is closed
    evaluator.begin(due, tmp_path)
    second = evaluator.finish(lambda: False)
    evaluator.close()
    assert second.games == first.games
    assert "begun anew and asked again" in caplog.text


def test_a_process_that_keeps_ending_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(player_process, "MAX_REPLACED", 0)
    network = tiny_learner().network
    evaluator = Evaluator(PlayerProcess(tiny_config(tmp_path), network.spec))
    evaluator.begin(DueEvaluation.of(network, env_steps=20, discount=0.9), tmp_path)
    kill(evaluator)
    with pytest.raises(ProcessError, match="the evaluator was killed by signal 9"):
        evaluator.finish(lambda: False)
    evaluator.close()
    assert evaluator.due is not None


def test_waiting_ends_when_it_is_to_stop_and_the_evaluation_stays_due(tmp_path):
    config = tiny_config(tmp_path)
    network = tiny_learner().network
    evaluator = Evaluator(PlayerProcess(replace(config), network.spec))
    evaluator.begin(DueEvaluation.of(network, env_steps=20, discount=0.9), tmp_path)
    assert evaluator.finish(lambda: True) is None
    assert evaluator.due is not None
    evaluator.close()
