"""Games played by the agent of a run that is on disk."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from kvzero.agent import Planner, load_network, read_checkpoint, refuse_changed
from kvzero.cache import ResultCache, TierConfig, TierStats, open_tier
from kvzero.errors import ConfigError
from kvzero.model import choose_device
from kvzero.training.evaluator import evaluate
from kvzero.training.filming import FrameHook, make_filmed
from kvzero.training.storage import read_config

__all__ = ["Played", "evaluate_run"]


@dataclass(frozen=True, slots=True)
class Played:
    """What an evaluation of a run gave."""

    checkpoint: Path
    """The checkpoint that played, or the file that was given in place of a run."""

    returns: list[float]
    """Raw return of every game; fewer than asked for if an environment was cut off before its last one."""

    num_cut: int
    """Games that were cut off at the limit of steps, and counted as they stood."""

    tiers: dict[str, TierStats] = field(default_factory=dict)
    """What each tier did, under its name."""


def evaluate_run(
    run: str | Path,
    *,
    num_episodes: int,
    checkpoint: str | None = None,
    seed: int = 0,
    num_simulations: int | None = None,
    device: str = "auto",
    on_frame: FrameHook | None = None,
    tiers: TierConfig | None = None,
) -> Played:
    """Play whole games with a run's newest checkpoint, or one that is named, without exploration.

    `run` may be a file of `kvzero export`, which holds one checkpoint.

    `on_frame` is given what environment 0 looks like before each step of its games, and how many such frames make a
    second. Where it raises, or no frames can be drawn, that is told of once, and the games go on unseen. As during a
    run, games are cut off at its limit of steps, and an environment whose game was cut off plays no other. What `tiers`
    know of searches of the same weights is not searched again.

    Raises:
        RunError: if the folder is not that of a run or holds no such checkpoint; if a file's environment is made by
            code that the file names.
        CheckpointError: if the checkpoint or file is damaged, or the environment has changed since.
        DeviceError: if there is no such device.
        ConfigError: if there are no games to play, a checkpoint of a file is named, or a tier cannot be asked for.
    """
    if num_episodes < 1:
        raise ConfigError(f"num_episodes is {num_episodes}; give at least 1")
    run = Path(run)
    on = choose_device(device)
    played, (network, agent) = read_checkpoint(run, lambda found: (found, load_network(found, on)), name=checkpoint)
    config = read_config(run)
    num_envs = min(num_episodes, config.schedule.num_eval_envs)
    with ExitStack() as opened:
        envs, watch = make_filmed(config.env, num_envs=num_envs, on_frame=on_frame)
        opened.enter_context(closing(envs))
        tier = None if tiers is None else open_tier(tiers)
        if tier is not None:
            opened.enter_context(closing(tier))
        refuse_changed(envs.spec, network.spec, played)
        if num_simulations is None:
            num_simulations = agent.num_eval_simulations
        planner = Planner(network, agent, num_envs=num_envs, num_simulations=num_simulations)
        games = evaluate(
            envs,
            planner,
            num_episodes=num_episodes,
            seed=seed,
            max_steps=config.schedule.max_eval_steps or config.schedule.total_env_steps,
            on_step=watch,
            results=None if tier is None else ResultCache(tier=tier),
        )
    return Played(played, games.returns, games.num_cut, {} if tier is None else tier.stats())
