"""The training pass against the pass that fills caches, and its attention against PyTorch's."""

from dataclasses import replace
from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.samples import SMALL, random_transformer
from torch.nn import functional

from kvzero.model import Dropout, ModelConfig, band_mask
from kvzero.model.sequences import attend, pass_sequences

LEARNED = replace(SMALL, positions="learned", max_tokens=31)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def agree(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@settings(max_examples=30)
@given(
    config=st.sampled_from([SMALL, LEARNED]),
    num_layers=st.integers(1, 3),
    num_tokens=st.integers(1, 19),
    context_tokens=st.sampled_from([4, 6, 12, 20]),
    num_read=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_a_sequence_is_passed_as_the_pass_that_fills_caches_passes_it(
    config: ModelConfig, num_layers, num_tokens, context_tokens, num_read, seed
):
    transformer = random_transformer(replace(config, num_layers=num_layers, context_tokens=context_tokens))
    tokens = draw(2, num_tokens, 24, seed=seed)
    wanted, _ = transformer(tokens)
    agree(pass_sequences(transformer, tokens), wanted)
    read = torch.randint(num_tokens, (2, num_read), generator=torch.Generator().manual_seed(seed))
    agree(pass_sequences(transformer, tokens, read=read), wanted.gather(1, read[..., None].expand(-1, -1, 24)))


@pytest.mark.parametrize("read", [None, torch.tensor([[3, 3, 8], [0, 5, 1]])], ids=["all", "some"])
def test_gradients_are_those_of_the_pass_that_fills_caches(read):
    transformer = random_transformer()
    tokens = draw(2, 9, 24)
    index = torch.arange(9).expand(2, -1) if read is None else read
    wanted = transformer(tokens)[0].gather(1, index[..., None].expand(-1, -1, 24)).square().sum()
    found = pass_sequences(transformer, tokens, read=read).square().sum()
    weights = [each for each in transformer.parameters() if each.requires_grad]
    for mine, other in zip(torch.autograd.grad(found, weights), torch.autograd.grad(wanted, weights), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_attention_equals_pytorchs_own():
    query, key, value = draw(5, 3, 7, 4), draw(5, 3, 11, 4, seed=1), draw(5, 3, 11, 4, seed=2)
    mask = band_mask(11, 6, device=torch.device("cpu"))[-7:]
    wanted = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    bias = torch.zeros(1, 7, 11).masked_fill(~mask, -inf)
    agree(attend(query, key, value, bias), wanted.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("part", ["embedding", "residual", "attention"])
def test_each_part_drops_out_at_random(part):
    transformer, tokens = random_transformer(), draw(2, 9, 24)
    whole = pass_sequences(transformer, tokens)
    torch.manual_seed(0)
    found = pass_sequences(transformer, tokens, dropout=Dropout(**{part: 0.4}))
    assert (found - whole).abs().max() > 1e-3
