"""One view of some environments: what they showed, and searches below it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Int, Shaped

from kvzero.agent.config import AgentConfig
from kvzero.agent.contexts import ContextArchive, LoadedContexts
from kvzero.agent.explain import make_record
from kvzero.agent.findings import Findings
from kvzero.agent.history import History
from kvzero.agent.namespaces import result_namespace
from kvzero.agent.search_record import SearchRecord
from kvzero.cache import CodecName, ContextStore, Namespace, ResultCache
from kvzero.engines import (
    Engine,
    EnginePlan,
    SamplingConfig,
    SearchNetwork,
    build_engine,
    build_store,
    settle_engine,
)
from kvzero.errors import ConfigError, SearchError, StaleContextError
from kvzero.model import Network
from kvzero.search import Outcome, SearchConfig

__all__ = ["Planner", "open_engine"]


@dataclass(frozen=True, slots=True)
class _Searched:
    """The search that can be explained."""

    envs: Int[np.ndarray, " env"]
    outcome: Outcome
    search: SearchConfig
    """As it was then: discounts move."""


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
        self._config = _settle(network, replace(config, search=search), num_envs=num_envs)
        self.engine: Engine = open_engine(network, self._config, num_envs=num_envs)
        self._network = network
        self._named: tuple[bytes, Namespace] | None = None  # the weights whose results it is for
        self._last: _Searched | None = None
        self._history = History(network.spec, num_envs=num_envs, num_steps=config.model.layout.history_steps)
        self.archive = ContextArchive(network, config, self.engine, self._history)

    @property
    def store(self) -> ContextStore:
        """Where this planner's keys and values live."""
        return self.engine.store

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on: that of the values which the network has learnt by now."""
        self.engine.set_discount(discount)
        self._config = self._config.with_discount(discount)
        self._named = None

    def observe(
        self,
        envs: Int[np.ndarray, " env"],
        observations: Shaped[np.ndarray, "env ..."],
        *,
        actions: Shaped[np.ndarray, "env *action"],
        starts: Bool[np.ndarray, " env"],
        can_wait: bool = False,
    ) -> None:
        """Take in what these environments show now, after `actions`; `starts` marks the first of an episode.

        The action of an environment that starts is not read. With `can_wait`, roots that would have to be rebuilt are
        left until something is searched below them: perhaps what would be found there is known.

        Raises:
            ConfigError: if an environment is named twice, or there is none of that number, or no such action.
            EnvError: if a number is too large for the network's encoder. In both cases nothing has changed.
        """
        self._refuse_rows(envs)
        actions = np.where(starts.reshape(-1, *[1] * (actions.ndim - 1)), np.zeros_like(actions), actions)
        self._network.check_actions(actions)
        self._network.check_observations(envs, observations)
        self._last = None
        begun = envs[starts]
        self.store.reset(begun)
        self._history.reset(begun)
        is_behind = self._is_behind(envs)
        self._history.append(envs, actions, observations)
        if not is_behind:
            self.engine.extend(envs, observations, actions)
        elif not can_wait:
            self._catch_up(envs)

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
            ConfigError: if an environment is named twice, or there is none of that number.
            StaleContextError: if one of the environments was never observed.
            SearchError: if the network has diverged, or an environment has no legal action.
        """
        self._refuse_rows(envs)
        self._last = None
        if self._is_behind(envs):
            self._catch_up(envs)
        outcome = self.engine.search(envs, action_masks, rng=rng, temperature=temperature)
        self._last = _Searched(envs.copy(), outcome, self._config.search)
        return outcome

    def explain(self, env: int) -> SearchRecord:
        """Return what the last search thought of an environment, before anything is observed after it.

        Nothing is gathered before it is asked for: trees stay as they are, what is in the store is copied now.

        Raises:
            SearchError: if that search left the environment out, something was observed or loaded since, or there was
                none.
        """
        last = self._last
        rows = np.zeros(0, np.int64) if last is None else np.flatnonzero(last.envs == env)
        if last is None or not rows.size:
            raise SearchError(
                f"there is no search below environment {env} to explain: the last one since anything was observed or "
                f"loaded was below {'none' if last is None else last.envs.tolist()}; ask after planning, before the "
                "next observation"
            )
        return make_record(
            last.outcome,
            int(rows[0]),
            env=env,
            store=self.store,
            search=last.search,
            engine=self.engine.name,
            store_kind=self._config.store,
        )

    def recall(
        self, envs: Int[np.ndarray, " env"], action_masks: Bool[np.ndarray, "env action"], results: ResultCache
    ) -> Findings:
        """Return what `plan` finds without an `rng`; search only where `results` do not know it yet, and tell them.

        A search without chance is decided by weights, history and legal actions. Others are not to be recalled: what
        they draw belongs to them.

        Raises:
            ConfigError: if `results` may be older than the weights, or are asked of an agent whose roots depend on more
                than its history.
            StaleContextError, SearchError: as `plan`.
        """
        self.refuse_inexact(results)
        namespace, histories = self._namespace(), self._histories(envs, action_masks)
        form = Findings.form(self._network.spec, self._config)
        found = Findings(np.zeros(len(envs), form))
        missing = np.flatnonzero(results.read_into(found.records, histories, namespace) < 0)
        if missing.size:
            first = {histories[place]: place for place in reversed(missing.tolist())}  # one root for equal ones
            started, places = perf_counter(), sorted(first.values())
            searched = Findings.of(self.plan(envs[places], action_masks[places], rng=None), form).records
            seconds = perf_counter() - started
            results.write(searched, [histories[place] for place in places], namespace, seconds=seconds)
            found.records[places] = searched
            found.records[missing] = found.records[[first[histories[place]] for place in missing]]
        return found

    def refuse_inexact(self, results: ResultCache) -> None:
        """Refuse what `recall` cannot take.

        Raises:
            ConfigError: as `recall`.
        """
        if not isinstance(results, ResultCache):
            raise ConfigError(f"results is {results!r}; give a ResultCache, which a tier may stand behind")
        if results.max_age_updates:
            raise ConfigError(
                f"max_age_updates is {results.max_age_updates}, so that what is played could be what other weights "
                "found; only reanalysis takes such results: give 0"
            )
        self._namespace()

    def save_contexts(
        self,
        folder: str | Path,
        *,
        codec: CodecName = "none",
        history_only: bool = False,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Write what was seen so far into a folder, for a planner of another process to go on from.

        It replaces what was saved there, and is whole whenever the process is killed.

        Args:
            folder: where to.
            codec: how keys and values are written; all but none round them.
            history_only: whether to leave keys and values out, which can be made anew.
            rng: the generator that actions are drawn with; its state goes along.

        Raises:
            ConfigError: if keys and values could not be found again exactly (learned positions that are shifted, keys
                of latents alone, pools that round), or a codec would have no effect.
            RunError: if the folder cannot be written.
        """
        self.archive.save(Path(folder), codec=codec, history_only=history_only, carried={}, rng=rng)

    def load_contexts(self, folder: str | Path, *, rng: np.random.Generator | None = None) -> LoadedContexts:
        """Go on, in all environments, where the planner stood that `save_contexts` was called on.

        Keys and values are taken as they were saved if the same weights and the same kind of engine made them, on the
        same kind of device and in the same number type; else they are made anew from the histories, which is logged.
        `rng` continues the draws of the generator that was saved.

        Raises:
            CheckpointError: if the folder is missing or damaged, of another environment or another number of them, of
                too short a history, or of a newer format; if it was saved by an agent, or without the state that `rng`
                is to continue. Nothing has changed then.
        """
        loaded, _ = self.load_carried(folder, carries=(), rng=rng)
        return loaded

    def load_carried(
        self, folder: str | Path, *, carries: Sequence[str], rng: np.random.Generator | None
    ) -> tuple[LoadedContexts, dict[str, Shaped[np.ndarray, "..."]]]:
        """Do as `load_contexts`, and return what went along under these names, too."""
        loaded = self.archive.load(Path(folder), carries=carries, rng=rng)
        self._last = None  # whose roots are gone
        return loaded

    def _refuse_rows(self, envs: Int[np.ndarray, " env"]) -> None:
        """Let each row be another environment that there is.

        Raises:
            ConfigError: if one is not.
        """
        named = envs.tolist()
        if len(set(named)) < len(named) or (named and not 0 <= min(named) <= max(named) < self.store.num_envs):
            raise ConfigError(f"environments {named} were named; name each once, by 0 to {self.store.num_envs - 1}")

    def _namespace(self) -> Namespace:
        digest = self._network.digest
        if self._named is None or self._named[0] != digest:
            self._named = digest, result_namespace(self._network, self._config, self.engine.name, is_drawn=False)
        return self._named[1]

    def _histories(self, envs: Int[np.ndarray, " env"], action_masks: Bool[np.ndarray, "env action"]) -> list[bytes]:
        unseen = envs[self._history.counts(envs) == 0]
        if unseen.size:
            raise StaleContextError(f"environments {unseen.tolist()} have no root; observe them first")
        return self._history.digests(envs, action_masks)

    def _is_behind(self, envs: Int[np.ndarray, " env"]) -> bool:
        """Tell whether a root of these environments is of other weights, or not of their newest observation."""
        is_stale = self.store.is_stale(envs, self._network.version)
        return is_stale or bool((self.store.lengths(envs) != self._num_tokens(envs)).any())

    def _catch_up(self, envs: Int[np.ndarray, " env"]) -> None:
        """Rebuild the roots of these environments from their raw past."""
        self.engine.rebuild(envs, self._history.read(envs), self._num_tokens(envs))

    def _num_tokens(self, envs: Int[np.ndarray, " env"]) -> Int[np.ndarray, " env"]:
        """Return how many tokens their episodes have had; -1 before the first observation."""
        return 2 * self._history.counts(envs) - 1


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
    config = _settle(network, config, num_envs=num_envs)
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


def _settle(network: Network, config: AgentConfig, *, num_envs: int) -> AgentConfig:
    """Return the config with the engine that auto comes to, where that takes trials; results are known by it."""
    searched = SearchNetwork(network, config.search_dtype)
    asked = EnginePlan(config.engine, config.one_pass)
    plan = settle_engine(asked, searched, config.store, config.search, num_envs=num_envs)
    return replace(config, engine=plan.kind, one_pass=plan.one_pass)
