"""Open-loop errors: how far predictions on predicted latents come away from what was played, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kvzero.engines import Past, RollOut, SearchNetwork, roll_out
from kvzero.model import LatentLoss, latent_distance, masked_mean
from kvzero.reports import OPEN_LOOP
from kvzero.training.recorder import PlayedEpisode

__all__ = ["OpenLoop", "Root", "follow_open_loop", "open_loop_errors"]

NUM_ROOTS = 32
"""Roots that predictions are followed from, evenly among all steps played."""

TINY = 1e-8


Root = tuple[int, int]
"""Number of an episode and of a step in it."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """What was predicted below some roots, and what followed there; depth 0 of an array is one step below the root."""

    predicted: RollOut
    """Predictions along the actions that were played, on latents of the network's own."""

    latents: Float[Tensor, "root depth embed"]
    """The encoder's latents of what was really seen."""

    rewards: Float[Tensor, "root depth"]
    """Rewards that really followed."""

    values: Float[Tensor, "root depth"]
    """Values that were read at the true observations, in their context."""

    is_played: Bool[Tensor, "root depth"]
    """The step was taken: its reward and where it led are known."""

    is_valued: Bool[Tensor, "root depth"]
    """Where it led was acted on, so that the network said what it is worth; or the episode ended there, worth 0."""


@dataclass(frozen=True, slots=True)
class _Played:
    """What followed some roots, by depth below them, as the environment had it; zeros where nothing is known."""

    actions: Shaped[np.ndarray, "root depth *action"]
    observations: Shaped[np.ndarray, "root depth ..."]
    rewards: Float[Tensor, "root depth"]
    values: Float[Tensor, "root depth"]
    is_played: Bool[np.ndarray, "root depth"]
    """The step was taken: its reward and where it led are known."""
    is_valued: Bool[np.ndarray, "root depth"]
    """Where it led was acted on, so that the network said what it is worth; or the episode ended there, worth 0."""


def open_loop_errors(
    network: SearchNetwork, episodes: Sequence[PlayedEpisode], *, num_steps: int, latent_loss: LatentLoss
) -> dict[str, float]:
    """Return mean errors of latents, rewards and values by depth, `open_loop/<what>/<depth>`.

    From roots in their true context the network is rolled out along the actions that were played, on latents of its
    own, as a search below these roots does it. `latent` is the distance that the latent loss takes from the encoder's
    latent of what was really seen, `latent_share` the square of that difference over the variance of all those latents
    (0 is perfect, 1 is no better than always their mean). `reward` and `value` are absolute: the value on the predicted
    latent against that which was read at the true observation, in its context. Depths that no episode reaches are left
    out.
    """
    roots = _choose_roots(episodes)
    if not roots:
        return {}
    num_steps = min(num_steps, max(len(episodes[place].rewards) - start for place, start in roots))
    return _mean_errors(follow_open_loop(network, episodes, roots, num_steps=num_steps), latent_loss)


@torch.inference_mode()
def follow_open_loop(
    network: SearchNetwork, episodes: Sequence[PlayedEpisode], roots: Sequence[Root], *, num_steps: int
) -> OpenLoop:
    """Return what the network predicts below these steps along the actions that were played, and what followed."""
    source = network.source
    past, lengths = _read_past(episodes, roots, source.config.layout.history_steps)
    played = _read_played(episodes, roots, num_steps)
    found = roll_out(network, past, lengths, played.actions)
    seen = torch.from_numpy(played.observations).to(source.device)
    return OpenLoop(
        predicted=found,
        latents=torch.stack([source.encode(of_depth) for of_depth in seen.unbind(1)], dim=1).float(),
        rewards=played.rewards.to(source.device),
        values=played.values.to(source.device),
        is_played=torch.from_numpy(played.is_played).to(source.device),
        is_valued=torch.from_numpy(played.is_valued).to(source.device),
    )


def _choose_roots(episodes: Sequence[PlayedEpisode]) -> list[Root]:
    """Return episodes and steps in them, evenly among all."""
    steps = [(place, start) for place, episode in enumerate(episodes) for start in range(len(episode.rewards))]
    chosen = np.linspace(0, len(steps) - 1, min(NUM_ROOTS, len(steps))).round().astype(int)
    return [steps[index] for index in chosen]


def _read_past(
    episodes: Sequence[PlayedEpisode], roots: Sequence[Root], history_steps: int
) -> tuple[Past, Int[np.ndarray, " root"]]:
    """Return what was seen and done before each root, and how many tokens that were."""
    starts = np.array([start for _, start in roots])
    depth = min(history_steps, int(starts.max())) + 1
    times = starts[:, None] + np.arange(1 - depth, 1)
    is_valid = times >= 0
    rows = [(episodes[place], row) for (place, _), row in zip(roots, times.clip(min=0), strict=True)]
    observations = np.stack([[episode.observations[time] for time in row] for episode, row in rows])
    actions = np.stack([[episode.actions[time] for time in row] for episode, row in rows])[:, :-1]
    return Past(observations, actions, is_valid), 2 * starts + 1


def _read_played(episodes: Sequence[PlayedEpisode], roots: Sequence[Root], num_steps: int) -> _Played:
    """Return what followed each root; the last step of an episode stands again where it had none."""
    times = np.array([start for _, start in roots])[:, None] + np.arange(num_steps)
    ends = np.array([len(episodes[place].rewards) for place, _ in roots])[:, None]
    terminated = np.array([episodes[place].is_terminated for place, _ in roots])[:, None]
    is_played, is_acted_on = times < ends, times + 1 < ends
    rows = [(episodes[place], row) for (place, _), row in zip(roots, times.clip(max=ends - 1), strict=True)]
    values = np.array([[[*episode.values, 0.0][time + 1] for time in row] for episode, row in rows], np.float32)
    rewards = np.array([[episode.rewards[time] for time in row] for episode, row in rows], np.float32)
    return _Played(
        actions=np.stack([[episode.actions[time] for time in row] for episode, row in rows]),
        observations=np.stack([[episode.observations[time + 1] for time in row] for episode, row in rows]),
        rewards=torch.from_numpy(rewards),
        values=torch.from_numpy(values),
        is_played=is_played,
        is_valued=is_acted_on | (is_played & terminated),
    )


@torch.inference_mode()
def _mean_errors(loop: OpenLoop, latent_loss: LatentLoss) -> dict[str, float]:
    found, latents, is_played, is_valued = loop.predicted, loop.latents, loop.is_played, loop.is_valued
    variance = latents[is_played].var(dim=0, correction=0).mean().clamp(min=TINY)
    errors = {
        "latent": (latent_distance(found.latents, latents, latent_loss), is_played),
        "latent_share": ((found.latents - latents).square().mean(-1) / variance, is_played),
        "reward": ((found.rewards - loop.rewards).abs(), is_played),
        "value": ((found.values - loop.values).abs(), is_valued),
    }
    return {
        f"{OPEN_LOOP}/{what}/{depth:02d}": float(masked_mean(of_depth, counts.float()))
        for what, (error, is_known) in errors.items()
        for depth, (of_depth, counts) in enumerate(zip(error.unbind(1), is_known.unbind(1), strict=True), start=1)
        if counts.any()
    }
