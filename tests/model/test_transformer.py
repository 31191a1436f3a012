"""The band, the incremental pass against the whole one, and padding that nobody sees."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.model.samples import SMALL, random_transformer

from kvzero.cache import Window
from kvzero.model import ModelConfig, band_mask
from kvzero.model.transformer import Transformer

CPU = torch.device("cpu")
GARBAGE = 40.0


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def agree(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@given(num_tokens=st.integers(1, 13), context_tokens=st.integers(1, 15))
def test_the_band_mask_equals_a_double_loop(num_tokens, context_tokens):
    mask = band_mask(num_tokens, context_tokens, device=CPU)
    assert mask.tolist() == [[0 <= i - j < context_tokens for j in range(num_tokens)] for i in range(num_tokens)]


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@torch.no_grad()
def test_a_token_sees_as_far_as_its_layers_reach_and_no_further(num_layers):
    context, last = 4, 14
    transformer = random_transformer(replace(SMALL, num_layers=num_layers, context_tokens=context))
    tokens = draw(1, last + 3, 24)
    wanted = transformer(tokens)[0][0, last]
    first_seen = last - num_layers * (context - 1)
    for place in range(last + 3):
        changed = tokens.clone()
        changed[0, place] += 1
        difference = (transformer(changed)[0][0, last] - wanted).abs().max()
        assert (difference > 0) == (first_seen <= place <= last)


class Incremental:
    """Rows that begin at different times, each passed a few tokens at a time against its last `C` tokens."""

    def __init__(self, transformer: Transformer, config: ModelConfig, starts: list[int]) -> None:
        layout = config.layout
        self.transformer, self.context = transformer, layout.context_tokens
        self.starts = torch.tensor(starts)
        self.past = torch.full((len(starts), self.context, *layout.token_shape), GARBAGE)
        self.is_valid = torch.zeros(len(starts), self.context, dtype=torch.bool)
        self.time = 0

    def extend(self, tokens: torch.Tensor, *, end: int) -> torch.Tensor:
        """Pass tokens at the places before `end`; what lies beyond the context is garbage that claims to be valid."""
        batch, num_new = tokens.shape[:2]
        keys_values = torch.full((batch, self.context + 2, *self.past.shape[2:]), GARBAGE)
        is_valid = torch.ones(batch, self.context + 2, dtype=torch.bool)
        old, new = slice(end - num_new - self.context, end - num_new), slice(end - num_new, end)
        keys_values[:, old], is_valid[:, old] = self.past, self.is_valid
        positions = self.time + torch.arange(num_new) - self.starts[:, None]
        is_valid[:, new] = positions >= 0
        has_padding = not is_valid[:, old].all() or not is_valid[:, new].all()
        window = Window(keys_values, is_valid if has_padding else None)
        outputs = self.transformer.extend(tokens, positions.clamp(min=0), window, end=end)
        self.past = torch.cat([self.past, keys_values[:, new]], dim=1)[:, num_new:]
        self.is_valid = torch.cat([self.is_valid, is_valid[:, new]], dim=1)[:, num_new:]
        self.time += num_new
        return outputs


@pytest.mark.parametrize("context", [2, 6])
@pytest.mark.parametrize(("num_new", "places_left"), [(1, 0), (1, 1), (2, 0)])
@pytest.mark.parametrize("starts", [[0, 0, 0, 0], [0, 3, 8, 1]], ids=["even", "ragged"])
@torch.no_grad()
def test_extending_equals_passing_the_whole_sequence(context, num_new, places_left, starts):
    config = replace(SMALL, context_tokens=context)
    transformer, num_tokens = random_transformer(config), 30
    tokens = draw(len(starts), num_tokens, 24)
    incremental = Incremental(transformer, config, starts)
    found = torch.cat(
        [
            incremental.extend(tokens[:, time : time + num_new], end=context + 2 - places_left)
            for time in range(0, num_tokens, num_new)
        ],
        dim=1,
    )
    for row, start in enumerate(starts):
        wanted, cache = transformer(tokens[row : row + 1, start:])
        agree(found[row, start:], wanted[0])
        agree(incremental.past[row], torch.stack(cache, dim=2)[0, -context:])
        for place in range(start if num_new == 2 else 0):  # a padding token beside a real one sees itself
            agree(found[row, place], transformer(tokens[row : row + 1, place : place + 1])[0][0, 0])


@torch.no_grad()
def test_left_padding_gives_the_same_as_alone():
    transformer, num_tokens, paddings = random_transformer(), 17, [0, 4, 15]
    tokens = draw(3, num_tokens, 24)
    is_valid = torch.arange(num_tokens) >= torch.tensor(paddings)[:, None]
    positions = (torch.arange(num_tokens) - torch.tensor(paddings)[:, None]).clamp(min=0)
    outputs, cache = transformer(tokens, positions, is_valid=is_valid)
    assert outputs.isfinite().all()
    for row, padding in enumerate(paddings):
        wanted, keys_values = transformer(tokens[row : row + 1, padding:])
        agree(outputs[row, padding:], wanted[0])
        for layer in range(2):
            agree(cache[layer][row, padding:], keys_values[layer][0])
        for place in range(padding):  # padding sees itself, so that no row of the mask is empty
            agree(outputs[row, place], transformer(tokens[row : row + 1, place : place + 1])[0][0, 0])


@torch.no_grad()
@pytest.mark.parametrize("read", [slice(0, None, 2), slice(-1, None), slice(3, 8)])
@pytest.mark.parametrize("num_layers", [1, 3])
@torch.no_grad()
def test_reading_some_tokens_gives_their_outputs_and_everybodys_keys(num_layers, read):
    transformer = random_transformer(replace(SMALL, num_layers=num_layers))
    tokens, num_padded = draw(2, 9, 24), torch.tensor([0, 4])
    is_valid = torch.arange(9) >= num_padded[:, None]
    positions = (torch.arange(9) - num_padded[:, None]).clamp(min=0)
    all_outputs, all_keys = transformer(tokens, positions, is_valid=is_valid)
    outputs, keys = transformer(tokens, positions, is_valid=is_valid, read=read)
    agree(outputs, all_outputs[:, read])
    agree(torch.stack(keys), torch.stack(all_keys))


def test_where_a_sequence_begins_to_be_counted_makes_no_difference():
    transformer, tokens = random_transformer(), draw(2, 9, 24)
    transformer.positions.reserve(40_000)
    positions = torch.arange(9) + torch.tensor([[7], [39_000]])
    agree(transformer(tokens, positions)[0], transformer(tokens)[0])
    scattered = positions * torch.tensor([1, 2, 3, 4, 5, 6, 5, 4, 1])
    assert (transformer(tokens, scattered.clamp(max=39_999))[0] - transformer(tokens)[0]).abs().max() > 1e-2


@torch.no_grad()
def test_a_sequence_longer_than_the_table_of_positions_is_passed():
    outputs, _ = random_transformer(replace(SMALL, num_layers=1))(draw(1, 1025, 24))
    assert outputs.shape == (1, 1025, 24)


def test_linear_layers_start_small_and_without_bias():
    torch.manual_seed(0)
    for name, weights in Transformer(SMALL).named_parameters():
        if name.endswith("bias"):
            assert not weights.any()
        elif weights.ndim == 2:
            assert weights.std().item() == pytest.approx(0.02, rel=0.1)


def test_every_weight_of_a_sequence_learns():
    transformer = random_transformer()
    transformer(draw(2, 9, 24))[0].square().sum().backward()
    for name, weights in transformer.named_parameters():
        assert weights.grad.any(), name
