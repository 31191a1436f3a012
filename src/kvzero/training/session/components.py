"""What a run is made of, built from its config and, if it goes on, from a checkpoint."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kvzero.agent import Planner
from kvzero.cache import ResultCache, Tier, open_tier
from kvzero.envs import Environments, make_environments
from kvzero.errors import ConfigError
from kvzero.model import Network
from kvzero.records import EnvSpec, load_rng_state, rng_state
from kvzero.replay import Replay, build_row_spec
from kvzero.training.collector import Collector
from kvzero.training.config import RunConfig
from kvzero.training.distributed.collectors import Recruits
from kvzero.training.learning import Alone, Learner, Ranks, Reanalyser
from kvzero.training.returns import ReturnWatch
from kvzero.training.source import LocalSource, StepSource
from kvzero.training.storage import Progress, load_checkpoint

__all__ = ["Components", "build_components"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The parts that a run works with from its start to its end, when they are to be closed."""

    source: StepSource
    """Where its steps come from."""
    tier: Tier | None
    """Where results outlive it; None in a run without."""
    learner: Learner
    replay: Replay
    reanalyser: Reanalyser | None
    """What searches rows again; None in a run that does not."""

    def close(self) -> None:
        """Close where steps come from, and the tier."""
        self.source.close()
        if self.tier is not None:
            self.tier.close()


def build_components(
    config: RunConfig, *, resume_from: Path | None = None, ranks: Ranks | None = None
) -> tuple[Components, Progress]:
    """Return what a run is made of, fresh or as a checkpoint left it, and how far it has come.

    Where there are `ranks`, this is rank 0, and the others have the same learner in the end.

    Raises:
        ConfigError, DeviceError, EnvError, CheckpointError: where the config, machine, environment or checkpoint do not
            allow it.
    """
    with ExitStack() as opened:
        origin = opened.enter_context(closing(_open_origin(config)))
        tier = open_tier(config.tiers)
        if tier is not None:
            opened.enter_context(closing(tier))
        built = _build_around(origin, tier, config, resume_from, ranks or Alone())
        opened.pop_all()  # from here on, whoever has the components closes them
    return built


def _open_origin(config: RunConfig) -> Environments | Recruits:
    """Return environments in this process, or collectors elsewhere, which have theirs."""
    if config.distributed.collectors is not None:
        return Recruits(config)
    return make_environments(config.env, num_envs=config.env.num_envs, training=True)


def _build_around(
    origin: Environments | Recruits, tier: Tier | None, config: RunConfig, resume_from: Path | None, ranks: Ranks
) -> tuple[Components, Progress]:
    learner, replay = _build_learner(config, origin.spec, ranks), _build_replay(config, origin.spec)
    progress = _restore(config, learner, replay, resume_from)
    ranks.begin(learner)
    components = Components(
        source=_build_source(origin, learner, replay, config, progress),  # now that the weights are there
        tier=tier,
        learner=learner,
        replay=replay,
        reanalyser=_build_reanalyser(config, learner, replay, progress, _make_results(config, tier)),
    )
    return components, progress


def _build_source(
    origin: Environments | Recruits, learner: Learner, replay: Replay, config: RunConfig, progress: Progress
) -> StepSource:
    if isinstance(origin, Recruits):
        rng_states = [progress.search_rng, *progress.other_search_rngs]
        return origin.employ(learner, replay, env_steps=progress.env_steps, rng_states=rng_states)
    rng = np.random.default_rng()
    load_rng_state(rng, progress.search_rng, "the search")
    planner = Planner(learner.network, config.agent, num_envs=origin.num_envs)
    collector = Collector(
        origin,
        planner,
        ReturnWatch(replay, learner.network.support, num_envs=origin.num_envs, discount=lambda: learner.discount),
        seed=config.seed_for("collect", progress.env_steps),  # after a pause, other episodes than those it began with
        rng=rng,
        persistence=config.schedule.persistence,
        num_updates=(lambda: learner.num_updates) if config.keeps_searches else None,
    )
    return LocalSource(origin, planner, collector, rng=rng, learner=learner, schedule=config.schedule)


def _build_learner(config: RunConfig, spec: EnvSpec, ranks: Ranks) -> Learner:
    torch.manual_seed(config.seed_for("weights"))
    try:
        return Learner(
            Network(config.agent.model, spec).to(ranks.choose_device(config.device)),
            config.learner,
            discount=config.agent.search.discount,
            total_updates=config.total_updates,
            seed=config.seed_for("shift"),
            ranks=ranks,
        )
    except ConfigError as error:  # what the environment shows does not fit
        raise ConfigError(f"{config.env.name}: {error}") from error


def _build_replay(config: RunConfig, spec: EnvSpec) -> Replay:
    row_spec = build_row_spec(
        spec,
        num_sampled_actions=config.agent.num_kept_actions(spec),
        keeps_searches=config.keeps_searches,
    )
    return Replay(config.replay, row_spec, num_envs=config.num_collecting_envs, seed=config.seed_for("replay"))


def _make_results(config: RunConfig, tier: Tier | None) -> ResultCache | None:
    """Return what keeps the searches of reanalysis; None where none would be taken again."""
    reanalysis = config.reanalysis
    if tier is None and not reanalysis.max_age_updates:
        return None
    return ResultCache(max_bytes=reanalysis.results_max_bytes, max_age_updates=reanalysis.max_age_updates, tier=tier)


def _build_reanalyser(
    config: RunConfig, learner: Learner, replay: Replay, progress: Progress, results: ResultCache | None
) -> Reanalyser | None:
    """Return what searches rows again, where it has come to; None where nothing is to be searched again."""
    if not config.reanalysis.reanalysed_rows:
        return None
    reanalyser = Reanalyser(
        learner,
        replay,
        config.agent,
        num_rows=config.reanalysis.reanalysed_rows,
        seed_of=lambda num_updates: config.seed_for("reanalysis", num_updates),
        results=results,
    )
    reanalyser.served_updates = progress.served_updates
    return reanalyser


def _restore(config: RunConfig, learner: Learner, replay: Replay, resume_from: Path | None) -> Progress:
    """Bring everything to where the checkpoint, if there is one, left it; episodes of its session end there."""
    if resume_from is None:
        seeds = [config.seed_for("search", collector) for collector in range(config.distributed.collectors or 1)]
        first, *others = [rng_state(np.random.default_rng(seed)) for seed in seeds]
        return Progress(
            env_steps=0,
            updates_owed=0.0,
            evaluated_at=0,
            seconds=0.0,
            search_rng=first,
            other_search_rngs=others,
        )
    progress = load_checkpoint(resume_from, learner, replay)
    replay.end_running_episodes()
    return progress
