"""A config file is run as a program up to the point where it would train, and what it would train is caught."""

import sys
from pathlib import Path

import pytest
from tests.compat.samples import CONFIGS

from kvzero.compat.lightzero.script import Script, run_script
from kvzero.errors import ConfigError

TRAINING = """
if __name__ == "__main__":
    from lzero.entry import train_unizero_segment
    train_unizero_segment([main_config, create_config]{more})
    raise RuntimeError("the file went on")
"""


def written(folder: Path, text: str, name: str = "my_config.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_that_trains_at_its_end_is_caught_there():
    script = run_script(CONFIGS / "cartpole.py")
    assert script.main_config["env"]["env_name"] == "CartPole-v0"
    assert script.create_config["policy"]["type"] == "unizero"
    assert script.options == {"seed": 5, "max_env_step": 20_000}


def test_a_file_that_trains_in_a_function_and_a_loop_is_caught_at_the_first_call():
    script = run_script(CONFIGS / "pong_segment.py")
    assert script.main_config["exp_name"] == "data/Pong/Pong_segments-8_seed7"
    assert repr(script.main_config["policy"]["model"]["action_space_size"]).endswith("_map['PongNoFrameskip-v4']")
    assert script.options == {"seed": 7, "model_path": None, "max_env_step": 500_000}


def test_arguments_that_are_given_by_position_are_named(tmp_path):
    text = "main_config, create_config = {'a': 1}, {'b': 2}" + TRAINING.format(more=", 3, None, 'w.pth', 40, 50")
    options = {"seed": 3, "model": None, "model_path": "w.pth", "max_train_iter": 40, "max_env_step": 50}
    assert run_script(written(tmp_path, text)) == Script({"a": 1}, {"b": 2}, options, "train_unizero_segment")


def test_a_file_that_does_not_train_is_read_by_its_variables(tmp_path):
    assert run_script(written(tmp_path, "main_config = {'a': 1}")) == Script({"a": 1}, {})
    assert run_script(CONFIGS / "variables.py").create_config["policy"] == {"type": "unizero"}


def test_what_a_file_leaves_and_prints_stays_unseen(tmp_path, monkeypatch, capsys):
    text = """
import traceback
from pathlib import Path
main_config, create_config = {"a": 1}, {}
Path("data/run").mkdir(parents=True)
Path("data/run/pid").write_text("1")
try:
    from lzero.entry import train_unizero
    train_unizero([main_config, create_config])
except BaseException:
    traceback.print_exc()
    raise
"""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as in a session of Python
    for _ in range(2):
        assert run_script(written(tmp_path, text).relative_to(tmp_path)).main_config == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["my_config.py"]
    assert (Path.cwd(), sys.path[0]) == (tmp_path, "")
    assert capsys.readouterr() == ("", "")


def test_modules_of_the_current_folder_are_found_where_they_would_be(tmp_path, monkeypatch):
    written(tmp_path / "here", "NAME = 'mine'", "beside_the_user.py")
    config = written(tmp_path / "there", "import beside_the_user\nmain_config = {'a': beside_the_user.NAME}")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend("")
    assert run_script(config).main_config == {"a": "mine"}


def test_what_a_file_that_fails_had_to_say_is_passed_on(tmp_path, capsys):
    with pytest.raises(ConfigError, match="raised ValueError: no"):
        run_script(written(tmp_path, "print('nearly there')\nraise ValueError('no')"))
    assert capsys.readouterr() == ("", "nearly there\n")


def test_what_changes_a_config_on_the_way_gives_it_back_and_contexts_can_be_entered(tmp_path):
    text = """
from ding.utils import DDPContext
from lzero.config.utils import lz_to_ddp_config
from lzero.entry import train_unizero
main_config, create_config = {"a": 1}, {}
with DDPContext():
    main_config = lz_to_ddp_config(main_config)
    train_unizero([main_config, create_config], seed=1)
"""
    assert run_script(written(tmp_path, text)) == Script({"a": 1}, {}, {"seed": 1}, "train_unizero")


def test_a_file_finds_its_neighbours_and_the_checkout_that_it_lies_in(tmp_path):
    written(tmp_path, "SIZES = {'Pong': 6}", "zoo/atari/sizes.py")
    written(tmp_path, "WIDTH = 9", "zoo/atari/config/widths.py")
    text = "from zoo.atari.sizes import SIZES\nfrom widths import WIDTH\nmain_config = {**SIZES, 'width': WIDTH}"
    before = list(sys.path)
    assert run_script(written(tmp_path, text, "zoo/atari/config/mine.py")).main_config == {"Pong": 6, "width": 9}
    assert sys.path == before
    assert "zoo" not in sys.modules


def test_a_file_sees_no_arguments_but_its_name_and_the_callers_come_back(tmp_path, monkeypatch):
    words = ["kvzero", "train", "--lightzero-config", "x.py", "--seed", "9"]
    monkeypatch.setattr(sys, "argv", words)
    path = written(tmp_path, "import sys\nmain_config = {'words': sys.argv}")
    assert run_script(path).main_config == {"words": [str(path)]}
    assert sys.argv is words
    assert sys.modules["__main__"].__name__ == "__main__"


def test_a_broad_except_in_the_file_does_not_swallow_the_call(tmp_path):
    text = "from lzero.entry import train_unizero\ntry:\n    train_unizero([{'a': 1}, {}])\nexcept Exception:\n    pass"
    assert run_script(written(tmp_path, text)).main_config == {"a": 1}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1 / 0", ["ZeroDivisionError", "division by zero", "mend the file"]),
        ("main_config = {", ["SyntaxError"]),
        ("import nowhere_to_be_found", ["nowhere_to_be_found"]),
        ("import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('game')\nparser.parse_args()",
         ["ended itself", "without arguments"]),
        ("config = {}", ["neither trains nor", "main_config"]),
        ("main_config = 3", ["neither trains nor", "main_config"]),
        ("from lzero.entry import train_unizero\ntrain_unizero([{}])", ["train_unizero", "main_config, create_config"]),
        ("from lzero.entry import train_unizero\ntrain_unizero([{'name': 'a' * 9999}])", ["aaa..."]),
        ("from lzero.entry import train_muzero_multitask_ddp\ntrain_muzero_multitask_ddp([[0, ['a' * 9999]]])",
         ["train_muzero_multitask_ddp", "several tasks", "kvzero trains an agent on one"]),
        ("raise ValueError('it\\nis ' + 'a' * 9999)", ["ValueError: it is aaa", "aaa...; mend"]),
        ("from lzero.entry import eval_muzero\neval_muzero([{}, {}])", ["eval_muzero", "does not train"]),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_followed_is_refused_with_the_reason(tmp_path, capsys, text, parts):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        run_script(path)
    assert [part for part in (str(path), *parts) if part not in str(refused.value)] == []
    assert len(str(refused.value)) < 450
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no file"):
        run_script(tmp_path / "nowhere.py")
    with pytest.raises(ConfigError, match="is no file"):
        run_script(tmp_path)
