"""What rounding costs: nothing where nothing is rounded, more where more is, and as many bytes as are promised."""

import pytest
import torch
from tests.training.samples import MODEL

from kvzero.bench import CodecBench, CodecFigures, measure_codecs
from kvzero.cache import coded_context_bytes


@pytest.fixture(scope="module")
def figures(trained_run) -> CodecFigures:
    return measure_codecs(trained_run, CodecBench(num_searches=24, num_timed=2, device="cpu"))


def test_contexts_are_as_small_as_promised(figures):
    assert [cost.codec for cost in figures.costs] == ["none", "float16", "int8"]
    for cost in figures.costs:
        assert cost.bytes == coded_context_bytes(cost.codec, MODEL.layout, torch.float32)
        assert cost.times_smaller == pytest.approx(figures.costs[0].bytes / cost.bytes, abs=1e-3)
        assert min(cost.encode_microseconds, cost.decode_microseconds) > 0


def test_what_is_not_rounded_is_not_wrong_and_bytes_are_worse_than_halves(figures):
    assert figures.num_searches == 24
    assert figures.num_games >= 3  # of at most 6 steps
    assert figures.mean_absolute_value > 0
    errors = {(each.codec, each.coded): each for each in figures.errors}
    none = errors["none", "root"]
    assert none.value_error_max == none.policy_error_max == none.search_value_error_max == 0
    assert none.visits_changed_percent == none.actions_changed_percent == 0
    for coded in ("root", "every node"):
        half, byte = errors["float16", coded], errors["int8", coded]
        assert 0 < half.value_error_mean < byte.value_error_mean <= byte.value_error_max
        assert 0 < half.policy_error_mean < byte.policy_error_mean <= byte.policy_error_max
        assert 0 <= byte.actions_changed_percent <= 100
