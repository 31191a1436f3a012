"""What torchrun says of a process, and what it may not say."""

import pytest
import torch

from kvzero.errors import ConfigError, DeviceError
from kvzero.training.ranks import Place, find_place, refuse_ranks
from kvzero.training.ranks.place import choose_own_device

TORCHRUN = {
    "RANK": "5", "WORLD_SIZE": "6", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500",
}  # fmt: skip
ALONE = TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
PLACE = Place(rank=5, num_ranks=6, local_rank=1, num_local_ranks=2)


def test_a_place_is_what_torchrun_says():
    assert find_place(TORCHRUN) == PLACE


@pytest.mark.parametrize("environ", [{}, ALONE])
def test_one_process_has_no_place_among_others(environ):
    assert find_place(environ) is None


@pytest.mark.parametrize("name", TORCHRUN)
def test_a_variable_that_is_missing_is_named(name):
    with pytest.raises(ConfigError, match=f"{name} is not"):
        find_place({other: value for other, value in TORCHRUN.items() if other != name})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"RANK": "6"}, "no such rank: RANK 6, WORLD_SIZE 6"),
        ({"LOCAL_RANK": "2"}, "no such rank"),
        ({"LOCAL_WORLD_SIZE": "7"}, "no such rank"),
        ({"RANK": "-1"}, "no such rank"),
        ({"RANK": "0"}, "no such rank"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', and no number"),
    ],
)
def test_variables_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        find_place(TORCHRUN | changed)


def test_what_works_in_one_process_is_refused_in_several():
    refuse_ranks("kvzero compare", {})
    refuse_ranks("kvzero compare", {"WORLD_SIZE": "1"})
    with pytest.raises(ConfigError, match="kvzero compare works in one process; start it without torchrun"):
        refuse_ranks("kvzero compare", TORCHRUN)


def test_a_rank_takes_the_gpu_of_its_own_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_own_device("cpu", PLACE) == torch.device("cpu")
    assert choose_own_device("auto", PLACE) == choose_own_device("cuda", PLACE) == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match="device is cuda:1, but each rank takes the GPU of its own number"):
        choose_own_device("cuda:1", PLACE)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DeviceError, match="2 ranks on this machine need a GPU each, and it has 1"):
        choose_own_device("cuda", PLACE)
