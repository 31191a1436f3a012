"""CartPole with nothing learnt but the value: does a run still get stuck?

    python results/cartpole/value_alone.py --seeds 0 1 2 3 4 5
    python results/cartpole/value_alone.py --rows-are-worth look-ahead --random-share 0.5

Everything else is given. The look-ahead steps CartPole's own equations, so no model can be wrong; the policy is
computed from what it finds, so none is learnt; a value sees one observation, so there is no context. What is left is as
in the preset: the encoder with its normalisation, categorical values, the sampler, n-step returns, the EMA network,
environments, schedule, temperature and noise. In place of returns, rows can be worth what a look-ahead by the EMA
network finds there: the best of its paths, and by --random-share the mean of all.

Prints the mean length of ten games without exploration after every 1,250 steps, and what the value makes of places
along the track in the end, with the pole upright and all at rest.
"""

import argparse
import copy

import numpy as np
import torch
from torch import nn

from kvzero.model import ModelConfig, Support
from kvzero.model.encoders import VectorEncoder

NUM_ENVS, ROUND, LIMIT, DEPTH, UNROLL, BATCH, LEARNING_STARTS = 8, 64, 500, 3, 10, 64, 500
REPLAY_RATIO, RECENT_ROWS, EVAL_EVERY, PLACES = 0.5, 2_500, 1_250, (-1.6, -0.8, 0.0, 0.8, 1.6)
DECISIVENESS = 6.0
"""Of the softmax that makes a policy of scaled values: it plays the best action about as often as the search does."""


def step(states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the next states [env, 4] and who fell or left, by the equations of CartPole-v1 (Barto et al. 1983)."""
    _, speed, angle, turning = states.T
    cos, sin = np.cos(angle), np.sin(angle)
    push = (np.where(actions == 1, 10.0, -10.0) + 0.05 * turning**2 * sin) / 1.1
    turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    drift = push - 0.05 * turn * cos / 1.1
    after = states + 0.02 * np.stack([speed, drift, turning, turn], axis=1)
    return after.clip(-9, 9), (np.abs(after[:, 0]) > 2.4) | (np.abs(after[:, 2]) > np.radians(12))


def start(rng: np.random.Generator, num: int) -> np.ndarray:
    """Return first states."""
    return rng.uniform(-0.05, 0.05, (num, 4))


class Value(nn.Module):
    """The preset's encoder and a value head on it."""

    def __init__(self) -> None:
        super().__init__()
        model = ModelConfig(normalize_observations=True)
        self.encoder = VectorEncoder(4, model)
        self.hidden = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU())
        self.last = nn.Linear(64, model.support_size)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.support = Support(model.support_size)

    def forward(self, states: np.ndarray) -> torch.Tensor:
        """Return logits."""
        logits: torch.Tensor = self.last(self.hidden(self.encoder(torch.from_numpy(states).float())))
        return logits

    @torch.no_grad()
    def read(self, states: np.ndarray) -> np.ndarray:
        """Return values."""
        values: np.ndarray = self.support.decode(self(states)).numpy()
        return values


class Replay:
    """All games in one row of states for each environment; every step of them is a place where an unroll may start."""

    def __init__(self, rng: np.random.Generator, most_steps: int) -> None:
        size = 2 * (most_steps // NUM_ENVS + ROUND)  # of each game the state that it ended in is held as well
        self._states = np.zeros((NUM_ENVS, size, 4))
        self._ends, self._fell = np.full((NUM_ENVS, size), size), np.zeros((NUM_ENVS, size), bool)
        self._firsts, self._newest = np.zeros(NUM_ENVS, int), np.zeros(NUM_ENVS, int)
        self._starts, self._num = np.zeros((most_steps + ROUND, 2), int), 0
        self._states[:, 0] = start(rng, NUM_ENVS)

    @property
    def newest(self) -> np.ndarray:
        """States to act on [env, 4]."""
        newest: np.ndarray = self._states[np.arange(NUM_ENVS), self._newest]
        return newest

    def last(self, num: int) -> np.ndarray:
        """Return the states that were acted on last [step, 4]."""
        envs, places = self._starts[self._num - num : self._num].T
        states: np.ndarray = self._states[envs, places]
        return states

    def add(self, after: np.ndarray, ended: np.ndarray, rng: np.random.Generator) -> None:
        """Take in a step of every environment; a game that is over is followed by another."""
        for env, place in enumerate(self._newest):
            self._starts[self._num] = env, place
            self._num += 1
            self._states[env, place + 1] = after[env]
            self._newest[env] += 1
            first = self._firsts[env]
            if ended[env] or place + 1 - first == LIMIT:
                self._ends[env, first : place + 2], self._fell[env, first : place + 2] = place + 1, ended[env]
                self._firsts[env] = self._newest[env] = place + 2
                self._states[env, place + 2] = start(rng, 1)[0]

    def sample(self, rng: np.random.Generator, recent_share: float, bootstrap_steps: int) -> tuple[np.ndarray, ...]:
        """Return states [step, 4], states to bootstrap from, steps between, who is worth 0 there, is over, counts."""
        num_recent = int(BATCH * recent_share)
        recent = rng.integers(max(0, self._num - RECENT_ROWS), self._num, num_recent)
        drawn = self._starts[np.concatenate([recent, rng.integers(self._num, size=BATCH - num_recent)])]
        envs, firsts = drawn[:, :1], drawn[:, 1:]
        fell = self._fell[envs, firsts]
        ends = np.minimum(self._ends[envs, firsts], self._newest[envs])
        times = firsts + np.arange(UNROLL)
        targets, here = np.minimum(times + bootstrap_steps, ends), np.minimum(times, ends)
        rows = (
            (targets - times).clip(min=0),
            (targets == ends) & fell,
            times >= ends,
            (times < ends) | fell,
        )
        return self._states[envs, here].reshape(-1, 4), self._states[envs, targets].reshape(-1, 4), *map(np.ravel, rows)


def follow_paths(value: Value, states: np.ndarray, discount: float, depth: int) -> np.ndarray:
    """Return what all paths of `depth` steps are worth [env, path], the value of where they end included."""
    num, paths = len(states), 2**depth
    bits = np.arange(paths)[:, None] >> np.arange(depth)[::-1] & 1
    ahead, worth, over = np.repeat(states, paths, axis=0), np.zeros(num * paths), np.zeros(num * paths, bool)
    for ago in range(depth):
        ahead, ended = step(ahead, np.tile(bits[:, ago], num))
        worth += discount**ago * ~over
        over |= ended
    worth += discount**depth * np.where(over, 0, value.read(ahead))
    found: np.ndarray = worth.reshape(num, paths)
    return found


def look_ahead(value: Value, states: np.ndarray, discount: float) -> np.ndarray:
    """Return what each action is worth [env, 2], scaled to 0..1: half the best path of three steps, half their mean."""
    by_action = follow_paths(value, states, discount, DEPTH).reshape(len(states), 2, -1)
    low, high = by_action.min((1, 2))[:, None], by_action.max((1, 2))[:, None]
    scaled: np.ndarray = (0.5 * by_action.max(2) + 0.5 * by_action.mean(2) - low) / np.maximum(high - low, 0.01)
    return scaled


def explore(scaled: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """Draw actions: a softmax, noise as at the search's root, and the temperature."""
    policy = np.exp(DECISIVENESS * scaled)
    policy = 0.75 * policy / policy.sum(1, keepdims=True) + 0.25 * rng.dirichlet([0.3, 0.3], len(policy))
    weights = policy ** (1 / temperature)
    return (rng.random(len(weights)) > weights[:, 0] / weights.sum(1)).astype(int)


def evaluate(value: Value, discount: float) -> float:
    """Play ten games without exploration; return how long they were on average."""
    states, lengths, alive = start(np.random.default_rng(9), 10), np.zeros(10), np.ones(10, bool)
    while alive.any() and lengths.max() < LIMIT:
        states, ended = step(states, look_ahead(value, states, discount).argmax(1))
        lengths += alive
        alive &= ~ended
    return float(lengths.mean())


class Run:
    """Collects, learns and evaluates as a run does."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.options = options
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.value = Value()
        self.target = copy.deepcopy(self.value).requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(self.value.parameters(), lr=1e-3, eps=1e-5, weight_decay=1e-4, fused=True)
        self.replay = Replay(self.rng, options.steps)
        self.num_steps = self.num_updates = 0

    def go(self) -> list[float]:
        """Train; return the evaluations."""
        lengths: list[float] = []
        while self.num_steps < self.options.steps:
            for _ in range(ROUND // NUM_ENVS):
                self._collect()
            for network in (self.value, self.target):
                network.encoder.take_in(torch.from_numpy(self.replay.last(ROUND)))
            while self.num_updates < (self.num_steps - LEARNING_STARTS) * REPLAY_RATIO:
                self._update()
            if self.num_steps >= (len(lengths) + 1) * EVAL_EVERY:
                lengths.append(evaluate(self.value, self.options.discount))
        return lengths

    def _collect(self) -> None:
        states, options = self.replay.newest, self.options
        fallen = (1 - options.final_temperature) * min(self.num_steps / (options.steps / 2), 1.0)
        scaled = look_ahead(self.value, states, options.discount)
        self.replay.add(*step(states, explore(scaled, 1 - fallen, self.rng)), self.rng)
        self.num_steps += NUM_ENVS

    def _update(self) -> None:
        options, discount = self.options, self.options.discount
        rows = self.replay.sample(self.rng, options.recent_share, options.bootstrap_steps)
        states, later, gaps, is_worthless, is_over, counts = rows
        if options.rows_are_worth == "returns":
            values = np.where(is_worthless, 0.0, self.target.read(later))
            worth = (1 - discount**gaps) / (1 - discount) + discount**gaps * values
        else:
            paths = follow_paths(self.target, states, discount, options.depth)
            worth = (1 - options.random_share) * paths.max(1) + options.random_share * paths.mean(1)
            worth = np.where(is_over, 0.0, worth)
        wanted = self.value.support.encode(torch.from_numpy(worth).float())
        losses = -(wanted * self.value(states).log_softmax(-1)).sum(-1)
        self.optimizer.zero_grad()
        (0.5 * losses[torch.from_numpy(counts)].mean()).backward()
        nn.utils.clip_grad_norm_(self.value.parameters(), 5.0)
        self.optimizer.param_groups[0]["lr"] = 1e-3 * (1 - 0.9 * self.num_updates / (REPLAY_RATIO * options.steps))
        self.optimizer.step()
        torch._foreach_lerp_(list(self.target.parameters()), list(self.value.parameters()), options.ema_rate)
        self.num_updates += 1


def main() -> None:
    """Read options, run each seed, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--discount", type=float, default=0.98)
    parser.add_argument("--bootstrap-steps", type=int, default=5)
    parser.add_argument("--ema-rate", type=float, default=0.1)
    parser.add_argument("--final-temperature", type=float, default=1.0)
    parser.add_argument("--recent-share", type=float, default=0.5)
    parser.add_argument("--rows-are-worth", choices=("returns", "look-ahead"), default="returns")
    parser.add_argument("--depth", type=int, default=2, help="steps of that look-ahead")
    parser.add_argument("--random-share", type=float, default=0.0, help="of the mean of its paths, beside the best")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        run = Run(options, seed)
        lengths = " / ".join(f"{length:.0f}" for length in run.go())
        places = run.value.read(np.array([[place, 0.0, 0.0, 0.0] for place in PLACES]))
        print(f"seed {seed}: {lengths}; values {' '.join(f'{value:.0f}' for value in places)}", flush=True)


if __name__ == "__main__":
    main()
