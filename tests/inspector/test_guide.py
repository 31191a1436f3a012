"""The guide on the inspector is true: its flags and keys are those that there are, and its programs run."""

import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from kvzero.cli.inspect import Inspect
from kvzero.inspector import Game, write_records

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/inspect.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_guide_names_every_flag() -> None:
    told = set(re.findall(r"`--([a-z-]+)`", GUIDE))
    assert told == {field.name.replace("_", "-") for field in fields(Inspect)} - {"run"}


def test_the_page_tells_of_its_keys() -> None:
    script = (ROOT / "src/kvzero/inspector/assets/main.js").read_text(encoding="utf-8")
    keys = re.search(r"const KEYS = {\n(.*?)\n};", script, re.DOTALL)
    assert keys is not None
    known = set(re.findall(r'^  "?([^":]+)"?: ', keys[1], re.MULTILINE))
    table = GUIDE[GUIDE.index("| Key |") : GUIDE.index("`inspect.html#")]
    shown = {
        "ArrowLeft": "←",
        "ArrowRight": "→",
        "ArrowUp": "↑",
        "ArrowDown": "↓",
        "Home": "home",
        "End": "end",
        " ": "space",
        "-": "\N{MINUS SIGN}",
    }
    assert len(known) == 14
    assert [key for key in known if shown.get(key, key) not in table] == []


def test_the_programs_of_the_guide_run(
    run_of: Callable[[str], Path], game_of: Callable[[str], Game], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run_of("cartpole"), "runs/cartpole-0")
    write_records(Path("game.npz"), game_of("cartpole"))
    explaining, reading = PROGRAMS
    shown: dict[str, Any] = {}
    exec(explaining, shown)
    assert shown["record"].chosen == shown["action"]
    exec(reading, shown)
    assert shown["visits"].shape == (len(game_of("cartpole").records), 2)


def test_every_picture_of_the_guide_is_there() -> None:
    pictures = re.findall(r"\]\(\.\./assets/(.*?)\)", GUIDE)
    assert len(pictures) == 4
    assert [name for name in pictures if not (ROOT / "docs/assets" / name).is_file()] == []
