"""One view of some environments: what they showed, and searches below it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, Shaped

from kvzero.agent.config import AgentConfig
from kvzero.agent.explain import make_record
from kvzero.agent.history import History
from kvzero.agent.search_record import SearchRecord
from kvzero.cache import ContextStore
from kvzero.engines import Engine, SamplingConfig, SearchNetwork, build_engine, build_store
from kvzero.errors import ConfigError, SearchError
from kvzero.model import Network
from kvzero.search import Outcome

__all__ = ["Planner", "open_engine"]


class Planner:
    """Observes some environments and plans for them: `observe`, then `plan`, for any subset in any order.

    A planner owns its store. Give the collector and the evaluator one each; they may share the network.
    """

    def __init__(
        self, network: Network, config: AgentConfig, *, num_envs: int, num_simulations: int | None = None
    ) -> None:
        """Allocate a store for `num_envs` environments.

        Raises:
            ConfigError: if a size is not positive, or actions were to be sampled where they are numbered.
            EngineError: if `config.engine` is native or device and cannot serve.
        """
        search = config.search if num_simulations is None else replace(config.search, num_simulations=num_simulations)
        self._config = replace(config, search=search)
        self.engine: Engine = open_engine(network, self._config, num_envs=num_envs)
        self._network = network
        self._last: tuple[Int[np.ndarray, " env"], Outcome] | None = None
        self._history = History(network.spec, num_envs=num_envs, num_steps=config.model.layout.history_steps)

    @property
    def store(self) -> ContextStore:
        """Where this planner's keys and values live."""
        return self.engine.store

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on: that of the values which the network has learnt by now."""
        self.engine.set_discount(discount)
        self._config = self._config.with_discount(discount)

    def observe(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        *,
        actions: Shaped[np.ndarray, "env *action"],
        starts: Bool[np.ndarray, " env"],
    ) -> None:
        """Take in what these environments show now, after `actions`; `starts` marks the first of an episode.

        The action of an environment that starts is not read.

        Raises:
            EnvError: if a number is too large for the network's encoder. Nothing has changed then.
        """
        self._network.check_observations(envs, observations)
        self._last = None
        begun = envs[starts]
        self.store.reset(begun)
        self._history.reset(begun)
        actions = np.where(starts.reshape(-1, *[1] * (actions.ndim - 1)), np.zeros_like(actions), actions)
        self._history.append(envs, actions, observations)
        if not self._rebuild_stale(envs):
            self.engine.extend(envs, observations, actions)

    def plan(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
        temperature: float | None = None,
    ) -> Outcome:
        """Search below the newest observations of these environments.

        With `rng` the search explores, without it is deterministic; with `temperature` the actions to play are drawn,
        see `kvzero.search.search`. Roots that other weights made are rebuilt first.

        Raises:
            StaleContextError: if one of the environments was never observed.
            SearchError: if the network has diverged, or an environment has no legal action.
        """
        self._last = None
        self._rebuild_stale(envs)
        outcome = self.engine.search(envs, action_masks, rng=rng, temperature=temperature)
        self._last = envs.copy(), outcome
        return outcome

    def explain(self, env: int) -> SearchRecord:
        """Return what the last search thought of an environment, before anything is observed after it.

        Nothing is gathered before it is asked for: trees stay as they are, what is in the store is copied now.

        Raises:
            SearchError: if that search left the environment out, something was observed since, or there was none.
        """
        envs, outcome = (np.zeros(0, np.int64), None) if self._last is None else self._last
        rows = np.flatnonzero(envs == env)
        if outcome is None or not rows.size:
            raise SearchError(
                f"there is no search below environment {env} to explain: the last one since anything was observed was "
                f"below {envs.tolist() or 'none'}; ask after planning, before the next observation"
            )
        return make_record(
            outcome,
            int(rows[0]),
            env=env,
            store=self.store,
            search=self._config.search,
            engine=self.engine.name,
            store_kind=self._config.store,
        )

    def _rebuild_stale(self, envs: Int[np.ndarray, " env"]) -> bool:
        """Rebuild the roots of these environments from their raw past if one of them is stale; tell whether it was."""
        if not self.store.is_stale(envs, self._network.version):
            return False
        self.engine.rebuild(envs, self._history.read(envs), 2 * self._history.counts(envs) - 1)
        return True


def open_engine(network: Network, config: AgentConfig, *, num_envs: int) -> Engine:
    """Return an engine as the config describes it, with a store of its own for `num_envs` roots.

    Raises:
        ConfigError: if a size is not positive, or actions were to be sampled where they are numbered.
        EngineError: if `config.engine` is native or device and cannot serve.
    """
    if not network.spec.is_continuous and config.sampling != SamplingConfig():
        raise ConfigError(
            f"{config.sampling} would have no effect, as actions are numbered here; leave sampling at its defaults"
        )
    searched = SearchNetwork(network, config.search_dtype)
    store = build_store(
        config.store,
        searched,
        config.cache,
        num_envs=num_envs,
        num_simulations=config.search.num_simulations,
        has_all_actions=config.one_pass,
    )
    return build_engine(config.engine, searched, store, config.search, config.sampling)
