"""Measure what latents of Pong tell of the game, and whether rewards are foreseen, after updates on random play.

    python results/pong/seen.py --updates 600                                 # as the preset `atari-small` has it
    python results/pong/seen.py --updates 600 --normalize-observations False  # with other settings of a run
    python results/pong/seen.py --updates 1000 --shift-pixels 0 --discount 0.997

Two times 4,800 steps are played at random: the first are trained on, in batches of 32, the others asked about. Printed
are the share of the variance of ball and own paddle that a linear (ridge) reading of latents explains; how much a
latent's numbers vary beside their mean; the loss of the rewards that follow, next to what knowing only how often they
come would cost; how values go along with the next point, discounted by the steps until it falls (their correlation);
and the share of the encoder's units that are dormant. On one quiet core, 600 updates take a minute.
"""

import argparse
from collections.abc import Iterable, Iterator

import numpy as np
import torch

import kvzero
from kvzero.cli.train import parse_run
from kvzero.envs import make_environments
from kvzero.model import Network, cross_entropy
from kvzero.records import EnvSpec
from kvzero.replay import Replay, ReplayConfig, Segments, StepBatch, build_row_spec
from kvzero.training import Learner

NUM_ENVS = 16
NUM_ROUNDS = 300
RIDGES = (1, 10, 100, 1000)
STEPS_BEFORE = 3
"""Steps before the one whose value is asked for: as many as the context of `atari-small` holds."""
ROWS, BALL_COLUMNS, PADDLE_COLUMNS = slice(11, 59), slice(9, 54), slice(54, 60)
"""Of a frame of 64x64 pixels: between the walls, between the paddles, around the own one."""


def play(config: kvzero.RunConfig, seed: int, num_rounds: int = NUM_ROUNDS) -> tuple[EnvSpec, list[StepBatch]]:
    """Return the steps of random play, one batch a round."""
    envs = make_environments(config.env, num_envs=NUM_ENVS, training=True)
    rng, observations, steps = np.random.default_rng(seed), envs.reset(seed).observations, []
    num_actions = envs.spec.num_actions
    for _ in range(num_rounds):
        actions = rng.integers(num_actions, size=NUM_ENVS)
        found = envs.step(actions)
        policies = np.full((NUM_ENVS, num_actions), 1 / num_actions, np.float32)
        fields = {"observations": observations, "actions": actions, "rewards": found.rewards, "policies": policies}
        steps.append(
            StepBatch(
                fields=fields,
                terminated=found.terminated,
                truncated=found.truncated,
                final_observations=found.final_observations,
            )
        )
        observations = found.observations
    envs.close()
    return envs.spec, steps


def fill(steps: Iterable[StepBatch], spec: EnvSpec, seed: int) -> Replay:
    """Return a replay of steps."""
    replay = Replay(ReplayConfig(replay_capacity=100_000), build_row_spec(spec), num_envs=NUM_ENVS, seed=seed)
    for step in steps:
        replay.add(step)
    return replay


def find_things(frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return where ball and own paddle are in frames `[frame, height, width]`, NaN where they are not seen."""
    changed = np.abs(frames.astype(np.float32) - np.median(frames, 0))
    changed[changed < 8] = 0
    paddle = np.abs(frames[:, ROWS, PADDLE_COLUMNS].astype(np.float32) - 87)  # the field's grey
    across, down = _centres(changed[:, ROWS, BALL_COLUMNS])
    return {"ball x": across, "ball y": down, "paddle y": _centres(np.where(paddle < 15, 0, paddle))[1]}


def _centres(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = weights.sum((1, 2))
    total = np.where(total > 20, total, np.nan)
    rows, columns = np.arange(weights.shape[1])[:, None], np.arange(weights.shape[2])
    return (weights * columns).sum((1, 2)) / total, (weights * rows).sum((1, 2)) / total


def explained(latents: np.ndarray, places: np.ndarray, other_latents: np.ndarray, other_places: np.ndarray) -> float:
    """Return the share of the variance of other places that the best ridge regression explains."""
    seen, other_seen = ~np.isnan(places), ~np.isnan(other_places)
    mean, scale = latents[seen].mean(0), latents[seen].std(0) + 1e-6
    inputs, others = (latents[seen] - mean) / scale, (other_latents[other_seen] - mean) / scale
    centre, wanted = places[seen].mean(), other_places[other_seen]
    shares = []
    for ridge in RIDGES:
        weights = np.linalg.solve(
            inputs.T @ inputs + ridge * np.eye(inputs.shape[1]), inputs.T @ (places[seen] - centre)
        )
        shares.append(1 - ((others @ weights + centre - wanted) ** 2).mean() / wanted.var())
    return float(max(shares))


def spread(latents: np.ndarray) -> float:
    """Return how much a latent's numbers vary, beside their mean."""
    return float((latents.std(0) / np.abs(latents).mean(0)).mean())


@torch.no_grad()
def encode(network: Network, observations: np.ndarray) -> np.ndarray:
    """Return latents of observations."""
    parts = torch.from_numpy(observations).split(200)
    return torch.cat([network.encode(part) for part in parts]).double().numpy()


def next_points(steps: list[StepBatch], discount: float) -> np.ndarray:
    """Return, `[step, env]`, the next point, discounted by the steps until it falls; NaN where none follows."""
    points, following = [], np.full(NUM_ENVS, np.nan)
    for step in reversed(steps):
        rewards = step.fields["rewards"]
        following = np.where(rewards == 0, discount * following, rewards)
        points.append(following)
    return np.stack(points[::-1])


@torch.no_grad()
def read_values(network: Network, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return, `[step, env]`, the values of all steps but the first ones, each seen behind `STEPS_BEFORE` others."""
    seen = torch.from_numpy(latents.astype(np.float32)).unflatten(0, actions.shape)
    last, found = torch.full((NUM_ENVS, 1), STEPS_BEFORE), []
    for end in range(STEPS_BEFORE + 1, len(actions) + 1):
        window = slice(end - STEPS_BEFORE - 1, end)
        taken = torch.from_numpy(actions[window]).transpose(0, 1)
        found.append(network.read_values(seen[window].transpose(0, 1), taken, last)[:, 0])
    return torch.stack(found).numpy()


def correlation(values: np.ndarray, points: np.ndarray) -> float:
    """Return the correlation of values with the points that they foresee, where these are known."""
    known = ~np.isnan(points)
    return float(np.corrcoef(values[known], points[known])[0, 1])


def reward_shares(replay: Replay) -> dict[float, float]:
    """Return how often each reward comes."""
    rewards = replay.steps_of("rewards")
    return {reward: float((rewards == reward).mean()) for reward in np.unique(rewards).tolist()}


@torch.no_grad()
def reward_losses(network: Network, segments: list[Segments], shares: dict[float, float]) -> tuple[float, float]:
    """Return the loss of rewards from the second step of unrolls on, and that of saying always how often they come."""
    support, found, known = network.support, [], []
    often = sum(share * support.encode(torch.tensor([reward])) for reward, share in shares.items())
    for each in segments:
        observations, actions, rewards = (
            torch.from_numpy(each.fields[name][:, :5]) for name in ("observations", "actions", "rewards")
        )
        counts = (torch.arange(5) >= 1) & (torch.arange(5) < torch.from_numpy(each.ends)[:, None])
        target, least = support.encode(rewards), support.entropy(rewards)
        logits = network(network.encode_steps(observations), actions, plainly=True).reward_logits
        found.append((cross_entropy(logits, target) - least)[counts].mean())
        known.append((cross_entropy(often.clamp(min=1e-9).log().expand_as(logits), target) - least)[counts].mean())
    return float(torch.stack(found).mean()), float(torch.stack(known).mean())


def measure(config: kvzero.RunConfig, num_updates: int) -> Iterator[str]:
    """Yield a line before training and every 200 updates."""
    (spec, steps), (_, others) = play(config, 0), play(config, 1)
    replay, held_out = fill(steps, spec, 0), fill(others, spec, 1)
    torch.manual_seed(config.seed)
    network = Network(config.agent.model, spec)
    learner = Learner(network, config.learner, discount=config.agent.search.discount, total_updates=100_000)
    shown = [np.concatenate([step.fields["observations"] for step in some]) for some in (steps, others)]
    learner.show(shown[0])
    learner.take_in()
    things = [find_things(frames[:, -1]) for frames in shown]
    segments = [held_out.sample(100, num_steps=learner.segment_steps) for _ in range(10)]
    shares = reward_shares(replay)
    points = next_points(others, learner.discount)[STEPS_BEFORE:]
    actions = np.stack([step.fields["actions"] for step in others])
    for update in range(num_updates + 1):
        if update % 200 == 0:
            latents = [encode(network, images) for images in shown]
            found = {name: explained(latents[0], things[0][name], latents[1], things[1][name]) for name in things[0]}
            found["spread"] = spread(latents[0])
            found["loss_reward"], found["of how often"] = reward_losses(network, segments, shares)
            if update:  # at first all values are the same
                found["values with points"] = correlation(read_values(network, latents[1], actions), points)
            found |= learner.dormant_shares()
            yield f"{update:5} " + ", ".join(f"{name} {number:.4f}" for name, number in found.items())
        learner.update(replay.sample(config.learner.batch_size, num_steps=learner.segment_steps))


def main() -> None:
    """Print what was found on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=600)
    options, words = parser.parse_known_args()
    config = parse_run("atari-small", ["--batch-size", "32", "--warmup-updates", "100", *words])
    for line in measure(config, options.updates):
        print(line, flush=True)


if __name__ == "__main__":
    main()
