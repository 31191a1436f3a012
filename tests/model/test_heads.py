"""Paired heads: two heads that happen to share one product, both silent at first."""

import torch
from tests.model.samples import scatter
from torch.nn import functional

from kvzero.model.heads import PairedHead


def test_first_answers_are_zero_whatever_the_token():
    first, second = PairedHead(8, 6, (5, 3))(torch.randn(2, 4, 8))
    assert first.shape == (2, 4, 5)
    assert second.shape == (2, 4, 3)
    assert not first.any()
    assert not second.any()


def test_a_pair_equals_two_heads_apart():
    torch.manual_seed(0)
    head, tokens = scatter(PairedHead(8, 6, (5, 3))), torch.randn(2, 8)
    for answer, half, last in zip(head(tokens), (slice(0, 6), slice(6, 12)), (head.first, head.second), strict=True):
        hidden = functional.gelu(functional.linear(tokens, head.hidden.weight[half], head.hidden.bias[half]))
        torch.testing.assert_close(answer, last(hidden))
