"""Paired heads: two heads that happen to share one product, both silent at first."""

import pytest
import torch
from tests.model.samples import scatter

from kvzero.model.heads import PairedHead

TOKENS = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))


def test_first_answers_are_zero_whatever_the_token():
    first, second = PairedHead(8, 6, (5, 3))(TOKENS)
    assert first.shape == (2, 4, 5)
    assert second.shape == (2, 4, 3)
    assert not first.any()
    assert not second.any()


@pytest.mark.parametrize(("half", "own"), [(slice(0, 6), 0), (slice(6, 12), 1)])
@torch.no_grad()
def test_each_answer_is_read_from_its_own_half_of_the_hidden_layer(half, own):
    torch.manual_seed(1)
    head = scatter(PairedHead(8, 6, (5, 3)))
    before = head(TOKENS)
    head.hidden.weight[half] += 1
    after = head(TOKENS)
    assert (after[own] != before[own]).all()
    assert torch.equal(after[1 - own], before[1 - own])
