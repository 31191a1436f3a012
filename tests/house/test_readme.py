"""Every command and every program in the README does what a reader expects: they are run here, in order, made cheap.

Commands get flags that make them small. `make` targets are planned, not run: CI runs them. A command that fits none of
this fails the test, so a new one must be placed before it may stand in the README.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, text in BLOCKS
    if language in {"console", "bash", "sh"}
    for line in text.splitlines()
    if line.startswith("$ ") or language != "console"
]
PROGRAMS = [text for language, text in BLOCKS if language == "python"]

ELSEWHERE = {'pip install -c constraints.txt -e ".[box2d,video]"': 'PIP) -e ".[box2d,video]"'}
"""Commands that the Makefile runs, and the line of it that does."""

SMALL = (
    "--device cpu --total-env-steps 24 --num-envs 2 --learning-starts 8 --round-env-steps 8 --batch-size 2 "
    "--unroll-steps 3 --bootstrap-steps 2 --embed-dim 16 --num-layers 1 --num-heads 2 --context-tokens 4 "
    "--num-simulations 2 --num-eval-simulations 2 --final-eval-episodes 1"
)
CHEAPER = {
    "kvzero presets": "",
    "kvzero train cartpole": f"{SMALL} --encoder-width 16",
    "kvzero train atari-small": (
        f"{SMALL} --encoder-channels 16 --max-frames 200 --replay-capacity 200 --warmup-updates 0"
    ),
    "kvzero train --resume": "--total-env-steps 40",
    "kvzero evaluate": "",
    "kvzero compare": (
        "--device cpu --env-steps 24 --num-laps 2 --num-envs 2 --learning-starts 8 --round-env-steps 8 --batch-size 2 "
        "--unroll-steps 3 --bootstrap-steps 2 --embed-dim 16 --num-layers 1 --num-heads 2 --context-tokens 4 "
        "--num-simulations 2 --encoder-width 16"
    ),
    "kvzero bench search": "--num-envs 1 --num-simulations 2 --num-searches 2",
}
"""What makes a command that begins like this small: flags to append, in place of those that the README gives."""

MY_MODULE = '''
"""An environment as a user would write it."""

from gymnasium.envs.classic_control import CartPoleEnv


class MyEnv(CartPoleEnv):
    """CartPole that ends soon."""

    def step(self, action):
        """Step, and end after a few steps."""
        observation, reward, _, _, info = super().step(action)
        return observation, reward, abs(observation[2]) > 0.05, False, info
'''


def cheaper(command: str) -> str:
    """Return the flags that make a command small."""
    flags = [small for beginning, small in CHEAPER.items() if command.startswith(beginning)]
    assert len(flags) == 1, f"{command!r} is not placed: give CHEAPER the flags that make it small"
    return flags[0]


def cheapened(command: str) -> list[str]:
    """Return the words of a command made small; a flag that both give keeps its small value."""
    small = cheaper(command).split()
    words = shlex.split(command)
    for flag in set(small) & set(words):
        place = words.index(flag)
        del words[place : place + 2]
    return [*words, *small]


def run(arguments: list[str], folder: Path) -> None:
    """Run a program of this environment in `folder`, as a reader of the README would."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"


def test_the_readme_begins_with_the_two_commands() -> None:
    assert COMMANDS[:2] == ["make train", "make test"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_a_make_target_of_the_readme_exists(command: str, make: Make) -> None:
    planned = make("--dry-run", *shlex.split(command)[1:])
    assert planned.returncode == 0, planned.stderr


def test_the_commands_and_programs_of_the_readme_run_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "my_module.py").write_text(MY_MODULE, encoding="utf-8")
    commands = [command for command in COMMANDS if command.startswith("kvzero ")]
    assert len(commands) >= len(CHEAPER)
    for command in commands:
        run(cheapened(command), tmp_path)
    for program in PROGRAMS:
        run([sys.executable, "-c", program], tmp_path)


def test_a_command_that_is_not_run_here_is_run_elsewhere() -> None:
    others = [command for command in COMMANDS if not command.startswith(("make ", "kvzero "))]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(others) == set(ELSEWHERE)
    assert [line for line in ELSEWHERE.values() if line not in makefile] == []
