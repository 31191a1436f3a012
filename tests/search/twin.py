"""The search again, slow and obvious: one tree at a time, node objects, dicts and recursion."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np

from kvzero.search import Roots, SearchConfig

Path = tuple[int, ...]
Answer = tuple[float, float, list[float]]


@dataclass
class Node:
    """A node that knows all about itself."""

    index: int
    path: Path
    reward: float
    priors: dict[int, float]
    value_sum: float
    num_visits: int = 1
    children: dict[int, "Node"] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return self.value_sum / self.num_visits


def softmax(logits: dict[int, float]) -> dict[int, float]:
    top = max(logits.values())
    weights = {action: exp(logit - top) for action, logit in logits.items()}
    return {action: weight / sum_in_order(weights.values()) for action, weight in weights.items()}


def sum_in_order(numbers: object) -> float:
    """Add from left to right: newer Pythons' `sum` is more exact than the arrays are."""
    total = 0.0
    for number in numbers:
        total += number
    return total


@dataclass
class Twin:
    """The search of one environment; `ask` gives reward, value and logits at the end of a path."""

    config: SearchConfig
    ask: Callable[[Path], Answer]
    root: Node
    tie_keys: np.ndarray
    nodes: list[Node] = field(default_factory=list)
    edge_values: list[float] = field(default_factory=list)

    def run(self) -> "Twin":
        self.nodes.append(self.root)
        for _ in range(self.config.num_simulations):
            self.simulate(self.root)
        return self

    def simulate(self, node: Node) -> float:
        """Add one node somewhere below `node`; return what `node` is worth by it."""
        action = self.choose(node)
        if action in node.children:
            child = node.children[action]
            found = self.simulate(child)
        else:
            child = node.children[action] = self.expand(node, action)
            found = child.value_sum
        self.edge_values.append(self.edge_value(child))
        found = child.reward + self.config.discount * found
        node.value_sum += found
        node.num_visits += 1
        return found

    def expand(self, node: Node, action: int) -> Node:
        path = (*node.path, action)
        reward, value, logits = self.ask(path)
        child = Node(len(self.nodes), path, reward, softmax(dict(enumerate(logits))), value)
        self.nodes.append(child)
        return child

    def choose(self, node: Node) -> int:
        scores = {action: self.score(node, action) for action in node.priors}
        best = max(scores.values())
        tied = [action for action, score in scores.items() if score == best]
        return max(tied, key=lambda action: (self.tie_keys[node.index, action], -action))

    def score(self, node: Node, action: int) -> float:
        child = node.children.get(action)
        value, visits = (self.edge_value(child), child.num_visits) if child else (node.mean, 0)
        c1, c2 = self.config.puct.pb_c_init, self.config.puct.pb_c_base
        weight = sqrt(node.num_visits) * (c1 + log((node.num_visits + c2 + 1) / c2))
        return self.scale(value) + node.priors[action] * weight / (1 + visits)

    def scale(self, value: float) -> float:
        if not self.edge_values:
            return 0.0
        low, high = min(self.edge_values), max(self.edge_values)
        return min(max((value - low) / max(high - low, self.config.min_value_range), 0.0), 1.0)

    def edge_value(self, child: Node) -> float:
        return child.reward + self.config.discount * child.mean


def twin_search(
    roots: Roots, asks: list[Callable[[Path], Answer]], config: SearchConfig, rng: np.random.Generator | None
) -> list[Twin]:
    """Search each environment by itself, with the same chance as `search` has."""
    num_envs, num_actions = roots.logits.shape
    shape = (num_envs, config.num_simulations + 1, num_actions)
    tie_keys = np.zeros(shape) if rng is None else rng.random(shape, np.float32)
    noise = None if rng is None else draw_noise(roots, config, rng)
    twins = []
    for env, ask in enumerate(asks):
        legal = [action for action in range(num_actions) if roots.action_masks[env, action]]
        priors = softmax({action: float(roots.logits[env, action]) for action in legal})
        if noise is not None:
            weight = config.puct.noise_weight
            priors = {action: (1 - weight) * priors[action] + weight * noise[env][action] for action in legal}
        twins.append(Twin(config, ask, Node(0, (), 0.0, priors, float(roots.values[env])), tie_keys[env]).run())
    return twins


def draw_noise(roots: Roots, config: SearchConfig, rng: np.random.Generator) -> list[dict[int, float]]:
    gammas = rng.standard_gamma(config.puct.dirichlet_alpha + 1, roots.logits.shape)
    exponentials = rng.standard_exponential(roots.logits.shape)
    return [
        softmax(
            {
                int(action): log(gammas[env, action]) - exponentials[env, action] / config.puct.dirichlet_alpha
                for action in np.flatnonzero(mask)
            }
        )
        for env, mask in enumerate(roots.action_masks)
    ]
