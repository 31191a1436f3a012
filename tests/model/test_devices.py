"""Devices by name."""

import pytest
import torch

from kvzero.errors import DeviceError
from kvzero.model import choose_device


def test_auto_is_the_best_that_there_is():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "meta", "mps", "toaster", "cpu:x", ""])
def test_what_is_not_here_is_refused_by_name(name):
    with pytest.raises(DeviceError, match=f"device is '{name}'"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(DeviceError, match="use --device cpu"):
        choose_device("cuda")
