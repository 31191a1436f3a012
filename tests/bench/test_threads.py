"""Threads are set for a measurement, and given back."""

import torch

from kvzero.bench.threads import torch_threads


def test_threads_are_set_for_the_measurement_only():
    before = torch.get_num_threads()
    with torch_threads(before + 1) as num_threads:
        assert num_threads == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with torch_threads(None) as num_threads:
        assert num_threads == before
