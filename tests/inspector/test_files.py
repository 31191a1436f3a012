"""The records of a game come back from JSON and from npz as they were."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kvzero.errors import ConfigError, RunError
from kvzero.inspector import Game, write_records

Play = Callable[[str], Game]


@pytest.mark.parametrize("kind", ["cartpole", "pendulum", "pooled"])
def test_json_holds_all_records_and_the_game(kind: str, game_of: Play, tmp_path: Path) -> None:
    game = game_of(kind)
    write_records(tmp_path / "game.json", game)
    found = json.loads((tmp_path / "game.json").read_text())
    assert found["format"] == 1
    assert found["records"] == [record.to_json() for record in game.records]
    assert found["game"]["return"] == game.total
    assert found["game"]["env"] == game.env.env_id
    np.testing.assert_array_equal(found["game"]["actions"], np.stack(game.episode.actions))
    assert found["game"]["rewards"] == game.episode.rewards


@pytest.mark.parametrize("kind", ["cartpole", "pendulum", "pooled"])
def test_npz_holds_the_arrays_of_all_records_by_step(kind: str, game_of: Play, tmp_path: Path) -> None:
    game = game_of(kind)
    write_records(tmp_path / "game.npz", game)
    with np.load(tmp_path / "game.npz", allow_pickle=False) as found:
        for step, record in enumerate(game.records):
            for name, array in record.arrays().items():
                np.testing.assert_array_equal(found[name][step], array)
            for name, figure in record.cache_figures.items():
                assert found[f"cache/{name}"][step] == figure
            assert (found["chosen"][step], found["num_tokens"][step]) == (record.chosen, record.num_tokens)
        about = json.loads(str(found["about"]))
    first = game.records[0]
    assert about["search"] == {
        name: getattr(first, name) for name in ("engine", "store", "rule", "discount", "num_slots", "tokens_per_node")
    }
    assert about["principal_lines"] == [record.principal_line for record in game.records]
    assert about["game"]["checkpoint"] == game.checkpoint.name


def test_a_file_of_another_kind_is_refused(game_of: Play, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither of .json and .npz"):
        write_records(tmp_path / "game.csv", game_of("cartpole"))


def test_a_folder_that_is_not_there_is_made_and_a_file_in_its_place_is_named(game_of: Play, tmp_path: Path) -> None:
    write_records(tmp_path / "new" / "game.json", game_of("cartpole"))
    assert (tmp_path / "new" / "game.json").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make the folder .*file"):
        write_records(tmp_path / "file" / "game.json", game_of("cartpole"))
