"""Whole comparisons, in real processes: stores agree, a run that dies is named, Ctrl-C ends with what there is."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.training.samples import continuous_config, tiny_config

from kvzero.agent import newest_checkpoint
from kvzero.errors import ConfigError, RunError
from kvzero.processes import CODE
from kvzero.reports.comparison import Comparison, judge, summarise
from kvzero.reports.comparison.tables import facts
from kvzero.training import read_config
from kvzero.training.comparison import ComparisonConfig, compare
from kvzero.training.comparison.compare import _order


def tiny_comparison(out, **changes) -> ComparisonConfig:
    config = ComparisonConfig(run=tiny_config(out), env_steps=40, out=out / "out", num_laps=3, seeds=(0,))
    return replace(config, **changes)


def processes() -> list[psutil.Process]:
    """Return the processes of runs."""
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if CODE in child.cmdline()]


def process_of(name: str) -> psutil.Process:
    (found,) = [child for child in processes() if any(file.path.endswith(f"{name}.log") for file in child.open_files())]
    return found


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Let no process outlive its comparison."""
    yield
    assert processes() == []


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Comparison, ComparisonConfig, list[str]]:
    """Return a comparison of all stores, one of them with pools too small for a search, and what it said."""
    config = tiny_comparison(tmp_path_factory.mktemp("compared"), pool_sizes=(2,))
    said: list[str] = []
    return compare(config, say=said.append), config, said


def test_every_run_makes_the_same_steps_in_every_lap(compared):
    comparison, _, said = compared
    assert [run.variant for run in comparison.runs] == ["tree", "pooled-2", "legacy-2"]
    for run in comparison.runs:
        assert run.failure is None
        assert [turn.env_steps for turn in run.turns] == [16, 28, 40]
        assert [turn.num_env_steps for turn in run.turns] == [16, 12, 12]
        assert sum(turn.num_updates for turn in run.turns) == 7
        assert all(turn.collect_seconds > 0 for turn in run.turns)
    assert [[turn.position for turn in run.turns] for run in comparison.runs] == [[0, 2, 1], [1, 0, 2], [2, 1, 0]]
    assert len([line for line in said if line.startswith("lap 2/3")]) == 3


def test_exact_stores_plan_alike_whatever_their_pools_hold(compared):
    comparison, _, _ = compared
    assert comparison.unprobed == {}
    found = {(each.variant, each.precision): each for each in comparison.identities}
    assert set(found) == {(name, kind) for name in ("pooled-2", "legacy-2") for kind in ("float32", "float64")}
    for each in found.values():
        assert each.reference == "tree"
        assert each.max_logit_difference < 1e-5
        assert each.num_resets > 0
    for name in ("pooled-2", "legacy-2"):
        exact = found[name, "float64"]
        assert exact.num_differing_searches == exact.max_visit_difference == 0
        assert exact.max_value_difference < 1e-6
    assert all(finding.kind == "slower" for finding in judge(comparison).findings)


def test_stores_are_compared_on_continuous_actions_too(tmp_path):
    config = tiny_comparison(tmp_path, run=continuous_config(tmp_path), stores=("tree", "pooled"), num_laps=2)
    comparison = compare(config, say=lambda _: None)
    assert [run.failure for run in comparison.runs] == [None, None]
    assert comparison.unprobed == {}
    assert [each.num_differing_searches for each in comparison.identities] == [0, 0]
    assert max(each.max_logit_difference for each in comparison.identities) < 1e-5


def test_small_pools_miss_and_the_report_shows_it(compared):
    comparison, _, _ = compared
    tree, pooled, legacy = summarise(comparison)
    assert tree.cache == {}
    assert pooled.cache["recur/misses"] > 0
    assert legacy.cache["recur/pool_size"] == 2
    assert pooled.cache["recur/regenerate_seconds"] > 0


def test_each_run_has_a_folder_like_any_other(compared):
    comparison, config, _ = compared
    for run in comparison.runs:
        folder = config.out / run.folder
        assert read_config(folder).seed == run.seed
        assert read_config(folder).agent.store == run.variant.split("-")[0]
        assert newest_checkpoint(folder).name.startswith("step_0000000040_")
    found = json.loads((config.out / "report.json").read_text())
    assert found["comparison"]["machine"]["cores"]
    assert (config.out / "report.html").stat().st_size > 5_000


def test_equal_seeds_train_alike_until_rounding(compared):
    comparison, config, _ = compared
    tree, pooled, _ = comparison.runs
    found = json.loads((config.out / "report.json").read_text())
    assert [(each["variant"], each["env_steps"]) for each in found["agreements"]] == [
        ("pooled-2", 40),
        ("legacy-2", 40),
    ]
    assert tree.games[:3] == pooled.games[:3]
    assert pooled.curve[3]["loss"] == pytest.approx(tree.curve[3]["loss"], rel=1e-5)


def test_a_folder_is_used_once(compared):
    _, config, _ = compared
    before = (config.out / "report.json").read_bytes()
    with pytest.raises(RunError, match="holds this comparison, which is at its end"):
        compare(config)
    assert (config.out / "report.json").read_bytes() == before


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    config = tiny_comparison(tmp_path)
    config.out.mkdir()
    (config.out / "notes.txt").touch()
    with pytest.raises(RunError, match="already exists and is not empty; choose another --out"):
        compare(config)
    assert [path.name for path in config.out.iterdir()] == ["notes.txt"]


def test_a_run_that_dies_is_named_and_another_gives_the_weights(tmp_path):
    def kill(line: str) -> None:
        if line.startswith("lap 2/3: tree"):
            process_of("tree-seed0").kill()

    comparison = compare(tiny_comparison(tmp_path, stores=("tree", "pooled", "legacy")), say=kill)
    tree, *others = comparison.runs
    assert tree.failure is not None
    assert "was killed by signal 9" in tree.failure
    assert len(tree.turns) == 2
    assert [(run.failure, len(run.turns)) for run in others] == [(None, 3), (None, 3)]
    assert judge(comparison).sentence.startswith("Failed: tree.")
    assert {(each.variant, each.reference) for each in comparison.identities} == {("legacy", "pooled")}
    assert set(comparison.unprobed) == {"tree"}
    assert not comparison.is_stopped


def test_a_config_that_a_run_refuses_is_a_failure_with_its_reason(tmp_path):
    config = tiny_comparison(tmp_path, stores=("tree",))
    run = replace(config.run, replay=replace(config.run.replay, replay_capacity=3))
    said: list[str] = []
    comparison = compare(replace(config, run=run), say=said.append)
    assert "replay_capacity 3" in (comparison.runs[0].failure or "")
    assert said[0].startswith("tree-seed0 failed: ")
    assert (config.out / "report.html").exists()


def test_a_schedule_longer_than_the_runs_is_refused_before_anything_is_written(tmp_path):
    config = tiny_comparison(tmp_path)
    run = replace(config.run, schedule=replace(config.run.schedule, total_env_steps=100_000, replay_ratio=0.1))
    run = replace(run, learner=replace(run.learner, warmup_updates=50))
    with pytest.raises(ConfigError, match="warmup_updates is 50, longer than the run"):
        replace(config, run=run)
    assert not config.out.exists()


def stopper(beginning: str) -> Callable[[str], None]:
    def stop(line: str) -> None:
        if line.startswith(beginning):
            signal.raise_signal(signal.SIGINT)

    return stop


def test_ctrl_c_ends_with_a_report_of_what_there_is(tmp_path):
    config = tiny_comparison(tmp_path, stores=("tree", "legacy"))
    comparison = compare(config, say=stopper("lap 2/3: legacy"))
    assert comparison.is_stopped
    assert [len(run.turns) for run in comparison.runs] == [1, 2]
    assert [run.failure for run in comparison.runs] == [None, None]
    assert set(comparison.unprobed.values()) == {"stopped before"}
    assert judge(comparison).sentence.endswith("Stopped by hand before its end.")
    assert newest_checkpoint(config.out / comparison.runs[1].folder).name.startswith("step_0000000028_")
    assert (config.out / "report.html").exists()


def test_a_comparison_that_was_stopped_goes_on_after_its_last_whole_lap(tmp_path):
    config = tiny_comparison(tmp_path, stores=("tree", "legacy"))
    stopped = compare(config, say=stopper("lap 2/3: legacy"))
    said: list[str] = []
    comparison = compare(config, say=said.append)
    assert said[0] == "going on after lap 1/3"
    assert comparison.resumed_after == (1,)
    assert not comparison.is_stopped
    assert comparison.started == stopped.started
    for run, before in zip(comparison.runs, stopped.runs, strict=True):
        assert run.failure is None
        assert [turn.env_steps for turn in run.turns] == [16, 28, 40]
        assert run.turns[0] == before.turns[0]
        steps = [line["env_steps"] for line in run.curve]
        assert steps == sorted(set(steps))
        assert run.curve[: len(before.curve) // 2] == before.curve[: len(before.curve) // 2]
    tree, legacy = comparison.runs
    assert [game.raw_return for game in tree.games] == [game.raw_return for game in legacy.games]
    assert {each.variant for each in comparison.identities} == {"legacy"}
    assert ("taken up again after laps", "1") in facts(comparison)
    with pytest.raises(RunError, match="at its end"):
        compare(config)


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from tests.training.comparison.test_compare import tiny_comparison
from kvzero.training.comparison import compare

def kill(line):
    if line.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

compare(tiny_comparison(Path(sys.argv[1]), stores=("tree", "pooled")), say=kill)
"""


@pytest.mark.parametrize(("moment", "resumed_after"), [("lap 1/3: tree", ()), ("lap 3/3: tree", (2,))])
def test_a_comparison_that_was_killed_goes_on(tmp_path, moment, resumed_after):
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, moment], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    comparison = compare(tiny_comparison(tmp_path, stores=("tree", "pooled")))
    assert comparison.resumed_after == resumed_after
    assert [run.failure for run in comparison.runs] == [None, None]
    assert [[turn.env_steps for turn in run.turns] for run in comparison.runs] == [[16, 28, 40]] * 2
    for run in comparison.runs:
        lines = (tmp_path / "out" / run.folder / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["env_steps"] for line in lines] == [line["env_steps"] for line in run.curve]


def test_another_comparison_in_the_folder_is_named_by_what_differs(tmp_path):
    config = tiny_comparison(tmp_path, stores=("tree",))
    compare(config, say=stopper("lap 1/3"))
    other = replace(config, seeds=(1,), run=replace(config.run, learner=replace(config.run.learner, ema_rate=0.5)))
    with pytest.raises(RunError, match="holds another comparison, which differs in ema_rate, seeds; give its own"):
        compare(other)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1, "config": {}, "standing": {"runs": 3}}'])
def test_a_damaged_standing_is_named(tmp_path, content):
    config = tiny_comparison(tmp_path, stores=("tree",))
    config.out.mkdir()
    (config.out / "standing.json").write_text(content)
    with pytest.raises(RunError, match=r"standing\.json cannot be read"):
        compare(config)
    assert (config.out / "standing.json").read_text() == content


def test_nothing_is_written_where_nothing_could_work(tmp_path):
    config = tiny_comparison(tmp_path)
    run = replace(config.run, env=replace(config.run.env, env_id="Nowhere-v0"))
    with pytest.raises(ConfigError, match="Nowhere-v0"):
        compare(replace(config, run=run))
    assert not config.out.exists()


def test_each_lap_begins_with_another_variant_and_keeps_seeds_together():
    runs = ["a0", "b0", "c0", "a1", "b1", "c1"]
    orders = [_order(runs, 2, lap) for lap in (0, 1, 2, 3)]
    assert orders[0] == orders[3] == runs
    assert orders[1] == ["b0", "c0", "a0", "b1", "c1", "a1"]
    assert orders[2] == ["c0", "a0", "b0", "c1", "a1", "b1"]
