"""Fakes in place of a network: a model that hashes its path, and models with known answers."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from tests.search.twin import Answer, Path

from kvzero.search import Evaluation, Leaves, Roots

Record = TypeVar("Record")
Ask = Callable[[Path], Answer]


def hashed_answers(seed: int, name: int, num_actions: int, *, grain: float | None = None) -> Ask:
    """Return an environment's predictions, drawn from a hash of the path; multiples of `grain` give many ties."""

    def ask(path: Path) -> Answer:
        numbers = np.random.default_rng([seed, name, len(path), *path]).normal(size=2 + num_actions)
        if grain is not None:
            numbers = np.round(numbers / grain) * grain
        reward, value, *logits = numbers.astype(np.float32).tolist()
        return reward, value, logits

    return ask


class PathModel:
    """An expander that answers by the path to each new node, and keeps all it was asked."""

    def __init__(self, asks: list[Ask]) -> None:
        self.asks = asks
        self.paths: list[list[Path]] = [[()] for _ in asks]
        self.asked: list[Leaves] = []

    def expand(self, leaves: Leaves) -> Evaluation:
        self.asked.append(leaves)
        assert leaves.node == len(self.asked)
        for paths, parent, action, depth in zip(self.paths, leaves.parents, leaves.actions, leaves.depths, strict=True):
            paths.append((*paths[parent], int(action)))
            assert len(paths[-1]) == depth
        answers = [ask(paths[-1]) for ask, paths in zip(self.asks, self.paths, strict=True)]
        rewards, values, logits = zip(*answers, strict=True)
        return Evaluation(np.float32(rewards), np.float32(values), np.float32(logits))


def bandit(rewards: list[float], num_envs: int = 1) -> PathModel:
    """Return a model in which the first action earns its reward, and nothing else earns anything."""

    def ask(path: Path) -> Answer:
        return (rewards[path[0]] if len(path) == 1 else 0.0), 0.0, [0.0] * len(rewards)

    return PathModel([ask] * num_envs)


def flat_roots(num_envs: int, num_actions: int, *, value: float = 0.0) -> Roots:
    """Return roots at which every action is legal and as likely as the others."""
    return Roots(
        np.zeros((num_envs, num_actions), np.float32),
        np.full(num_envs, value, np.float32),
        np.ones((num_envs, num_actions), np.bool_),
    )


def forged(kind: type[Record], **fields: Any) -> Record:
    """Return a record that went round its own checks, as a model outside the tests' shape checks can make it."""
    record = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(record, name, value)
    return record
