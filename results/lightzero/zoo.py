"""Try every UniZero and sampled UniZero file of a checkout of LightZero, and print the table of the migration guide.

    python results/lightzero/zoo.py CHECKOUT

The files are executed, but train nothing. Environments are made once each, so that the extras `box2d` and `dmc`, and
OpenGL for images of DeepMind Control, have to be there.
"""

import argparse
import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from kvzero import EnvConfig
from kvzero.compat import LightZeroWarning, load_file
from kvzero.errors import KvzeroError

HEADER = "| File below `zoo/` | Loads | As, or why not |\n|---|---|---|"
NAMES = ("*unizero*.py", "*_suz_*.py")
"""How files of these agents are called: suz is sampled UniZero."""


def find_files(checkout: Path) -> list[Path]:
    """Return the files in folders of configs that are called after one of the agents."""
    found = {path for name in NAMES for path in (checkout / "zoo").rglob(name)}
    return sorted(path for path in found if path.parent.name in ("config", "configs"))


def name_environment(env: EnvConfig) -> str:
    """Return what is played, and how, where the config of the environment is not only an id."""
    ways = {
        f"task {env.task}": env.is_dmc,
        "images": env.from_pixels,
        f"{env.action_bins_per_dim} bins": env.action_bins_per_dim > 0,
        "grey": env.grayscale,
        f"{env.frame_stack} frames": env.frame_stack > 1,
    }
    return ", ".join([f"`{env.env_id}`", *(way for way, is_taken in ways.items() if is_taken)])


def try_file(path: Path, checkout: Path) -> tuple[bool, str]:
    """Return whether a file loads, and the environment or the reason."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", LightZeroWarning)
        try:
            return True, name_environment(load_file(path).env)
        except KvzeroError as error:
            return False, str(error).replace(f"{path} ", "").replace(f"{checkout}/", "").replace("|", "\\|")


def make_table(checkout: Path) -> Iterator[str]:
    """Return the lines of the table, the counts last."""
    yield HEADER
    counts = [0, 0]
    for path in find_files(checkout):
        loads, told = try_file(path, checkout)
        counts[loads] += 1
        yield f"| `{path.relative_to(checkout / 'zoo')}` | {'yes' if loads else 'no'} | {told} |"
    yield f"\n{counts[True]} of {sum(counts)} load."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder that a repository of LightZero was cloned into")
    for line in make_table(parser.parse_args().checkout.resolve()):
        print(line)
