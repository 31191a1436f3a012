"""Open-loop errors against a world that is known, and against a loop over roots."""

import numpy as np
import pytest
import torch
from tests.training.environments import ACTIONS, FEATURES
from tests.training.samples import tiny_network

from kvzero.engines import Past, RollOut, SearchNetwork
from kvzero.model import latent_distance
from kvzero.training.recorder import PlayedEpisode
from kvzero.training.session import open_loop
from kvzero.training.session.open_loop import open_loop_errors

LENGTHS = (5, 1, 3)


def episodes(*, terminated: bool = True, lengths: tuple[int, ...] = LENGTHS) -> list[PlayedEpisode]:
    rng = np.random.default_rng(0)
    return [
        PlayedEpisode(
            list(rng.normal(size=(length + 1, FEATURES)).astype(np.float32)),
            [np.asarray(action) for action in rng.integers(ACTIONS, size=length)],
            rng.normal(size=length).tolist(),
            rng.normal(size=length).tolist(),
            terminated,
        )
        for length in lengths
    ]


def errors_of(played, *, num_steps=4, latent_loss="mse", network=None) -> dict[str, float]:
    network = SearchNetwork(network or tiny_network(), "float32")
    return open_loop_errors(network, played, num_steps=num_steps, latent_loss=latent_loss)


@torch.no_grad()
def slow_errors(played, network, num_steps) -> dict[str, float]:
    """Return the errors by a forward over a whole prefix for every root and depth."""
    support, found, every = network.support, {}, []
    for episode in played:
        real = network.encode(torch.from_numpy(np.stack(episode.observations)))
        for start in range(len(episode.rewards)):
            every += [real[start + depth] for depth in range(1, min(num_steps, len(episode.rewards) - start) + 1)]
            tokens = list(real[: start + 1])
            for depth in range(1, min(num_steps, len(episode.rewards) - start) + 1):
                end = start + depth
                said = network(torch.stack(tokens)[None], torch.from_numpy(np.stack(episode.actions[:end]))[None])
                tokens.append(said.next_latents[0, -1])
                followed = torch.from_numpy(np.stack([*episode.actions[:end], np.asarray(0)]))[None]
                value = support.decode(network(torch.stack(tokens)[None], followed).value_logits[0, -1])
                name = f"{depth:02d}"
                found.setdefault(f"latent/{name}", []).append(latent_distance(tokens[-1], real[end], "mse"))
                reward = support.decode(said.reward_logits[0, -1])
                found.setdefault(f"reward/{name}", []).append((reward - episode.rewards[end - 1]).abs())
                if end < len(episode.rewards) or episode.is_terminated:
                    wanted = episode.values[end] if end < len(episode.rewards) else 0.0
                    found.setdefault(f"value/{name}", []).append((value - wanted).abs())
    means = {f"open_loop/{name}": float(torch.stack(values).mean()) for name, values in found.items()}
    variance = torch.stack(every).var(dim=0, correction=0).mean()
    shares = {
        name.replace("latent", "latent_share"): mean / variance for name, mean in means.items() if "latent" in name
    }
    return means | {name: float(share) for name, share in shares.items()}


@pytest.mark.parametrize("terminated", [False, True])
@pytest.mark.parametrize("num_steps", [1, 4, 9])
def test_errors_are_those_of_forwards_over_whole_prefixes(terminated, num_steps):
    network, played = tiny_network(), episodes(terminated=terminated)
    found = errors_of(played, network=network, num_steps=num_steps)
    assert found == pytest.approx(slow_errors(played, network, num_steps), rel=1e-3, abs=1e-5)
    depths = {name.rsplit("/")[-1] for name in found}
    assert depths == {f"{depth:02d}" for depth in range(1, min(num_steps, max(LENGTHS)) + 1)}


def test_a_prophet_makes_no_error(monkeypatch):
    network, played = tiny_network(), episodes(lengths=(4,))
    (episode,) = played
    with torch.no_grad():
        real = network.encode(torch.from_numpy(np.stack(episode.observations)))

    def foretell(searched: SearchNetwork, past: Past, lengths: np.ndarray, actions: np.ndarray) -> RollOut:
        ends = (lengths[:, None] // 2 + np.arange(1, actions.shape[1] + 1)).clip(max=4)
        rewards, values = np.array(episode.rewards), np.array([*episode.values, 0.0])
        return RollOut(real[ends], torch.from_numpy(rewards[ends - 1]).float(), torch.from_numpy(values[ends]).float())

    monkeypatch.setattr(open_loop, "roll_out", foretell)
    found = errors_of(played, network=network, latent_loss="group_kl")
    assert len(found) == 16
    assert max(found.values()) < 1e-5


def test_always_the_mean_latent_is_a_share_of_1(monkeypatch):
    network, played = tiny_network(), episodes(lengths=(6,))
    with torch.no_grad():
        real = network.encode(torch.from_numpy(np.stack(played[0].observations[1:])))

    def average(searched: SearchNetwork, past: Past, lengths: np.ndarray, actions: np.ndarray) -> RollOut:
        nothing = torch.zeros(actions.shape[:2])
        return RollOut(real.mean(0).expand(*actions.shape[:2], -1), nothing, nothing)

    monkeypatch.setattr(open_loop, "roll_out", average)
    assert errors_of(played, network=network, num_steps=1)["open_loop/latent_share/01"] == pytest.approx(1.0, rel=1e-4)


def test_roots_are_few_and_taken_from_everywhere():
    long = episodes(lengths=(300, 40))
    roots = open_loop._choose_roots(long)
    assert len(set(roots)) == len(roots) == open_loop.NUM_ROOTS
    assert roots[0] == (0, 0)
    assert roots[-1] == (1, 39)
    assert max(np.diff([start for place, start in roots if place == 0])) <= 12


def test_nothing_played_gives_nothing():
    assert errors_of([]) == {}
