"""Numerical identity: every variant plans, without exploration, for one recorded stream of observations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped

from kvzero.agent import Planner, load_network
from kvzero.envs import Environments, make_environments
from kvzero.files import load_arrays, save_arrays
from kvzero.model import Network, choose_device
from kvzero.records import EnvSpec
from kvzero.reports.comparison import Identity
from kvzero.search import Outcome
from kvzero.training.config import RunConfig

__all__ = ["Plans", "Precision", "compare_plans", "num_steps_of", "plan_stream", "record_stream"]

Precision = Literal["float32", "float64"]

MIN_STEPS = 40
SEED = 20_251
"""Seed of the environments and of the actions drawn at random: one that no run begins with."""
RESTART = 14
"""Steps after which one environment in four has its episode begun anew, whatever the game says."""
STREAM = ("observations", "actions", "starts", "action_masks")
"""What a recording holds of every step: in the order in which a planner asks for it."""
LEAST_PRIOR = 1e-300


@dataclass(frozen=True, slots=True)
class Plans:
    """What a variant planned at every step of a stream."""

    visit_counts: Int[np.ndarray, "time env action"]
    values: Float[np.ndarray, "time env"]
    policies: Float[np.ndarray, "time env number"]
    """Policy logits of the roots, normalised, and 0 for actions that are not legal; or all continuous actions drawn."""


def num_steps_of(config: RunConfig) -> int:
    """Return how long a stream is: three contexts, so that they roll over, and at least 40 steps."""
    return max(MIN_STEPS, 3 * config.agent.model.context_tokens)


def record_stream(config: RunConfig, checkpoint: Path, path: Path) -> None:
    """Play with a checkpoint's agent, and write observations, actions, masks and starts of episodes.

    Every second environment is played at random, so that its episodes end early, and every fourth is begun anew now and
    then, so that resets occur in games that do not end.

    Raises:
        EnvError: if an environment fails.
    """
    network, _ = load_network(checkpoint, choose_device(config.device))
    envs = make_environments(config.env, num_envs=config.env.num_envs, training=True)
    try:
        save_arrays(_play(envs, Planner(network, config.agent, num_envs=envs.num_envs), num_steps_of(config)), path)
    finally:
        envs.close()


def plan_stream(config: RunConfig, stream: Path, checkpoint: Path, path: Path, precision: Precision) -> None:
    """Plan for a recorded stream with a checkpoint's weights and this config's store, and write the plans."""
    network, _ = load_network(checkpoint, choose_device(config.device))
    network.to(getattr(torch, precision))
    plans = _plan(load_arrays(stream), network, config)
    save_arrays({name: getattr(plans, name) for name in Plans.__slots__}, path)


def compare_plans(
    variant: str, reference: str, precision: Precision, path: Path, other: Path, starts: Path
) -> Identity:
    """Return how far the plans in `path` are from those in `other`, both made for the stream in `starts`."""
    plans, held = Plans(**load_arrays(path)), Plans(**load_arrays(other))
    num_simulations = held.visit_counts.sum(axis=-1, keepdims=True)
    visits = np.abs(plans.visit_counts - held.visit_counts)
    return Identity(
        variant=variant,
        reference=reference,
        precision=precision,
        num_searches=held.values.size,
        num_resets=int(load_arrays(starts)["starts"][1:].sum()),
        max_logit_difference=float(np.abs(plans.policies - held.policies).max()),
        max_policy_difference=float((visits / num_simulations).max()),
        max_value_difference=float(np.abs(plans.values - held.values).max()),
        max_visit_difference=int(visits.max()),
        num_differing_searches=int(visits.any(axis=-1).sum()),
    )


def _play(envs: Environments, planner: Planner, num_steps: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(SEED)
    everyone = np.arange(envs.num_envs)
    shown = envs.reset(SEED)
    observations, masks = shown.observations, shown.action_masks
    actions, starts = envs.spec.blank_actions(envs.num_envs), np.ones(envs.num_envs, bool)
    stream: dict[str, list[np.ndarray]] = {name: [] for name in STREAM}
    is_restarted = everyone % 4 == min(2, envs.num_envs - 1)
    for step in range(1, num_steps + 1):
        for name, array in zip(STREAM, (observations, actions, starts, masks), strict=True):
            stream[name].append(array.copy())
        planner.observe(everyone, observations, actions=actions, starts=starts)
        outcome = planner.plan(everyone, masks, rng=None)
        actions = outcome.actions
        actions[1::2] = _draw(envs.spec, masks, rng)[1::2]
        steps = envs.step(actions)
        observations, masks = steps.observations, steps.action_masks
        starts = steps.terminated | steps.truncated | (is_restarted & (step % RESTART == 0))
    return {name: np.stack(arrays) for name, arrays in stream.items()}


def _draw(
    spec: EnvSpec, masks: Bool[np.ndarray, "env action"], rng: np.random.Generator
) -> Shaped[np.ndarray, "env *dim"]:
    """Return one legal action for each environment, all as likely."""
    if spec.is_continuous:
        return rng.uniform(-1.0, 1.0, (len(masks), spec.action_dim)).astype(np.float32)
    actions: Int[np.ndarray, " env"] = (rng.random(masks.shape) * masks).argmax(axis=1)
    return actions


def _plan(stream: dict[str, Shaped[np.ndarray, "time env ..."]], network: Network, config: RunConfig) -> Plans:
    num_envs = stream["actions"].shape[1]
    planner, everyone = Planner(network, config.agent, num_envs=num_envs), np.arange(num_envs)
    outcomes = []
    for observations, actions, starts, masks in zip(*(stream[name] for name in STREAM), strict=True):
        planner.observe(everyone, observations, actions=actions, starts=starts)
        outcomes.append(planner.plan(everyone, masks, rng=None))
    return Plans(
        np.stack([outcome.visit_counts for outcome in outcomes]),
        np.stack([outcome.values for outcome in outcomes]),
        np.stack([_policies(outcome) for outcome in outcomes]),
    )


def _policies(outcome: Outcome) -> Float[np.ndarray, "env number"]:
    """Return what the policy says at the roots; the priors of actions that were drawn say nothing of it."""
    if outcome.action_sets is not None:
        return outcome.action_sets[:, 0].reshape(len(outcome.values), -1)
    tree = outcome.tree
    logits: Float[np.ndarray, "env action"] = np.log(tree.priors[:, 0].clip(min=LEAST_PRIOR)) * tree.action_masks
    return logits
