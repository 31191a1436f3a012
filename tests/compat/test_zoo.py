"""The script that makes the table of files, on a small checkout, and the table that the guide has of the real one."""

import runpy
import shutil
from pathlib import Path

import pytest
from tests.compat.samples import CONFIGS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/migrating-from-lightzero.md").read_text(encoding="utf-8")
ZOO = runpy.run_path(str(ROOT / "results/lightzero/zoo.py"))


def test_every_file_of_these_agents_has_a_line_and_no_other(tmp_path):
    folder = tmp_path / "zoo/games/config"
    folder.mkdir(parents=True)
    files = {
        "cartpole": "pole_unizero_config.py",
        "pendulum_bins": "swing_unizero_config.py",
        "many_tasks": "many_suz_config.py",
        "variables": "pole_muzero_config.py",
    }
    for source, name in files.items():
        shutil.copy(CONFIGS / f"{source}.py", folder / name)
    (tmp_path / "zoo/games/test_unizero.py").write_text("1 / 0", encoding="utf-8")
    *lines, count = ZOO["make_table"](tmp_path)
    refused, *loaded = lines[1:]
    assert lines[0] == ZOO["HEADER"]
    assert refused.startswith(
        "| `games/config/many_suz_config.py` | no | calls train_unizero_multitask_segment_ddp, which"
    )
    assert str(tmp_path) not in refused
    assert loaded == [
        "| `games/config/pole_unizero_config.py` | yes | `CartPole-v0` |",
        "| `games/config/swing_unizero_config.py` | yes | `Pendulum-v1`, 9 bins |",
    ]
    assert count == "\n2 of 3 load."


def test_at_least_fifteen_files_load_and_the_guide_counts_them():
    table = GUIDE.partition(ZOO["HEADER"])[2].partition("\n\n")[0].split("\n")[1:]
    loading = [line for line in table if "| yes |" in line]
    assert len(loading) >= 15
    assert f"{len(loading)} of {len(table)} load." in GUIDE


@pytest.mark.parametrize("reason", ["several tasks", "PPO plays", "not text", "only LightZero has"])
def test_the_guide_says_why_the_others_do_not(reason):
    assert reason in GUIDE.partition(ZOO["HEADER"])[2]
