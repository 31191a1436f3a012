"""One room's view of its environments: what they showed, the roots made of it, and the search below them."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped

from kvzero.agent.choices import Choices, NumberedActions, SampledActions
from kvzero.agent.config import AgentConfig, SamplingConfig
from kvzero.agent.history import History
from kvzero.agent.native import NativePath
from kvzero.agent.paths import build_device_planner, build_path
from kvzero.agent.search_network import SearchNetwork
from kvzero.agent.stores import build_store
from kvzero.cache import ContextStore
from kvzero.errors import ConfigError
from kvzero.model import Network, RootReading
from kvzero.search import Outcome, Roots, SearchConfig, search

__all__ = ["Planner"]


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
        if not network.spec.is_continuous and config.sampling != SamplingConfig():
            raise ConfigError(
                f"{config.sampling} would have no effect, as actions are numbered here; leave sampling at its defaults"
            )
        self._network = network
        self._sampling = config.sampling
        self._search = _with_simulations(config.search, num_simulations)
        self._layout = config.model.layout
        self._searched = SearchNetwork(network, config)
        self._store = build_store(
            self._searched, config, num_envs=num_envs, num_simulations=self._search.num_simulations
        )
        self._path = build_path(self._searched, config, self._store, num_envs=num_envs)
        self._on_device = build_device_planner(self._searched, self._store, config, self._search, num_envs=num_envs)
        self._history = History(network.spec, num_envs=num_envs, num_steps=self._layout.history_steps)
        self._values = np.zeros(num_envs, np.float32)
        self._logits = np.zeros((num_envs, network.policy_size), np.float32)

    @property
    def engine(self) -> str:
        """What computes this planner's searches: native, device or eager."""
        if self._on_device is not None:
            return "device"
        return "native" if isinstance(self._path, NativePath) else "eager"

    @property
    def store(self) -> ContextStore:
        """Where this planner's keys and values live."""
        return self._store

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
        """
        begun = envs[starts]
        self._store.reset(begun)
        self._history.reset(begun)
        actions = np.where(starts.reshape(-1, *[1] * (actions.ndim - 1)), np.zeros_like(actions), actions)
        self._history.append(envs, actions, observations)
        if self._store.is_stale(envs, self._network.version):
            self._rebuild(envs)
        else:
            self._extend(envs, observations, actions)

    @torch.inference_mode()
    def plan(
        self,
        envs: Int[np.ndarray, " env"],
        action_masks: Bool[np.ndarray, "env action"],
        *,
        rng: np.random.Generator | None,
    ) -> Outcome:
        """Search below the newest observations of these environments.

        With `rng` the search explores (noise at the root, random ties), without it is deterministic. Roots that other
        weights made are rebuilt first.

        Raises:
            StaleContextError: if one of the environments was never observed.
        """
        version = self._network.version
        if self._store.is_stale(envs, version):
            self._rebuild(envs)
        if self._on_device is not None:
            return self._on_device.search(envs, version, action_masks, rng=rng)
        choices = self._choices(len(envs), rng)
        logits = choices.offer(0, torch.from_numpy(self._logits[envs]).to(self._network.device))
        roots = Roots(logits, self._values[envs], choices.masks(action_masks))
        expander = self._path.begin_search(envs, version, self._search.num_simulations, choices)
        outcome = search(roots, expander, self._search, rng=rng)
        return replace(outcome, action_sets=choices.sets())

    def _choices(self, num_envs: int, rng: np.random.Generator | None) -> Choices:
        spec, device = self._network.spec, self._network.device
        if not spec.is_continuous:
            return NumberedActions(device)
        return SampledActions(
            self._sampling,
            num_envs=num_envs,
            num_nodes=self._search.num_simulations + 1,
            action_dim=spec.action_dim,
            device=device,
            rng=rng,
        )

    @torch.inference_mode()
    def _extend(
        self, envs: Int[np.ndarray, " env"], observations: Shaped[np.ndarray, "env ..."], actions: np.ndarray
    ) -> None:
        latents = self._path.encode(observations)
        reading = self._path.extend_roots(envs, self._network.version, actions=actions, latents=latents)
        self._keep(envs, reading)

    @torch.inference_mode()
    def _rebuild(self, envs: Int[np.ndarray, " env"]) -> None:
        device = self._network.device
        past = self._history.read(envs)
        num_steps = past.is_valid.shape[1]
        lengths = 2 * self._history.counts(envs) - 1
        ends = self._layout.next_positions(lengths - 2) + 2  # one past the newest token, whose window has not slid yet
        positions = (ends[:, None] + np.arange(1 - 2 * num_steps, 0)).clip(min=0)
        self._network.transformer.positions.reserve(int(ends.max()))
        observations = torch.from_numpy(past.observations).to(device)
        latents = self._network.encode(observations.flatten(0, 1)).reshape(len(envs), num_steps, -1)
        reading, window = self._network.read_roots(
            latents,
            torch.from_numpy(past.actions).to(device),
            torch.from_numpy(positions).to(device),
            is_valid=torch.from_numpy(past.is_valid).to(device).repeat_interleave(2, dim=1)[:, :-1],
        )
        self._network.slide(window)
        self._store.replace_roots(
            envs,
            self._network.version,
            lengths=lengths,
            latents=latents[:, -1].to(self._searched.dtype),
            keys_values=window.keys_values.to(self._searched.dtype),
            tokens=None if window.tokens is None else window.tokens.to(self._searched.dtype),
        )
        self._keep(envs, reading)

    def _keep(self, envs: Int[np.ndarray, " env"], reading: RootReading) -> None:
        if self._on_device is not None:
            self._on_device.keep(envs, reading)
            return
        self._values[envs] = reading.values.float().cpu().numpy()
        self._logits[envs] = reading.policy_logits.float().cpu().numpy()


def _with_simulations(config: SearchConfig, num_simulations: int | None) -> SearchConfig:
    return config if num_simulations is None else replace(config, num_simulations=num_simulations)
