"""One game, played to be looked at: what was seen, thought and done at every step, and what the network foresaw."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from kvzero.agent import Planner, SearchRecord, load_network, read_checkpoint, refuse_changed
from kvzero.engines import SearchNetwork
from kvzero.envs import EnvConfig, make_environments
from kvzero.errors import ConfigError
from kvzero.inspector.foresight import Foresight, foresee
from kvzero.model import choose_device
from kvzero.records import EnvSpec
from kvzero.training import PlayedEpisode, Recorder, evaluate, read_config

__all__ = ["Game", "inspect_run"]


@dataclass(frozen=True, slots=True)
class Game:
    """A game of one environment, from its first observation on."""

    checkpoint: Path
    """Folder of the checkpoint that played, or the file that was given in place of a run."""

    name: str
    """What the run or the file is called."""

    env: EnvConfig
    """The environment."""

    spec: EnvSpec
    """What it shows and accepts."""

    seed: int
    """Seed of the environment."""

    episode: PlayedEpisode
    """What was seen, done and earned; rewards as the network learns them, clipped and scaled where the run does."""

    records: list[SearchRecord]
    """The search of every step."""

    foresight: Foresight
    """What the network predicts below every step along the actions that were played."""

    total: float
    """Return of the game as the environment counts it, as far as it was played."""

    is_cut: bool
    """Whether the game was cut off at the limit of steps."""


def inspect_run(
    run: str | Path,
    *,
    checkpoint: str | None = None,
    seed: int = 0,
    num_simulations: int | None = None,
    max_steps: int = 500,
    num_foreseen: int = 10,
    device: str = "auto",
) -> Game:
    """Play a game with a run's newest checkpoint, or one that is named, without exploration, and keep all of it.

    `run` may be a file of `kvzero export`, which holds one checkpoint. The game is cut off after `max_steps` steps. The
    network's predictions are followed over `num_foreseen` steps below each.

    Raises:
        RunError: if the folder is not that of a run, or holds no such checkpoint; if a file's environment is made by
            code that the file names.
        CheckpointError: if the checkpoint or file is damaged, or the environment has changed since.
        ConfigError: if a number is not positive, the seed is negative, or a checkpoint of a file is named.
        DeviceError: if there is no such device.
    """
    for name, number in (("max_steps", max_steps), ("num_foreseen", num_foreseen)):
        if number < 1:
            raise ConfigError(f"{name} is {number}; give at least 1")
    run, on = Path(run), choose_device(device)
    folder, (network, agent) = read_checkpoint(run, lambda found: (found, load_network(found, on)), name=checkpoint)
    config = read_config(run)
    envs = make_environments(config.env, num_envs=1, training=False)
    recorder, records = Recorder(1, max_steps=max_steps), list[SearchRecord]()
    try:
        refuse_changed(envs.spec, network.spec, folder)
        if num_simulations is None:
            num_simulations = agent.num_eval_simulations
        planner = Planner(network, agent, num_envs=1, num_simulations=num_simulations)

        def keep(playing: Int[np.ndarray, " env"]) -> None:
            records.extend(planner.explain(env) for env in playing.tolist())

        games = evaluate(envs, planner, num_episodes=1, seed=seed, max_steps=max_steps, on_step=keep, recorder=recorder)
    finally:
        envs.close()
    (episode,) = recorder.episodes
    foresight = foresee(SearchNetwork(network, agent.search_dtype), episode, num_steps=num_foreseen)
    return Game(
        checkpoint=folder,
        name=run.stem if run.is_file() else run.resolve().name,
        env=config.env,
        spec=envs.spec,
        seed=seed,
        episode=episode,
        records=records,
        foresight=foresight,
        total=games.returns[0],
        is_cut=bool(games.num_cut),
    )
