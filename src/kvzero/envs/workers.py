"""Environments stepped in processes of their own, each of which has a slice of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from kvzero.envs.environments import DEFAULT_FPS, Frame, Start, Steps, check_actions, check_seed
from kvzero.envs.gym import GymEnvironments
from kvzero.errors import ConfigError, EnvError, KvzeroError, ProcessError
from kvzero.processes import RemoteObject
from kvzero.records import EnvSpec

__all__ = ["WorkerEnvironments"]

Shown = TypeVar("Shown", Start, Steps)


@runtime_checkable  # the shape checks of the test session ask isinstance
class SliceMaker(Protocol):
    """A function that makes some of the environments, called by their numbers from `first_index` on."""

    def __call__(self, *, num_envs: int, first_index: int) -> GymEnvironments:
        """Make so many."""
        ...


class WorkerEnvironments:
    """Steps environments in several processes at the same time; to the same result as in one process.

    A worker computes and draws with one thread: the cores are shared among workers, and with the learner.
    """

    def __init__(self, make_slice: SliceMaker, *, num_envs: int, num_workers: int) -> None:
        """Start the processes and make their environments.

        Raises:
            ConfigError, EnvError: what making the environments raises.
        """
        num_workers = min(num_workers, num_envs)
        self._edges = [num_envs * index // num_workers for index in range(num_workers + 1)]
        self.num_envs = num_envs
        self._workers: list[RemoteObject[GymEnvironments]] = []
        try:
            with _resumable():
                for first, end in zip(self._edges, self._edges[1:], strict=False):
                    self._workers.append(_start(make_slice, first, end - first))
                self._receive()
                self.spec: EnvSpec = self._workers[0].call(_spec_of)
        except BaseException:
            self.close()
            raise
        self.frames_per_second = DEFAULT_FPS  # of pictures that nobody draws

    def reset(self, seed: int | None = None) -> Start:
        """Begin a new episode everywhere."""
        check_seed(seed)
        seeds = [None if seed is None else seed + first for first in self._edges[:-1]]
        return _join(Start, self._ask(GymEnvironments.reset, seeds))

    def step(self, actions: Shaped[np.ndarray, "env *dim"]) -> Steps:
        """Take one action in each environment."""
        check_actions(actions, self.num_envs, self.spec)
        return _join(Steps, self._ask(GymEnvironments.step, np.split(actions, self._edges[1:-1])))

    def render(self) -> Frame:
        """Refuse: pictures are drawn in this process only."""
        raise ConfigError("environments in worker processes draw no pictures; make them with render=True")

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()

    def _ask(self, function: Callable[[GymEnvironments, Any], Shown], arguments: Sequence[Any]) -> list[Shown]:
        with _resumable():
            for worker, argument in zip(self._workers, arguments, strict=True):
                worker.send(function, argument)
            return self._receive()

    def _receive(self) -> list[Any]:
        """Return the replies of all workers, or raise the first error, once no reply is left for later."""
        replies: list[Any] = []
        errors: list[KvzeroError] = []
        for worker in self._workers:
            try:
                replies.append(worker.receive())
            except KvzeroError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return replies


def _start(make_slice: SliceMaker, first_index: int, num_envs: int) -> RemoteObject[GymEnvironments]:
    return RemoteObject(
        partial(make_slice, num_envs=num_envs, first_index=first_index),
        name=f"the worker of environments {first_index} to {first_index + num_envs - 1}",
        num_threads=1,
    )


def _spec_of(envs: GymEnvironments) -> EnvSpec:
    return envs.spec


@contextmanager
def _resumable() -> Iterator[None]:
    """Let a worker that is lost be an environment's error, as it would be in one process."""
    try:
        yield
    except ProcessError as error:
        raise EnvError(f"{error}; resume the run from its checkpoint") from error


def _join(kind: type[Shown], parts: Sequence[Shown]) -> Shown:
    """Return one record of all environments."""
    arrays = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)}
    joined: Shown = kind(**arrays)
    return joined
