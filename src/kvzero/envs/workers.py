"""Environments stepped in processes of their own, each of which has a slice of them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from multiprocessing.connection import Pipe
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped

from kvzero.envs.config import EnvConfig
from kvzero.envs.environments import Frame, Start, Steps, check_actions, check_alike, check_seed
from kvzero.errors import ConfigError, EnvError

__all__ = ["WorkerEnvironments"]

Record = TypeVar("Record", Start, Steps)

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LP_NUM_THREADS"), "1"
)
"""A worker computes and draws with one thread: the cores are shared among workers, and with the learner."""

CODE = "from kvzero.envs.worker import main; main()"
SECONDS_TO_END = 5


class WorkerEnvironments:
    """Steps environments in `num_env_workers` processes at the same time; to the same result as in one process.

    Processes are begun anew, not forked: neither the threads of PyTorch nor a drawing context survives a fork.
    """

    def __init__(self, config: EnvConfig, *, num_envs: int) -> None:
        """Start the processes and make their environments.

        Raises:
            ConfigError, EnvError: what making the environments raises.
        """
        num_workers = min(config.num_env_workers, num_envs)
        self._edges = [num_envs * index // num_workers for index in range(num_workers + 1)]
        self.num_envs = num_envs
        self._workers: list[_Worker] = []
        try:
            for first, end in zip(self._edges, self._edges[1:], strict=False):
                self._workers.append(_Worker(config, first, end - first))
            specs = [worker.receive() for worker in self._workers]
            self.spec = check_alike(specs, self._edges[:-1], config.name)
        except BaseException:
            self.close()
            raise

    def reset(self, seed: int | None = None) -> Start:
        """Begin a new episode everywhere."""
        check_seed(seed)
        seeds = [None if seed is None else seed + first for first in self._edges[:-1]]
        starts: list[Start] = self._ask("reset", seeds)
        return _join(Start, starts)

    def step(self, actions: Shaped[np.ndarray, "env *dim"]) -> Steps:
        """Take one action in each environment."""
        check_actions(actions, self.num_envs, self.spec)
        steps: list[Steps] = self._ask("step", np.split(actions, self._edges[1:-1]))
        return _join(Steps, steps)

    def render(self) -> Frame:
        """Refuse: pictures are drawn in this process only."""
        raise ConfigError("environments in worker processes draw no pictures; make them with render=True")

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.end()

    def _ask(self, request: str, arguments: Sequence[Any]) -> list[Any]:
        for worker, argument in zip(self._workers, arguments, strict=True):
            worker.send((request, argument))
        answers = [worker.listen() for worker in self._workers]  # all of them, so that none is left for later
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


class _Worker:
    """One process and the line to it."""

    def __init__(self, config: EnvConfig, first_index: int, num_envs: int) -> None:
        self._place = f"the worker of environments {first_index} to {first_index + num_envs - 1}"
        self._line, far_end = Pipe()
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with far_end:
            self._process = subprocess.Popen(  # noqa: S603  # our own code
                [sys.executable, "-c", CODE, str(far_end.fileno())],
                env=environment,
                pass_fds=[far_end.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.send((config, first_index, num_envs))

    def send(self, request: object) -> None:
        try:
            self._line.send(request)
        except OSError as error:
            raise self._lost() from error

    def listen(self) -> Any:
        """Return the answer, which may be what was raised."""
        try:
            return self._line.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def receive(self) -> Any:
        """Return the answer, or raise it."""
        answer = self.listen()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """End the process: kindly, since it hangs up when the line is closed, then by force."""
        self._line.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _lost(self) -> EnvError:
        return EnvError(f"{self._place} ended with status {self._process.poll()}; resume the run from its checkpoint")


def _join(kind: type[Record], parts: Sequence[Record]) -> Record:
    """Return one record of all environments."""
    arrays = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)}
    joined: Record = kind(**arrays)
    return joined
