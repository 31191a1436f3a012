"""CartPole with nothing learnt but the value: does a run still get stuck?

    python results/cartpole/value_alone.py --seed 4 --ema-rate 0.02

Everything else is given. The look-ahead steps CartPole's own equations, so no model can be wrong; the policy is
computed from what it finds, so none is learnt; a value sees one observation, so there is no context. What is left is as
in the preset: the encoder with its normalisation, categorical values, n-step returns out of the replay, the EMA
network, environments, schedule, temperature and noise. Prints the mean length of ten games without exploration, and
what the value makes of the places in them where the cart is off the middle, and of their mirror images, which are worth
as much.
"""

import argparse
import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from kvzero.model import ModelConfig, Support
from kvzero.model.encoders import VectorEncoder

NUM_ENVS, LIMIT, DEPTH, UNROLL, LEARNING_STARTS, TOTAL_STEPS = 8, 500, 3, 10, 500, 10_000
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


@dataclass
class Game:
    """States of one game so far; `fell` where it ended other than by the limit."""

    states: list[np.ndarray]
    fell: bool = False


@dataclass
class Replay:
    """All games, and every step of them as a place where an unroll may start."""

    starts: list[tuple[Game, int]] = field(default_factory=list)

    def sample(self, rng: np.random.Generator, num: int, bootstrap_steps: int) -> tuple[np.ndarray, ...]:
        """Return states [step, 4], states to bootstrap from, steps between them, who is worth 0, and who counts."""
        rows = [
            self._unroll(*self.starts[place], bootstrap_steps) for place in rng.integers(len(self.starts), size=num)
        ]
        return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))

    @staticmethod
    def _unroll(game: Game, first: int, bootstrap_steps: int) -> tuple[np.ndarray, ...]:
        end, time = len(game.states) - 1, first + np.arange(UNROLL)
        target = np.minimum(time + bootstrap_steps, end)
        states = np.array(game.states[first : first + UNROLL + bootstrap_steps])
        here, there = np.minimum(time, end) - first, target - first
        is_over = (target == end) & game.fell
        return states[here], states[there], (target - time).clip(min=0), is_over, (time < end) | game.fell


def look_ahead(value: Value, states: np.ndarray, discount: float) -> np.ndarray:
    """Return what each action is worth [env, 2], scaled to 0..1: half the best path of three steps, half their mean."""
    num, paths = len(states), 2**DEPTH
    bits = np.arange(paths)[:, None] >> np.arange(DEPTH)[::-1] & 1
    ahead, worth, over = np.repeat(states, paths, axis=0), np.zeros(num * paths), np.zeros(num * paths, bool)
    for depth in range(DEPTH):
        ahead, ended = step(ahead, np.tile(bits[:, depth], num))
        worth += discount**depth * ~over
        over |= ended
    worth += discount**DEPTH * np.where(over, 0, value.read(ahead))
    by_action = worth.reshape(num, 2, paths // 2)
    low, high = by_action.min((1, 2))[:, None], by_action.max((1, 2))[:, None]
    scaled: np.ndarray = (0.5 * by_action.max(2) + 0.5 * by_action.mean(2) - low) / np.maximum(high - low, 0.01)
    return scaled


def explore(scaled: np.ndarray, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """Draw actions: a softmax, noise as at the search's root, and the temperature."""
    policy = np.exp(DECISIVENESS * scaled)
    policy = 0.75 * policy / policy.sum(1, keepdims=True) + 0.25 * rng.dirichlet([0.3, 0.3], len(policy))
    weights = policy ** (1 / temperature)
    return (rng.random(len(weights)) > weights[:, 0] / weights.sum(1)).astype(int)


def evaluate(value: Value, discount: float) -> str:
    """Play ten games without exploration; say how long they were, and how it values them and their mirror images."""
    states, lengths, alive, seen = start(np.random.default_rng(9), 10), np.zeros(10), np.ones(10, bool), []
    while alive.any() and lengths.max() < LIMIT:
        seen.append(states[alive])
        states, ended = step(states, look_ahead(value, states, discount).argmax(1))
        lengths += alive
        alive &= ~ended
    off = np.concatenate(seen)
    off = off[(np.abs(off[:, 0]) > 0.3) & (np.abs(off[:, 0]) < 1.4)]
    values = (
        f"values {value.read(off).mean():.0f}, mirrored {value.read(-off).mean():.0f}"
        if len(off)
        else "stays in the middle"
    )
    return f"{lengths.mean():.0f} steps ({lengths.min():.0f} to {lengths.max():.0f}); {values}"


class Run:
    """Collects, learns and evaluates as a run does."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rng = np.random.default_rng(options.seed)
        torch.manual_seed(options.seed)
        self.value = Value()
        self.target = copy.deepcopy(self.value).requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(self.value.parameters(), lr=1e-3, eps=1e-5, weight_decay=1e-4, fused=True)
        self.replay = Replay()
        self.games = [Game([state]) for state in start(self.rng, options.num_envs)]
        self.num_steps = self.num_updates = 0

    def go(self) -> None:
        """Train, and print an evaluation every 1,250 steps."""
        while self.num_steps < self.options.steps:
            for _ in range(64 // len(self.games)):
                self._collect()
            self._normalise()
            while self.num_updates < (self.num_steps - LEARNING_STARTS) * 0.5:
                self._update()
            if self.num_steps % 1_250 < 64:
                print(f"{self.num_steps:,}: {evaluate(self.value, self.options.discount)}", flush=True)

    def _collect(self) -> None:
        states = np.stack([game.states[-1] for game in self.games])
        temperature = 1.0 - 0.75 * min(self.num_steps / (TOTAL_STEPS / 2), 1.0)
        scaled = look_ahead(self.value, states, self.options.discount)
        after, ended = step(states, explore(scaled, temperature, self.rng))
        for env, game in enumerate(self.games):
            self.replay.starts.append((game, len(game.states) - 1))
            game.states.append(after[env])
            game.fell = bool(ended[env])
            if game.fell or len(game.states) > LIMIT:
                self.games[env] = Game([start(self.rng, 1)[0]])
        self.num_steps += len(self.games)

    def _normalise(self) -> None:
        newest = np.stack([game.states[place] for game, place in self.replay.starts[-64:]])
        for network in (self.value, self.target):
            network.encoder.normaliser.take_in(torch.from_numpy(newest))

    def _update(self) -> None:
        options, discount = self.options, self.options.discount
        states, later, gaps, is_over, counts = self.replay.sample(self.rng, 64, options.bootstrap_steps)
        values = np.where(is_over, 0.0, self.target.read(later))
        returns = (1 - discount**gaps) / (1 - discount) + discount**gaps * values
        wanted = self.value.support.encode(torch.from_numpy(returns).float())
        losses = -(wanted * self.value(states).log_softmax(-1)).sum(-1)
        self.optimizer.zero_grad()
        (0.5 * losses[torch.from_numpy(counts)].mean()).backward()
        nn.utils.clip_grad_norm_(self.value.parameters(), 5.0)
        self.optimizer.param_groups[0]["lr"] = 1e-3 * (1 - 0.9 * self.num_updates / (0.5 * TOTAL_STEPS))
        self.optimizer.step()
        torch._foreach_lerp_(list(self.target.parameters()), list(self.value.parameters()), options.ema_rate)
        self.num_updates += 1


def main() -> None:
    """Read options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--num-envs", type=int, default=NUM_ENVS)
    parser.add_argument("--discount", type=float, default=0.997)
    parser.add_argument("--bootstrap-steps", type=int, default=5)
    parser.add_argument("--ema-rate", type=float, default=0.02)
    torch.set_num_threads(1)
    Run(parser.parse_args()).go()


if __name__ == "__main__":
    main()
