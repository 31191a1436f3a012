"""Sizes of a context: what follows from them and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kvzero.cache import ContextLayout
from kvzero.errors import ConfigError

SIZES = {"num_layers": 2, "num_heads": 3, "head_dim": 5, "context_tokens": 8}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("size", [0, -2])
def test_sizes_below_one_are_refused(name, size):
    with pytest.raises(ConfigError, match=f"{name} is {size}; a context needs at least 1"):
        ContextLayout(**(SIZES | {name: size}))


def test_half_a_step_is_refused():
    with pytest.raises(ConfigError, match="context_tokens is 7; give an even number"):
        ContextLayout(**(SIZES | {"context_tokens": 7}))


def test_a_token_is_keys_and_values_of_every_layer():
    layout = ContextLayout(**SIZES)
    assert layout.token_shape == (2, 2, 3, 5)
    for dtype in (torch.float32, torch.bfloat16):
        assert layout.token_bytes(dtype) == torch.empty(layout.token_shape, dtype=dtype).nbytes


@given(num_layers=st.integers(1, 5), context_steps=st.integers(1, 9))
def test_the_history_reaches_as_far_back_as_a_token_sees(num_layers, context_steps):
    layout = ContextLayout(**(SIZES | {"num_layers": num_layers, "context_tokens": 2 * context_steps}))
    assert 2 * layout.history_steps >= num_layers * (2 * context_steps - 1) > 2 * layout.history_steps - 2 * num_layers


@pytest.mark.parametrize("context", [4, 6, 10])
def test_the_next_token_of_a_sliding_window_has_the_place_that_sliding_leaves_it(context):
    layout = ContextLayout(**(SIZES | {"context_tokens": context, "is_sliding": True}))
    held = 1  # the first latent token, then two tokens per step
    for length in range(1, 40, 2):
        if held >= context - 1:
            held -= 2  # the oldest observation and action go
        assert layout.next_positions(np.array([length])).tolist() == [held]
        held += 2


def test_the_next_token_of_a_rotary_window_counts_from_the_beginning_of_the_episode():
    lengths = np.array([[-1, 1, 3], [99, 5, 7]])
    assert ContextLayout(**SIZES).next_positions(lengths).tolist() == lengths.tolist()


def test_an_episode_that_has_not_begun_lacks_the_token_before_its_first():
    assert ContextLayout(**(SIZES | {"is_sliding": True})).next_positions(np.array([-1])).tolist() == [-1]


def test_a_window_too_short_to_slide_is_refused():
    with pytest.raises(ConfigError, match="context_tokens is 2; a window that slides needs at least 4"):
        ContextLayout(**(SIZES | {"context_tokens": 2, "is_sliding": True}))
