"""The programs in docs/examples do what the documentation says of them."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


def test_the_environment_keeps_gymnasiums_rules_and_pays_as_told() -> None:
    env = runpy.run_path(str(EXAMPLES / "coins.py"))["Coins"](size=12)
    check_env(env, skip_render_check=True)
    earned, steps = [], []
    for seed in range(20):
        env.reset(seed=seed)
        rewards = []
        while not rewards or rewards[-1] < 0:
            rewards.append(env.step(np.int64(1))[1])
        earned.append(sum(rewards))
        steps.append(len(rewards))
    assert (min(steps), max(steps)) == (6, 11)
    assert 0.9 <= min(earned) < max(earned) <= 0.95


def test_its_masks_name_the_actions_that_stay_inside() -> None:
    env: gymnasium.Env = runpy.run_path(str(EXAMPLES / "coins.py"))["Coins"](size=3)
    for _ in range(20):
        observation, info = env.reset()
        assert info["action_mask"].tolist() == [bool(observation.argmax()), True]


def test_the_environment_is_trained_on_by_the_command_of_the_guide(tmp_path: Path) -> None:
    guide = (ROOT / "docs/guides/own-environment.md").read_text(encoding="utf-8")
    (line,) = [line for line in guide.splitlines() if line.startswith("$ kvzero train")]
    words = line.removeprefix("$ kvzero ").replace("3000", "40").split()
    words += ["--learning-starts", "16", "--final-eval-episodes", "2", "--max-eval-steps", "20", "--device", "cpu"]
    (tmp_path / "coins.py").write_text((EXAMPLES / "coins.py").read_text(encoding="utf-8"), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "kvzero", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "evaluation return" in done.stdout


def test_the_loop_trains() -> None:
    learn = runpy.run_path(str(EXAMPLES / "loop.py"))["learn"]
    assert len(list(learn(60, num_envs=4))) > 4
