"""A session of training: rounds of the loop, evaluations and checkpoints on a schedule, from a start to a stop."""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvzero.errors import RunError, SearchError
from kvzero.reports import WALL_SECONDS, WorkShares, require_sinks, require_video
from kvzero.training.config import RunConfig
from kvzero.training.learning import Ranks
from kvzero.training.session.beside import Evaluator
from kvzero.training.session.clock import RunClock
from kvzero.training.session.components import build_components
from kvzero.training.session.evaluation import Evaluation
from kvzero.training.session.evaluations import Evaluations
from kvzero.training.session.loop import Loop, RoundResult
from kvzero.training.session.measuring import Meter
from kvzero.training.session.player import DueEvaluation
from kvzero.training.session.player_actor import PlayerActor
from kvzero.training.session.player_process import PlayerProcess
from kvzero.training.session.reporting import Announcer, Observer
from kvzero.training.storage import Progress, forget_evaluating, load_evaluating, save_checkpoint

__all__ = ["SessionResult", "Trainer"]

logger = logging.getLogger(__name__)

VideoHook = Callable[[int, Path], None]
"""Is given environment steps, and the video of an evaluation that was played then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """How a session of training ended."""

    env_steps: int
    updates: int
    seconds: float
    eval_returns: list[float]
    """Raw returns of the final evaluation; empty where the run was stopped before."""
    is_finished: bool

    dose: float
    """Steps trained on per environment step."""
    dormant_shares: dict[str, float]
    """Share of dormant units in each part of the network; empty where this session made no update."""
    work: WorkShares | None
    """What this session's rounds were the work of; None before there were enough of them."""


class Trainer:
    """One run: builds everything from a config, goes on until it is done or told to stop."""

    def __init__(
        self, config: RunConfig, run: Path, *, resume_from: Path | None = None, ranks: Ranks | None = None
    ) -> None:
        """Build a fresh run, or continue from the checkpoint `resume_from`; as rank 0 where there are several.

        Raises:
            ConfigError, DeviceError, EnvError, CheckpointError: where the config, machine, environment or checkpoint do
                not allow it.
        """
        _refuse_what_cannot_work(config, is_new=resume_from is None)
        self._config = config
        self._schedule = config.schedule
        self._on_video: VideoHook | None = None
        self.folder = run
        """The run's folder, which checkpoints are written into."""
        self._clock = RunClock()
        with ExitStack() as opened:
            self._components, progress = build_components(config, resume_from=resume_from, ranks=ranks)
            opened.callback(self._components.close)
            self._build_around(progress, resume_from, opened)
            self._opened = opened.pop_all()

    def _build_around(self, progress: Progress, resume_from: Path | None, opened: ExitStack) -> None:
        """Build what works with the components."""
        config, components = self._config, self._components
        self._clock.resume(progress.seconds)
        self._loop = Loop(config, components, progress)
        self._meter = Meter(components, self._loop, self._clock, num_collectors=config.distributed.collectors or 0)
        self._evaluations = Evaluations(
            config, components.learner, evaluated_at=self._evaluated_until(progress), tier=components.tier
        )
        due = None
        if resume_from is not None and progress.evaluating is not None:
            due = DueEvaluation(**progress.evaluating, weights=load_evaluating(resume_from))
        is_beside = self._schedule.evaluate_beside or due is not None
        self._evaluator = self._begin_evaluator(due, opened) if is_beside else None

    @property
    def env_steps(self) -> int:
        """Environment steps collected so far, over all sessions."""
        return self._loop.env_steps

    @property
    def evaluated_at(self) -> int:
        """Environment steps at the newest evaluation that was played to its end, or is being played beside training."""
        return self._evaluations.evaluated_at

    @property
    def owes_updates(self) -> bool:
        """Whether the newest round is to make more updates: it was stopped before it had made all."""
        return self._loop.owes_updates

    @property
    def num_updates(self) -> int:
        """Gradient steps made so far, over all sessions."""
        return self._components.learner.num_updates

    @property
    def seconds(self) -> float:
        """Wall-clock seconds spent on this run, over all sessions."""
        return self._clock.seconds

    def run(
        self, observer: Observer, should_stop: Callable[[], bool], *, on_video: VideoHook | None = None
    ) -> SessionResult:
        """Train until the run is done or `should_stop` says so, and write a checkpoint in both cases.

        `on_video` is given each evaluation that was filmed.

        Whatever else is raised, `SystemExit` included, is raised on after a checkpoint. There is none where it would be
        worth nothing or could not be written, nor of a second Ctrl-C, which ends the program at once.

        Raises:
            EnvError: if an environment fails. A checkpoint is written first.
            SearchError: if the network has diverged.
            RunError: if a checkpoint cannot be written.
        """
        self._on_video = on_video
        try:
            self._train(observer, should_stop)
        except (KeyboardInterrupt, RunError, SearchError):
            raise
        except BaseException as error:
            self._save_before(error)
            raise
        self.save()
        returns: list[float] = []
        self._finish_evaluation(observer, should_stop)
        if self._loop.is_done and (returns := self._evaluate(observer, should_stop)):
            self.save()  # that it was evaluated, and how long that took
        return SessionResult(
            env_steps=self.env_steps,
            updates=self.num_updates,
            seconds=self.seconds,
            eval_returns=returns,
            is_finished=bool(returns),
            dose=self._loop.dose,
            dormant_shares=self._components.learner.dormant_shares(),
            work=self._meter.work,
        )

    def _save_before(self, error: BaseException) -> None:
        """Write a checkpoint before an error is raised; where that fails too, the error is what counts."""
        try:
            self.save()
        except Exception as failure:  # a full disk, or what the error broke, such as a GPU that answers no more
            logger.warning("no checkpoint is left of what %s ended: %s", type(error).__name__, failure)

    def advance(self, should_stop: Callable[[], bool]) -> RoundResult:
        """Collect `round_env_steps`, at most to the end of the run, and make the updates that they owe.

        This is what `run` repeats; it neither evaluates, nor saves, nor tells an observer.

        Raises:
            EnvError: if an environment fails.
            SearchError: if the network has diverged.
        """
        result = self._loop.advance(should_stop)
        self._meter.take_in(result)
        return result

    def measure(self) -> dict[str, float]:
        """Return what a line of metrics holds: the newest losses, counters, memory; returns since the last call."""
        return self._meter.measure()

    def save(self) -> Path:
        """Write a checkpoint and return its folder.

        Raises:
            RunError: if it cannot be written.
        """
        learner = self._components.learner
        return save_checkpoint(
            self.folder,
            learner,
            self._components.replay,
            self._progress(),
            agent=self._config.agent.with_discount(learner.discount),
            keep=self._schedule.keep_checkpoints,
            evaluating=None if self._due is None else self._due.weights,
        )

    def close(self) -> None:
        """Close where steps come from, what outlives the run, and who plays evaluations."""
        self._opened.close()

    def _progress(self) -> Progress:
        reanalyser = self._components.reanalyser
        search_rng, *other_search_rngs = self._components.source.rng_states()
        return Progress(
            env_steps=self.env_steps,
            updates_owed=self._loop.updates_owed,
            evaluated_at=self._evaluations.evaluated_at,
            seconds=self.seconds,
            search_rng=search_rng,
            other_search_rngs=other_search_rngs,
            served_updates=0 if reanalyser is None else reanalyser.served_updates,
            evaluating=None if self._due is None else self._due.moment,
        )

    @property
    def _due(self) -> DueEvaluation | None:
        """What is being played beside training."""
        return None if self._evaluator is None else self._evaluator.due

    def _evaluated_until(self, progress: Progress) -> int:
        """Return up to where the curve has its points; a run that is at its end has its final evaluation anew."""
        return min(progress.evaluated_at, progress.env_steps - 1) if self._loop.is_done else progress.evaluated_at

    def _train(self, observer: Observer, should_stop: Callable[[], bool]) -> None:
        self._loop.make_owed_updates(should_stop)  # those that an earlier session was stopped in
        if self._evaluate_if_due(observer, should_stop):  # since then, too
            self.save()
        while not self._loop.is_done and not should_stop():
            before = self.env_steps
            self.advance(should_stop)
            self._tell(observer)
            if self._evaluator is not None:
                self._tell_of(self._evaluator.poll(), observer)
            if (note := self._meter.take_note()) is not None and isinstance(observer, Announcer):
                observer.message(note)
            self._follow_schedule(before, observer, should_stop)

    def _follow_schedule(self, before: int, observer: Observer, should_stop: Callable[[], bool]) -> None:
        if self._has_passed(self._schedule.log_every, before):
            self._tell(observer, self.measure())
        if self._loop.is_done:
            return
        self._evaluate_if_due(observer, should_stop)
        if self._has_passed(self._schedule.checkpoint_every, before):
            self.save()

    def _has_passed(self, every: int, before: int) -> bool:
        """Whether a round that began at `before` has come past another multiple of so many environment steps."""
        return self.env_steps // every > before // every

    def _evaluate_if_due(self, observer: Observer, should_stop: Callable[[], bool]) -> bool:
        """Play an evaluation that is due, or have it played beside training; return whether one was played."""
        if not self._evaluations.is_due(self.env_steps):
            return False
        if self._evaluator is None:
            return bool(self._evaluate(observer, should_stop))
        self._begin_evaluation(self._evaluator, observer, should_stop)
        return False

    def _evaluate(self, observer: Observer, should_stop: Callable[[], bool]) -> list[float]:
        """Play and tell of it; return the raw returns, none where it was stopped."""
        played = self._evaluations.play(
            self.env_steps, folder=self.folder, on_step=lambda: self._tell(observer), should_stop=should_stop
        )
        self._tell_of(played, observer)
        return [] if played is None else played.games.returns

    def _begin_evaluator(self, due: DueEvaluation | None, opened: ExitStack) -> Evaluator:
        """Begin who plays beside training, until `opened` is closed, and have played what an earlier session left."""
        evaluator = Evaluator(self._begin_player())
        opened.callback(evaluator.close)
        if due is not None:
            evaluator.begin(due, self.folder)
        return evaluator

    def _begin_player(self) -> PlayerActor | PlayerProcess:
        """Begin an actor where the run has a cluster with a CPU for it, and a process of this machine elsewhere."""
        cluster, spec = self._components.cluster, self._components.learner.network.spec
        if cluster is not None and self._schedule.evaluate_beside:
            return PlayerActor(cluster, self._config, spec)
        return PlayerProcess(self._config, spec)

    def _begin_evaluation(self, evaluator: Evaluator, observer: Observer, should_stop: Callable[[], bool]) -> None:
        """Have one played beside training, when the one before it has ended; it stays due where that is not awaited."""
        self._finish_evaluation(observer, should_stop)
        if evaluator.due is None:
            learner = self._components.learner
            due = DueEvaluation.of(learner.network, env_steps=self.env_steps, discount=learner.discount)
            evaluator.begin(due, self.folder)
            self._evaluations.evaluated_at = self.env_steps

    def _finish_evaluation(self, observer: Observer, should_stop: Callable[[], bool]) -> None:
        """Wait for what is being played beside training, if anything is."""
        if self._evaluator is not None:
            self._tell_of(self._evaluator.finish(should_stop), observer)

    def _tell_of(self, played: Evaluation | None, observer: Observer) -> None:
        """Tell of an evaluation, if there is one, as of the environment steps at which it was due."""
        if played is None:
            return
        figures = played.figures | {WALL_SECONDS: self.seconds}
        observer.update(played.env_steps, updates=self.num_updates, figures=figures)
        if played.video is not None and self._on_video is not None:
            self._on_video(played.env_steps, played.video)
        if self._evaluator is not None:
            forget_evaluating(self.folder, played.env_steps)  # lest a session that resumes plays it once more

    def _tell(self, observer: Observer, figures: Mapping[str, float] | None = None) -> None:
        observer.update(self.env_steps, updates=self.num_updates, figures=figures)


def _refuse_what_cannot_work(config: RunConfig, *, is_new: bool) -> None:
    """Refuse, before anything is built, annealing that would not end, sinks and videos without their packages."""
    if is_new:
        config.refuse_endless_annealing()
    require_sinks(config.sinks)
    if config.schedule.film_evaluations:
        require_video()
