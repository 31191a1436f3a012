"""Evaluations in a process of the run's cluster, on whatever machine has room for it."""

import logging
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch

from kvzero.cache import TierConfig
from kvzero.errors import KvzeroError
from kvzero.files import write_atomically
from kvzero.records import EnvSpec
from kvzero.reports import Dispensable
from kvzero.training.allocator import keep_freed_memory
from kvzero.training.config import RunConfig
from kvzero.training.distributed.open_cluster import OpenCluster
from kvzero.training.distributed.refusals import Refusal
from kvzero.training.session.evaluation import Evaluation
from kvzero.training.session.player import DueEvaluation, Player

__all__ = ["PlayerActor"]

logger = logging.getLogger(__name__)

ONLY = 0
"""The number of the one actor."""


@dataclass(frozen=True, slots=True)
class _Played:
    """An evaluation as it comes from another machine."""

    evaluation: Evaluation
    video: bytes | None
    """What the file holds that the evaluation names, which is gone."""


class PlayerActor:
    """The near end of one actor; serves `Playing`."""

    def __init__(self, cluster: OpenCluster, config: RunConfig, spec: EnvSpec) -> None:
        """Start the actor, which takes one of the cluster's CPUs."""
        self._actors = cluster.start(RemotePlayer, config, spec, num_actors=1, name="evaluator")
        self._asked: DueEvaluation | None = None
        self._folder = Path()
        self._is_ready = False
        self._greet(ONLY)

    def ask(self, due: DueEvaluation, folder: Path) -> None:
        """Have an evaluation played for the run in this folder, once the actor is ready."""
        self._asked, self._folder = due, folder
        if self._is_ready:
            self._send(due)

    def hear(self, seconds: float) -> Evaluation | None:
        """Return what was asked for, if it comes within so many seconds.

        Raises:
            EnvError, ConfigError: if an environment fails or cannot be made there.
            ClusterError: if too many actors were lost within a minute, or one does not start.
        """
        replies = self._actors.hear([ONLY], self._greet_anew, seconds=seconds)
        if ONLY not in replies:
            return None
        if not self._is_ready and self._asked is not None:
            self._is_ready = True
            self._send(self._asked)
            return None
        return self._take_in(replies[ONLY])

    def close(self) -> None:
        """End the actor; what is under way is dropped."""
        self._actors.close()

    def _greet(self, number: int) -> None:
        """Ask one that was just started to answer, for which it has only so much time."""
        self._actors.ask(number, "greet")

    def _greet_anew(self, number: int) -> None:
        logger.warning("%s was lost; it is begun anew and asked again", self._actors.name(number))
        self._is_ready = False
        self._greet(number)

    def _send(self, due: DueEvaluation) -> None:
        """Have it play, for as long as it likes: nobody knows how long games last."""
        self._actors.ask(ONLY, "play", due, usual_seconds=float("inf"))

    def _take_in(self, played: _Played) -> Evaluation:
        """Return the evaluation, with its video in the folder of the run, unless that fails."""
        evaluation = played.evaluation
        if evaluation.video is None or played.video is None:
            return evaluation
        path, video = self._folder / "videos" / evaluation.video.name, Dispensable("the video")
        video.attempt(_write, path, played.video)
        return replace(evaluation, video=None if video.is_lost else path)


def _write(path: Path, video: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, video)


class RemotePlayer:
    """The far end, on one CPU. Asked the same again, it returns what it had played."""

    def __init__(self, config: RunConfig, spec: EnvSpec) -> None:
        """Play as a run with this config does; tiers are those of the learner's machine, and not asked."""
        torch.set_num_threads(1)
        keep_freed_memory()
        self._player = Player(config, spec, device="cpu", tiers=TierConfig())
        self._moment: dict[str, int | float] | None = None
        self._played: _Played | None = None

    def greet(self) -> str:
        """Return the host, once everything is there."""
        return socket.gethostname()

    def play(self, due: DueEvaluation) -> _Played | Refusal:
        """Play an evaluation to its end."""
        if self._played is None or self._moment != due.moment:
            try:
                self._played = self._play(due)
            except KvzeroError as error:
                return Refusal(socket.gethostname(), error)
            self._moment = due.moment
        return self._played

    def _play(self, due: DueEvaluation) -> _Played:
        with TemporaryDirectory() as folder:
            evaluation = cast("Evaluation", self._player.play(lambda: False, due, Path(folder)))  # nobody stops it
            return _Played(evaluation, None if evaluation.video is None else evaluation.video.read_bytes())
