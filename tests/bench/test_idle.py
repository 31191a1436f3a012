"""How much of the time a device has nothing to do."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kvzero.bench.idle import covered, measure_idle_share

CPU = torch.device("cpu")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9))))
def test_what_spans_cover_is_counted_once(spans):
    spans = [(float(begin), float(begin + length)) for begin, length in spans]
    places = {place for begin, end in spans for place in range(int(begin), int(end))}
    assert covered(spans) == len(places)


def test_work_without_operations_leaves_the_device_idle():
    assert measure_idle_share(lambda: time.sleep(0.01), CPU) == 1.0


def test_operations_keep_it_busy():
    numbers = torch.ones(600, 600)

    def multiply():
        for _ in range(20):
            torch.mm(numbers, numbers)

    assert 0.0 <= measure_idle_share(multiply, CPU) < 1.0


@pytest.mark.gpu
def test_on_a_gpu_kernels_keep_it_busy():
    numbers = torch.ones(4000, 4000, device="cuda")
    assert measure_idle_share(lambda: time.sleep(0.01), numbers.device) == 1.0
    assert measure_idle_share(lambda: [numbers @ numbers for _ in range(20)], numbers.device) < 0.9
