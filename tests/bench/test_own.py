"""kvzero's own searches are those of a shape, with full contexts."""

import numpy as np
import torch

from kvzero.bench.config import SearchBench
from kvzero.bench.own import OwnSearch, random_network


def test_random_heads_answer_with_something_else_than_zero():
    plain, drawn = (random_network(SearchBench(random_heads=is_random)) for is_random in (False, True))
    assert not plain.latent_head.first.weight.any()
    assert drawn.latent_head.first.weight.std() > 0.1
    assert torch.equal(plain.action_table.weight, drawn.action_table.weight)


def test_contexts_are_full_before_the_first_search():
    ours = OwnSearch(SearchBench(num_envs=2, context_tokens=12, embed_dim=16, num_simulations=2))
    assert ours._planner.store.lengths(np.arange(2)).tolist() == [13, 13]
