"""One evaluation of a run: games of a network as it is, in environments and a store of its own, and what is told."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from kvzero.agent import Planner
from kvzero.cache import ResultCache
from kvzero.engines import SearchNetwork
from kvzero.model import Network
from kvzero.reports import EVAL_RETURN_MAX, EVAL_RETURN_MEAN, EVAL_RETURN_MIN, VideoWriter
from kvzero.training.config import RunConfig
from kvzero.training.evaluator import Games, StepHook, evaluate
from kvzero.training.filming import make_filmed
from kvzero.training.recorder import Recorder
from kvzero.training.session.open_loop import open_loop_errors

__all__ = ["Evaluation", "play_evaluation"]

RECORDED_STEPS = 200
"""Steps of each environment's first game that open-loop errors are looked for in: images of more would fill memory."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation that was played to its end."""

    env_steps: int
    """Environment steps of the run when it was due."""

    games: Games

    figures: dict[str, float]
    """What a line of metrics says of it."""

    video: Path | None
    """Where its first environment's games can be seen; None where they were not filmed, or that failed."""


def play_evaluation(
    config: RunConfig,
    network: Network,
    *,
    env_steps: int,
    discount: float,
    folder: Path,
    on_step: Callable[[], None],
    should_stop: Callable[[], bool],
    results: ResultCache | None,
) -> Evaluation | None:
    """Play the evaluation of a run on its way, or at its end the final one; None where it was stopped.

    Where evaluations are filmed, a video goes into the `videos` of the run's `folder`.

    Raises:
        EnvError: if an environment fails.
    """
    schedule, agent = config.schedule, config.agent.with_discount(discount)
    is_final = env_steps >= schedule.total_env_steps
    num_episodes = schedule.final_eval_episodes if is_final else schedule.eval_episodes
    num_envs, is_filmed = min(num_episodes, schedule.num_eval_envs), schedule.film_evaluations
    video = VideoWriter(folder / "videos" / f"step{env_steps:010d}.mp4" if is_filmed else None)
    envs, watch = make_filmed(config.env, num_envs=num_envs, on_frame=video.add if is_filmed else None)
    started, recorder = time.perf_counter(), Recorder(envs.num_envs, max_steps=RECORDED_STEPS)
    try:
        with video:
            games = evaluate(
                envs,
                Planner(network, agent, num_envs=envs.num_envs, num_simulations=agent.num_eval_simulations),
                num_episodes=num_episodes,
                seed=config.seed_for("final" if is_final else "eval"),
                max_steps=schedule.max_eval_steps or schedule.total_env_steps,
                on_step=_both(on_step, watch),
                should_stop=should_stop,
                recorder=recorder if schedule.open_loop_steps else None,
                results=results,
            )
    finally:
        envs.close()
    if should_stop():
        return None
    played = time.perf_counter()
    errors = open_loop_errors(
        SearchNetwork(network, config.agent.search_dtype),
        recorder.episodes,
        num_steps=schedule.open_loop_steps,
        latent_loss=config.learner.latent_loss,
    )
    seconds = {"eval_seconds": played - started, "open_loop_seconds": time.perf_counter() - played}
    return Evaluation(env_steps, games, _game_figures(games) | seconds | errors, video.written)


def _both(on_step: Callable[[], None], watch: StepHook | None) -> StepHook:
    """Return what tells of a step, and looks on if there is somebody to."""

    def step(playing: Int[np.ndarray, " env"]) -> None:
        on_step()
        if watch is not None:
            watch(playing)

    return step


def _game_figures(games: Games) -> dict[str, float]:
    return {
        EVAL_RETURN_MEAN: float(np.mean(games.returns)),
        EVAL_RETURN_MIN: float(np.min(games.returns)),
        EVAL_RETURN_MAX: float(np.max(games.returns)),
        "eval_episodes": float(len(games.returns)),
        "eval_cut_games": float(games.num_cut),
    }
