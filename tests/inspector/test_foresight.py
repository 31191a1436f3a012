"""What the network foresees below every step equals one uncached forward over what was seen and what was played."""

import numpy as np
import pytest
import torch
from tests.training.samples import tiny_network
from tests.training.session.test_open_loop import episodes

from kvzero.engines import SearchNetwork
from kvzero.inspector import foresight as module
from kvzero.inspector.foresight import foresee

LENGTH, DEPTH = 7, 3


@torch.no_grad()
@pytest.mark.parametrize("terminated", [True, False])
def test_it_equals_an_uncached_forward_below_every_step(terminated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOTS_AT_ONCE", 3)
    (episode,) = episodes(terminated=terminated, lengths=(LENGTH,))
    network = tiny_network()
    found = foresee(SearchNetwork(network, "float32"), episode, num_steps=DEPTH)
    real = network.encode(torch.from_numpy(np.stack(episode.observations)))
    variance = np.var(
        [
            real[step + depth].numpy()
            for step in range(LENGTH)
            for depth in range(1, DEPTH + 1)
            if step + depth <= LENGTH
        ],
        axis=0,
    ).mean()
    for step in range(LENGTH):
        tokens = list(real[: step + 1])
        for depth in range(DEPTH):
            end = step + depth + 1
            if end > LENGTH:
                assert np.isnan(found.rewards[step, depth])
                assert np.isnan(found.latents[step, depth]).all()
                assert np.isnan(found.latent_errors[step, depth])
                continue
            said = network(torch.stack(tokens)[None], torch.from_numpy(np.stack(episode.actions[:end]))[None])
            tokens.append(said.next_latents[0, -1])
            np.testing.assert_allclose(found.latents[step, depth], tokens[-1], atol=1e-5)
            np.testing.assert_allclose(found.seen_latents[step, depth], real[end], atol=1e-5)
            reward = network.support.decode(said.reward_logits[0, -1])
            np.testing.assert_allclose(found.rewards[step, depth], reward, atol=1e-5)
            assert found.played_rewards[step, depth] == np.float32(episode.rewards[end - 1])
            error = np.square(tokens[-1].numpy() - real[end].numpy()).mean() / variance
            np.testing.assert_allclose(found.latent_errors[step, depth], error, rtol=1e-3)
            wanted = episode.values[end] if end < LENGTH else 0.0 if terminated else np.nan
            np.testing.assert_array_equal(found.read_values[step, depth], np.float32(wanted))
            assert np.isnan(found.values[step, depth]) == np.isnan(wanted)


def test_a_game_shorter_than_what_is_asked_for_is_foreseen_to_its_end() -> None:
    (episode,) = episodes(lengths=(2,))
    found = foresee(SearchNetwork(tiny_network(), "float32"), episode, num_steps=9)
    assert found.rewards.shape == (2, 2)
