"""A whole run: what it leaves behind, that it is the same twice, and how it goes on."""

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.training.environments import Failing
from tests.training.samples import NUM_ENVS, continuous_config, tiny_config

import kvzero
from kvzero.agent import newest_checkpoint
from kvzero.errors import CheckpointError, ConfigError, DeviceError, EnvError, RunError, SearchError
from kvzero.reports import plot_learning_curve, read_metrics, read_summary, write_report
from kvzero.training import Trainer, read_config
from kvzero.training.storage import checkpoints

SUMMARY = {
    "preset",
    "seed",
    "env_steps",
    "updates",
    "wall_seconds",
    "eval_return_mean",
    "eval_returns",
    "env_steps_per_second",
    "updates_per_second",
    "peak_rss_bytes",
    "versions",
    "dose",
    "dormant_shares",
    "collect_share",
    "reanalyse_share",
    "collectors",
}
OF_THE_MACHINE = {
    "wall_seconds",
    "rss_bytes",
    "updates_per_second",
    "collect_seconds",
    "update_seconds",
    "collectors/speedup_bound",
    "eval_seconds",
    "open_loop_seconds",
}


def history(run: Path) -> list[dict[str, float]]:
    """Return the metrics without what differs between two equal runs."""
    return [{n: v for n, v in line.items() if n not in OF_THE_MACHINE} for line in read_metrics(run)]


def weights(run: Path) -> dict[str, np.ndarray]:
    folder = newest_checkpoint(run)
    return {
        f"{name} {key}": value
        for name in ("weights", "target", "optimizer", "replay")
        for key, value in load_file(folder / f"{name}.safetensors").items()
    }


def test_a_run_leaves_everything_in_its_folder(trained_run):
    assert {path.name for path in trained_run.iterdir() if "tfevents" not in path.name} == {
        "checkpoints",
        "config.json",
        "learning_curve.png",
        "metrics.jsonl",
        "report.html",
        "summary.json",
        "versions.json",
    }
    (events,) = trained_run.glob("events.out.tfevents.*")
    assert events.stat().st_size > 500
    assert (trained_run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "torch" in json.loads((trained_run / "versions.json").read_text())


def test_the_summary_has_the_names_that_others_rely_on(trained_run):
    found = json.loads((trained_run / "summary.json").read_text())
    assert set(found) == SUMMARY
    assert (found["preset"], found["seed"], found["env_steps"], found["updates"]) == ("tiny", 0, 40, 7)
    assert len(found["eval_returns"]) == 3
    assert found["eval_return_mean"] == pytest.approx(np.mean(found["eval_returns"]))
    assert found["env_steps_per_second"] == pytest.approx(40 / found["wall_seconds"])


def test_the_config_of_a_run_is_read_back_as_it_was(trained_run):
    assert read_config(trained_run) == tiny_config(trained_run.parent, run_name="trained")


def test_a_run_computes_with_the_threads_it_was_given_and_leaves_the_process_as_it_was(tmp_path):
    before = torch.get_num_threads()
    seen = []

    class Watching:
        def update(self, env_steps, *, updates, figures=None):
            seen.append(torch.get_num_threads())

    config = replace(tiny_config(tmp_path, total_env_steps=8), num_threads=before + 1)
    kvzero.train(config, observer=Watching())
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_updates_follow_the_replay_ratio_once_learning_has_started(trained_run):
    for line in read_metrics(trained_run):
        if "updates" in line:
            assert line["updates"] == max(0, line["env_steps"] - 12) * 0.25


def test_a_dose_is_the_steps_trained_on_per_step_collected(trained_run):
    lines = [line for line in read_metrics(trained_run) if "dose" in line]
    assert lines[-1]["updates"] == 7
    for line in lines:
        assert line["dose"] == pytest.approx(line["updates"] * 4 * 3 / line["env_steps"])
        assert (line["updates_per_second"] > 0) == (line["env_steps"] > 12)
        assert ("dormant_share/heads" in line) == ("loss" in line)
    summary = read_summary(trained_run)
    assert summary.dose == lines[-1]["dose"]
    assert set(summary.dormant_shares) == {"encoder", "transformer", "heads"}


def test_checkpoints_are_written_on_schedule_and_the_newest_are_kept(trained_run):
    names = [path.name for path in sorted((trained_run / "checkpoints").iterdir())]
    assert names == ["step_0000000036_0000000006", "step_0000000040_0000000007"]


def test_evaluations_are_logged_on_schedule_and_at_the_end(trained_run):
    lines = [line for line in read_metrics(trained_run) if "eval_return_mean" in line]
    assert [(line["env_steps"], line["eval_episodes"]) for line in lines] == [(20, 2), (40, 3)]
    assert all(line["eval_return_min"] <= line["eval_return_mean"] <= line["eval_return_max"] for line in lines)


def test_training_returns_and_losses_are_logged(trained_run):
    lines = read_metrics(trained_run)
    assert any("train_return" in line for line in lines)
    last = [line for line in lines if "loss" in line][-1]
    assert {"loss_latent", "loss_value", "gradient_norm", "replay_steps", "rss_bytes", "updates"} <= set(last)


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_seed_another(trained_run, tmp_path):
    again = kvzero.train(tiny_config(tmp_path, run_name="again")).run
    assert history(again) == history(trained_run)
    first, second = weights(trained_run), weights(again)
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []
    other = kvzero.train(replace(tiny_config(tmp_path, run_name="other"), seed=1)).run
    assert history(other) != history(trained_run)
    assert any(not np.array_equal(first[name], value) for name, value in weights(other).items() if "target" in name)


@pytest.mark.parametrize("make_config", [tiny_config, continuous_config])
def test_a_run_by_the_rule_gumbel_is_the_same_twice_and_learns_what_no_visits_are(tmp_path, make_config):
    runs = []
    for name in ("first", "second"):
        config = make_config(tmp_path, run_name=name)
        search = replace(config.agent.search, rule="gumbel")
        runs.append(kvzero.train(replace(config, agent=replace(config.agent, search=search))).run)
    assert history(runs[0]) == history(runs[1])
    first, second = (weights(run) for run in runs)
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []
    policies = np.concatenate([value for name, value in first.items() if name.startswith("replay policies.")])
    policies = policies[policies.sum(axis=1) > 0.5]  # where a step was taken
    np.testing.assert_allclose(policies.sum(axis=1), 1.0, atol=1e-5)
    shares = policies * config.agent.search.num_simulations  # visits would be whole numbers
    assert (np.abs(shares - shares.round()) > 1e-3).any()


def test_a_run_that_was_stopped_goes_on_to_its_end_with_one_history(tmp_path):
    config = tiny_config(tmp_path, run_name="stopped")
    stopper = Stopper(at=22)
    finished = kvzero.train(config, observer=stopper)
    assert finished.summary is None
    assert newest_checkpoint(finished.run).name.startswith("step_0000000024_")
    finished = kvzero.resume(finished.run)
    assert finished.summary is not None
    assert (finished.summary.env_steps, finished.summary.updates) == (40, 7)
    assert [line["env_steps"] for line in history(finished.run) if "updates" in line] == list(range(4, 41, 4))


def test_a_run_that_was_stopped_during_its_last_evaluation_goes_on_with_it(tmp_path):
    finished = kvzero.train(tiny_config(tmp_path, run_name="stopped"), observer=Stopper(at=40))
    assert finished.summary is None
    assert newest_checkpoint(finished.run).name.startswith("step_0000000040_")
    finished = kvzero.resume(finished.run)
    assert finished.summary is not None
    assert len(finished.summary.eval_returns) == 3
    assert [line["env_steps"] for line in evaluations(finished.run)] == [20, 40]


@pytest.mark.parametrize("num_let_pass", [0, 2], ids=["before it began", "at its first step"])
def test_an_evaluation_that_a_stop_kept_from_its_end_is_made_on_resuming(trained_run, tmp_path, num_let_pass):
    stopper = Stopper(at=20, num_let_pass=num_let_pass)  # the round and a line of metrics are told before a first step
    run = kvzero.train(tiny_config(tmp_path, run_name="stopped"), observer=stopper).run
    assert newest_checkpoint(run).name.startswith("step_0000000020_")
    assert evaluations(run) == []
    kvzero.resume(run)
    assert [line["env_steps"] for line in evaluations(run)] == [20, 40]
    assert evaluations(run)[0] == evaluations(trained_run)[0]


@pytest.mark.parametrize("at", [20, 40], ids=["overdue", "the last"])
def test_an_evaluation_that_was_told_of_but_not_saved_stands_once_in_the_curve(tmp_path, at):
    run = kvzero.train(tiny_config(tmp_path, run_name="killed"), observer=Stopper(at=at)).run
    with pytest.raises(KeyboardInterrupt):
        kvzero.resume(run, observer=Interrupted())
    assert evaluations(run)[-1]["env_steps"] == at
    finished = kvzero.resume(run)
    assert finished.summary is not None
    assert [line["env_steps"] for line in evaluations(run)] == [20, 40]


class Interrupted:
    """Ends the session without a checkpoint, as a kill does, when it hears of an evaluation."""

    def update(self, env_steps, *, updates, figures=None):
        if "eval_episodes" in (figures or {}):
            raise KeyboardInterrupt


def test_a_last_evaluation_that_is_played_once_more_stands_once_in_the_curve(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, run_name="run", total_env_steps=20)).run
    (run / "summary.json").unlink()  # as where the machine went down before it was written
    assert kvzero.resume(run).summary is not None
    assert [line["env_steps"] for line in evaluations(run)] == [20]


def test_the_summary_is_there_before_anything_is_closed(tmp_path, monkeypatch):
    close = Trainer.close

    def interrupted(self):
        close(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kvzero.train(tiny_config(tmp_path, run_name="run", total_env_steps=20))
    assert read_summary(tmp_path / "run").env_steps == 20


def test_an_evaluation_that_was_made_is_not_made_again_on_resuming(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, run_name="longer", total_env_steps=20)).run
    kvzero.resume(run, total_env_steps=24)
    assert [(line["env_steps"], line["eval_episodes"]) for line in evaluations(run)] == [(20, 3), (24, 3)]


@pytest.mark.parametrize("num_let_pass", [0, 2], ids=["before it began", "at its first step"])
def test_a_last_evaluation_that_was_stopped_is_one_on_the_way_once_the_run_is_longer(tmp_path, num_let_pass):
    config = tiny_config(tmp_path, run_name="longer", total_env_steps=20)
    run = kvzero.train(config, observer=Stopper(at=20, num_let_pass=num_let_pass)).run
    assert evaluations(run) == []
    kvzero.resume(run, total_env_steps=24)
    assert [(line["env_steps"], line["eval_episodes"]) for line in evaluations(run)] == [(20, 2), (24, 3)]


def test_what_was_evaluated_is_known_without_the_metrics(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, run_name="stopped"), observer=Stopper(at=22)).run
    (run / "metrics.jsonl").unlink()
    kvzero.resume(run)
    assert [line["env_steps"] for line in evaluations(run)] == [40]


def test_figures_reach_the_sinks_that_a_caller_adds_in_every_session(tmp_path):
    opened, written = [], []

    class Kept:
        def __init__(self, run_dir, *, resume_from=None):
            opened.append((run_dir, resume_from))

        def write(self, env_steps, figures):
            written.append({"env_steps": env_steps, **figures})

        def close(self):
            written.append("closed")

    run = kvzero.train(tiny_config(tmp_path, run_name="stopped"), observer=Stopper(at=22), sinks=[Kept]).run
    kvzero.resume(run, sinks=[Kept])
    assert opened == [(run, None), (run, 24)]
    assert [each for each in written if each != "closed"] == read_metrics(run)
    assert written.count("closed") == 2


def test_a_config_says_which_sinks_stand_beside_the_metrics(tmp_path):
    config = replace(tiny_config(tmp_path, run_name="bare", total_env_steps=4, final_eval_episodes=1), sinks=())
    run = kvzero.train(config).run
    assert list(run.glob("events.out.tfevents.*")) == []
    assert len(read_metrics(run)) == 2
    assert read_config(run) == config


def evaluations(run: Path) -> list[dict[str, float]]:
    return [line for line in history(run) if "eval_episodes" in line]


class Stopper:
    """Sends Ctrl-C to this very process when it hears of `at` environment steps, after `num_let_pass` such calls."""

    def __init__(self, at: int, *, num_let_pass: int = 0) -> None:
        self.at, self.num_let_pass, self.is_done = at, num_let_pass, False

    def update(self, env_steps, *, updates, figures=None):
        if env_steps < self.at or self.is_done:
            return
        self.num_let_pass -= 1
        if self.num_let_pass < 0:
            self.is_done = True
            signal.raise_signal(signal.SIGINT)


def test_a_finished_run_is_refused_and_goes_on_to_a_later_end_which_it_remembers(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, run_name="longer", total_env_steps=20)).run
    for end in (None, 16):
        with pytest.raises(RunError, match="came to its end at 20 environment steps; give a larger"):
            kvzero.resume(run, total_env_steps=end)
    finished = kvzero.resume(run, total_env_steps=28)
    assert finished.summary is not None
    assert finished.summary.env_steps == read_summary(run).env_steps == 28
    assert read_config(run).schedule.total_env_steps == 28
    with pytest.raises(ConfigError, match="total_env_steps is 0"):
        kvzero.resume(run, total_env_steps=0)


def test_a_stopped_run_is_not_ended_before_where_it_is_but_may_be_there(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, run_name="stopped"), observer=Stopper(at=24)).run
    before = (run / "config.json").read_bytes()
    with pytest.raises(RunError, match=r"has come to 24 environment steps, beyond the 20 .* --total-env-steps 24"):
        kvzero.resume(run, total_env_steps=20)
    assert (run / "config.json").read_bytes() == before
    assert not (run / "summary.json").exists()
    assert kvzero.resume(run, total_env_steps=24).summary.env_steps == 24


def test_an_end_that_would_leave_annealing_without_its_own_is_refused(tmp_path):
    config = tiny_config(tmp_path, run_name="stopped")
    config = replace(
        config, learner=replace(config.learner, final_bootstrap_steps=1, annealing_begins=0.5, annealing_updates=3)
    )
    run = kvzero.train(config, observer=Stopper(at=8)).run
    with pytest.raises(ConfigError, match="annealing_updates 3, and would not end"):
        kvzero.resume(run, total_env_steps=12)


class Watching:
    """An observer that ends the session as a kill does, before its first checkpoint, if it is to; keeps sentences."""

    def __init__(self, *, is_deadly=False):
        self.is_deadly = is_deadly
        self.sentences = []

    def update(self, env_steps, *, updates, figures=None):
        if self.is_deadly and env_steps >= 8:
            raise KeyboardInterrupt

    def message(self, text):
        self.sentences.append(text)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew_in_its_folder(trained_run, tmp_path):
    run = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        kvzero.train(tiny_config(tmp_path, run_name="killed"), observer=Watching(is_deadly=True))
    with pytest.raises(RunError, match=f"go on with it: kvzero train --resume {run}"):
        kvzero.train(tiny_config(tmp_path, run_name="killed"))
    assert not list(run.glob("checkpoints/*"))
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"env_steps": 8, "left_over": 1}\n')
    (run / "versions.json").write_text("{}")
    finished = kvzero.resume(run, observer=(observer := Watching()))
    assert finished.run == run
    assert observer.sentences[0] == f"{run} holds no checkpoint; it begins anew"
    assert history(run) == history(trained_run)
    ours, theirs = weights(run), weights(trained_run)
    assert [name for name in theirs if not np.array_equal(ours[name], theirs[name])] == []
    assert (run / "versions.json").read_text() == (trained_run / "versions.json").read_text()
    assert [folder.name for folder in tmp_path.iterdir()] == ["killed"]


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_run_that_has_lost_its_checkpoints_is_not_begun_anew(trained_run, tmp_path, is_finished):
    run = copied(trained_run, tmp_path)
    shutil.rmtree(run / "checkpoints")
    if not is_finished:
        (run / "summary.json").unlink()
    before = (run / "metrics.jsonl").read_bytes()
    with pytest.raises(RunError, match="has had checkpoints, but they are gone"):
        kvzero.resume(run, total_env_steps=50)
    assert (run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("kind", ["missing", "empty", "file", "without checkpoints"])
def test_what_is_no_run_cannot_be_resumed(tmp_path, kind):
    run = tmp_path / "run"
    if kind == "file":
        run.touch()
    elif kind != "missing":
        run.mkdir()
    if kind == "without checkpoints":
        (run / "checkpoints" / "partial_step_1").mkdir(parents=True)
    with pytest.raises(RunError, match="run"):
        kvzero.resume(run)


def test_a_checkpoint_of_another_config_is_refused_and_the_run_left_as_it_was(trained_run, tmp_path):
    run = copied(trained_run, tmp_path)
    found = json.loads((run / "config.json").read_text())
    found["agent"]["model"]["embed_dim"] = 16
    (run / "config.json").write_text(json.dumps(found))
    before = (run / "metrics.jsonl").read_bytes()
    with pytest.raises(CheckpointError, match="another configuration"):
        kvzero.resume(run, total_env_steps=50)
    assert (run / "metrics.jsonl").read_bytes() == before
    assert json.loads((run / "config.json").read_text()) == found


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "copy"))


def test_a_config_that_cannot_be_read_is_named(trained_run, tmp_path):
    run = copied(trained_run, tmp_path)
    (run / "config.json").write_text('{"preset": "tiny", "colour": "red"}')
    with pytest.raises(RunError, match=r"config\.json.*colour"):
        kvzero.resume(run)


@pytest.fixture
def failing(monkeypatch):
    def fail(at: int | None, how: str = "raise") -> None:
        monkeypatch.setattr(Failing, "at", at)
        monkeypatch.setattr(Failing, "how", how)

    return fail


@pytest.mark.parametrize(
    ("how", "message"),
    [("raise", "ZeroDivisionError: the ladder broke"), ("nan", "feature 0 is nan"), ("shape", r"shape \(4,\)")],
)
def test_an_environment_that_fails_is_named_with_its_step_and_the_run_can_go_on(tmp_path, failing, how, message):
    failing(9, how)
    with pytest.raises(EnvError, match=f"environment 0 .*Failing.* at step 9.*{message}"):
        kvzero.train(tiny_config(tmp_path, run_name="failed", environment="Failing"))
    run = tmp_path / "failed"
    assert newest_checkpoint(run).name.startswith(f"step_{8 * NUM_ENVS:010d}_")
    failing(None)
    finished = kvzero.resume(run)
    assert finished.summary is not None
    assert finished.summary.env_steps == 40


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"device": "cuda:7"}, DeviceError),
        ({"env": kvzero.EnvConfig(env_id="Nowhere-v0")}, ConfigError),
        ({"env": kvzero.EnvConfig(env_id="tests.training.environments:Mixed")}, ConfigError),
        ({"replay": kvzero.ReplayConfig(replay_capacity=3)}, ConfigError),
    ],
)
def test_a_config_that_cannot_work_here_leaves_no_folder_behind(tmp_path, change, error):
    with pytest.raises(error):
        kvzero.train(replace(tiny_config(tmp_path / "runs", run_name="no"), **change))
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(RunError, match=r"already exists.*--run-name.*--resume"):
        kvzero.train(tiny_config(tmp_path, run_name="mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_runs_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/runs.*cannot be written"):
        kvzero.train(tiny_config(tmp_path / "file" / "runs", run_name="x"))


def test_a_run_without_a_name_is_called_by_preset_seed_and_time(tmp_path):
    run = kvzero.train(tiny_config(tmp_path, total_env_steps=4, final_eval_episodes=1)).run
    assert run.parent == tmp_path
    assert run.name.startswith("tiny-seed0-2")


def test_learning_from_the_first_step_on_waits_for_something_to_learn_from(tmp_path):
    config = tiny_config(tmp_path, learning_starts=0, round_env_steps=1, total_env_steps=8, final_eval_episodes=1)
    summary = kvzero.train(config).summary
    assert summary is not None
    assert summary.updates == 1


def test_a_run_that_was_stopped_after_one_step_makes_its_updates_once_there_is_something_to_learn_from(tmp_path):
    config = tiny_config(
        tmp_path, run_name="stopped", learning_starts=0, replay_ratio=0.5, round_env_steps=2, total_env_steps=8
    )
    kvzero.train(config, observer=Stopper(at=2))
    summary = kvzero.resume(tmp_path / "stopped").summary
    assert summary is not None
    assert summary.updates == 3  # one for each step of both environments but the first


def test_a_full_disk_ends_the_run_with_the_checkpoint_before_it(tmp_path, monkeypatch):
    whole, calls = checkpoints._flush, iter(range(9))

    def fill_up(folder: Path) -> None:
        if next(calls) == 1:
            raise OSError(28, "No space left on device")
        whole(folder)

    monkeypatch.setattr(checkpoints, "_flush", fill_up)
    with pytest.raises(RunError, match="No space left on device"):
        kvzero.train(tiny_config(tmp_path, run_name="full"))
    assert newest_checkpoint(tmp_path / "full").name.startswith("step_0000000012_")
    finished = kvzero.resume(tmp_path / "full")
    assert finished.summary is not None


@pytest.mark.parametrize("make_config", [tiny_config, continuous_config])
@pytest.mark.parametrize("round_env_steps", [4, 40])  # one update in a round, or all of them
def test_a_network_that_diverges_ends_the_run_and_is_not_saved(tmp_path, make_config, round_env_steps):
    config = make_config(tmp_path, run_name="wild", checkpoint_every=4, round_env_steps=round_env_steps)
    with pytest.raises(SearchError, match=r"not (all )?finite"):
        kvzero.train(replace(config, learner=replace(config.learner, learning_rate=1e30)))
    saved = [load_file(path) for path in (tmp_path / "wild").glob("checkpoints/*/weights.safetensors")]
    assert all(np.isfinite(tensor).all() for tensors in saved for tensor in tensors.values())
    assert len(saved) == (2 if round_env_steps == 4 else 0)


def test_resident_memory_stays_as_it_is_once_the_replay_is_full(tmp_path):
    config = replace(
        tiny_config(tmp_path, total_env_steps=160, eval_every=160, checkpoint_every=40, log_every=20, replay_ratio=0.1),
        replay=kvzero.ReplayConfig(replay_capacity=40),
    )
    run = kvzero.train(config).run
    held = {line["env_steps"]: line["rss_bytes"] for line in read_metrics(run) if "rss_bytes" in line}
    assert held[160] < 1.05 * held[60]


def test_a_run_ends_as_it_would_whatever_fails_to_show_it(tmp_path, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise OSError("nothing can be shown")

    class Blind:
        update = write = close = fail

    module = sys.modules[kvzero.train.__module__]
    seen = kvzero.train(tiny_config(tmp_path, run_name="seen"))
    for name in ("_show_curve", "write_report"):
        monkeypatch.setattr(module, name, fail)
    unseen = kvzero.train(tiny_config(tmp_path, run_name="unseen"), observer=Blind(), sinks=[lambda *_, **__: Blind()])
    assert unseen.summary.eval_returns == seen.summary.eval_returns
    assert history(unseen.run) == history(seen.run)
    assert sorted(record.getMessage().partition(" failed ")[0] for record in caplog.records) == [
        "the learning curve",
        "the log of figures (Blind)",
        "the observer",
        "the report",
    ]


def test_two_runs_that_begin_in_one_second_without_a_name_both_live(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_: "20260102-030405")
    runs = [kvzero.train(replace(tiny_config(tmp_path), seed=3)).run for _ in range(3)]
    assert [run.name for run in runs] == [f"tiny-seed3-20260102-030405{number}" for number in ("", "-2", "-3")]
    assert len({weights(run)["weights action_table.weight"].tobytes() for run in runs}) == 1


ODD_NAMES = [b"caf\xe9", "[red]", "[/red]", " two  words ", "très", "%d {x} ~", "$\\frac{$"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=str)
def test_a_run_lives_in_a_folder_of_any_name(tmp_path, name):
    folder = tmp_path / os.fsdecode(name)
    config = replace(tiny_config(folder, run_name=os.fsdecode(name)), sinks=("tensorboard",))
    first = kvzero.train(replace(config, schedule=replace(config.schedule, total_env_steps=16)))
    second = kvzero.resume(first.run, total_env_steps=24)
    assert second.run == folder / os.fsdecode(name)
    assert second.summary.env_steps == 24
    assert read_config(second.run).runs_dir == str(folder)
    plot_learning_curve(second.run)
    assert write_report(second.run).read_text(encoding="utf-8").count("<html") == 1
    assert len(kvzero.evaluate_run(second.run, num_episodes=1).returns) == 1
    kvzero.Agent.load(second.run)
