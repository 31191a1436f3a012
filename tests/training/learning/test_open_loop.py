"""Unrolls in open loop: which segments are shown how far, and that the network sees no further."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.samples import LEARNER, MODEL, some_segments, tiny_learner, tiny_network

from kvzero import LearnerConfig
from kvzero.errors import ConfigError
from kvzero.model import Predictions
from kvzero.records import EnvSpec
from kvzero.training.learning.augmentation import encode_shifted
from kvzero.training.learning.open_loop import OpenLoop, count_seen

PARTS = ("reward_logits", "next_latents", "value_logits", "policy_logits")


def agree(found: Predictions, wanted: Predictions) -> None:
    for name in PARTS:
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), atol=1e-5, rtol=0)


@given(num_segments=st.integers(1, 60), num_steps=st.integers(2, 9), share=st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]))
def test_as_many_segments_as_asked_for_are_cut_off_after_every_step_alike(num_segments, num_steps, share):
    counts = count_seen(num_segments, num_steps, share=share)
    numbers = np.bincount(counts, minlength=num_steps + 1)
    assert numbers[0] == 0
    assert numbers[1:num_steps].sum() == int(round(num_segments * share, 6))
    assert np.ptp(numbers[1:num_steps]) <= 1


@given(share=st.floats(0, 1), first=st.integers(0, 40), num_segments=st.integers(1, 20), num_steps=st.integers(2, 6))
def test_ranks_show_what_one_process_would_show(share, first, num_segments, num_steps):
    whole = count_seen(first + num_segments, num_steps, share=share)
    np.testing.assert_array_equal(count_seen(num_segments, num_steps, share=share, first=first), whole[first:])


def test_segments_of_one_step_are_shown_whole():
    assert count_seen(5, 1, share=1.0).tolist() == [1] * 5


@torch.no_grad()
def test_what_is_not_to_be_seen_has_no_effect():
    network = tiny_network()
    observations, actions = torch.randn(10, 4, *network.spec.observation_shape), torch.randint(3, (10, 4))
    counts = torch.from_numpy(count_seen(10, 4, share=0.7))
    found = OpenLoop(0.7).predict(network, observations, actions, None)
    behind = torch.arange(4) >= counts[:, None]
    hidden = torch.where(behind[..., None], torch.nan, observations)
    agree(OpenLoop(0.7).predict(network, hidden, actions, None), found)
    whole = network(network.encode_steps(observations), actions)
    is_whole = ~behind.any(-1)
    assert is_whole.tolist().count(True) == 3
    for name in PARTS:
        differs = (getattr(found, name) - getattr(whole, name)).abs().flatten(1).amax(-1) > 1e-5
        if name == "next_latents":
            assert torch.equal(differs, ~is_whole)
        assert not differs[is_whole].any()


@torch.no_grad()
def test_a_second_rank_continues_where_the_first_ends():
    network = tiny_network()
    observations, actions = torch.randn(12, 4, *network.spec.observation_shape), torch.randint(3, (12, 4))
    whole = OpenLoop(0.7).predict(network, observations, actions, None)
    second = OpenLoop(0.7, rank=1).predict(network, observations[6:], actions[6:], None)
    agree(second, Predictions(*(getattr(whole, name)[6:] for name in PARTS)))


@torch.no_grad()
def test_each_segment_is_shifted_by_its_own_pixels():
    spec = EnvSpec(observation_shape=(2, 34, 32), num_actions=3)
    network = tiny_network(model=MODEL, spec=spec)
    observations = torch.randint(256, (6, 3, *spec.observation_shape), dtype=torch.uint8)
    actions, shifts = torch.randint(3, (6, 3)), torch.tensor([[0, 1, -1, 2, 0, -2], [1, 0, 2, -2, 0, 1]])
    latents = encode_shifted(network, observations, shifts)
    wanted = network.unroll(latents, actions, torch.from_numpy(count_seen(6, 3, share=1.0)))
    agree(OpenLoop(1.0).predict(network, observations, actions, shifts), wanted)


def test_an_update_learns_from_all_steps():
    learner = tiny_learner(replace(LEARNER, open_loop_share=1.0))
    closed = tiny_learner()
    segments = some_segments(learner)
    figures, others = learner.update(segments), closed.update(segments)
    assert set(figures) == set(others)
    assert all(figure.isfinite() for figure in figures.values())
    assert figures["loss_latent"] != others["loss_latent"]
    assert figures["mean_value_target"] == others["mean_value_target"]
    first = figures["loss"].item()
    for _ in range(40):
        figures = learner.update(segments)
    assert figures["loss"].item() < 0.8 * first


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match=r"open_loop_share.*0 to 1"):
        LearnerConfig(open_loop_share=share)


def test_unrolls_too_short_for_it_are_refused():
    with pytest.raises(ConfigError, match="unroll_steps is 1"):
        LearnerConfig(open_loop_share=0.5, unroll_steps=1)
