"""The world model with its caches behind the interface of UniZero's own code, for those who write their own search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kvzero.cache import NO_ACTION, CacheStats, KeysValues, Window
from kvzero.checks import read_int
from kvzero.compat.unizero.context_keeper import ROOT, ContextKeeper
from kvzero.compat.unizero.inference import (
    Actions,
    InitialInference,
    RecurrentInference,
    RootRequest,
    StartPositions,
    read_actions,
    read_request,
)
from kvzero.compat.unizero.loss import LossTargets, world_model_loss
from kvzero.compat.unizero.padded_contexts import ContextRows, PaddedContexts
from kvzero.compat.unizero.tokenizer import Tokenizer
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.errors import CacheError, ConfigError
from kvzero.model import MeanLosses, Network, Predictions, expand_nodes

__all__ = ["WorldModel"]

TOKENS_WITHOUT_CONTEXT = 2


class WorldModel(nn.Module):
    """A network and its cached contexts: looking them up, passing tokens against them, keeping them.

    The contexts of real observations (roots) are kept per environment, those of search nodes for one search at a time.
    `forward_initial_inference` and `forward_recurrent_inference` are all that a search needs. They are made of
    `retrieve_or_generate_kvcache`, `trim_and_pad_kv_cache` and `update_cache_context`, which may also be called alone.

    With `use_new_cache_manager` the contexts are in `kv_cache_manager`; without, in `past_kv_cache_init_infer_envs`,
    `past_kv_cache_recurrent_infer`, `shared_pool_init_infer` and `shared_pool_recur_infer`. The names of the one do not
    exist with the other. Contexts that other weights made are forgotten before anything is looked up.
    """

    def __init__(self, config: TransformerConfig, tokenizer: Tokenizer) -> None:
        """Build the network around the tokenizer's encoder, and empty caches.

        Raises:
            ConfigError: if the tokenizer was built for other observations or sizes.
        """
        super().__init__()
        if not (isinstance(config, TransformerConfig) and isinstance(tokenizer, Tokenizer)):
            raise ConfigError(
                f"a world model was asked for with a {type(config).__name__} and a {type(tokenizer).__name__}; give a "
                "TransformerConfig and its Tokenizer"
            )
        if (tokenizer.config.spec, tokenizer.config.model) != (config.spec, config.model):
            raise ConfigError("the tokenizer was built for another config; build it with that of the world model")
        self.config = config
        device = next(tokenizer.parameters()).device
        self.network = Network(config.model, config.spec, encoder=tokenizer.encoder).to(device)
        self._layout = config.layout
        self._keeper = ContextKeeper(self.network, config)
        self._rows: ContextRows | None = None
        self._padded: PaddedContexts | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the caches in use show of themselves."""
        keeper = self.__dict__.get("_keeper")
        if keeper is not None and name in keeper.shown:
            return keeper.shown[name]()
        return super().__getattr__(name)

    @property
    def keys_values_wm_list(self) -> list[KeysValues]:
        """Private copies of the contexts that were retrieved or stored last, one for each row of the batch."""
        return [] if self._rows is None else self._rows.contexts

    @property
    def keys_values_wm_size_list(self) -> list[int]:
        """How many tokens each of them holds."""
        return [] if self._rows is None else self._rows.batch.sizes.tolist()

    def forward(self, latents: Float[Tensor, "batch time embed"], actions: Int[Tensor, "batch time"]) -> Predictions:
        """Predict every step of whole sequences, without caches, as training does.

        Raises:
            ConfigError: if a sequence is longer than `max_blocks` steps.
        """
        if latents.shape[1] > self.config.max_blocks:
            raise ConfigError(
                f"sequences of {latents.shape[1]} steps were passed, but max_blocks is {self.config.max_blocks}; "
                "pass shorter ones, or raise it"
            )
        predictions: Predictions = self.network(latents, actions)
        return predictions

    def compute_loss(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Int[Tensor, "batch time"],
        targets: LossTargets,
    ) -> MeanLosses:
        """Return the losses of whole sequences, `latents[t]` followed by `actions[t]`, with gradients.

        `predict_latent_loss_type`, `policy_entropy_weight` and `gamma` of the config say how. After an optimiser step
        by a fused optimiser call `network.mark_changed()`, so that cached contexts are known to be old.

        Raises:
            ConfigError: if a sequence is longer than `max_blocks` steps.
        """
        return world_model_loss(self.forward(latents, actions), targets, self.network.support, self.config)

    @torch.no_grad()
    def forward_initial_inference(
        self,
        obs_or_dict: Tensor | Mapping[str, Any],
        start_pos: StartPositions = 0,
        *,
        env_ids: Sequence[int] | None = None,
    ) -> InitialInference:
        """Read what environments show, each in the context of its episode, and keep the new roots.

        A tensor of observations `[batch, *observation]` begins an episode in each environment. A dict goes on with
        them: `current_obs` is that tensor, `action` the action that was done before each (`[batch]`; -1 begins an
        episode), and `obs`, which is needed only where a context is gone, because weights changed or `kv_cache_manager`
        was cleared, what was shown before: the context begins anew from there, and the miss is counted.

        Row `i` belongs to environment `i`, or `env_ids[i]`. `start_pos` are the steps of their episodes at which
        beginning observations were seen; only the absolute index of rotary positions depends on it, no prediction.

        Raises:
            ConfigError: if the request, the actions or `env_ids` do not fit together, or observations have another
                shape than the config's.
            CacheError: if the model does not serve one of the environments.
            StaleContextError: if an episode goes on that never began or was cleared, or whose context is gone and `obs`
                is not given.
        """
        request = read_request(obs_or_dict, num_actions=self.config.action_space_size)
        envs = self._envs(len(request.observations), env_ids)
        self._check_observations(request)
        self._keeper.notice_weights()
        actions = request.actions if self._has_context else [NO_ACTION] * len(envs)
        before = None if request.before is None else self.network.encode(request.before)
        self._rows = self._keeper.roots_before(envs, actions, before, _spread(start_pos, len(envs)))
        padded = self._pad(is_init_infer=True)
        latents = self.network.encode(request.observations)
        positions = self._open(padded, actions)
        taken = torch.tensor(actions, device=latents.device).clamp(min=0)
        reading = self.network.extend_roots(taken, latents, positions, padded.window)
        self.update_cache_context(latents, is_init_infer=True)
        return InitialInference(latents, reading.values, reading.policy_logits)

    @torch.no_grad()
    def forward_recurrent_inference(
        self,
        state_action_history: Sequence[tuple[Tensor, Actions]],
        simulation_index: int = 0,
        latent_state_index_in_search_path: Sequence[int] | None = None,
        start_pos: StartPositions = 0,
        *,
        env_ids: Sequence[int] | None = None,
    ) -> RecurrentInference:
        """Evaluate one new node per environment, and keep its context as that of node `simulation_index + 1`.

        The last pair of `state_action_history` counts: the latents `[batch, embed]` that are continued and the actions
        `[batch]` taken there; the pairs before it are in the caches. `latent_state_index_in_search_path` are the nodes
        that these latents belong to, one per row: 0 is the root, `s + 1` the node that simulation `s` made. In
        simulation 0, which begins a new search and forgets the nodes of the one before, all are roots.

        Row `i` belongs to environment `i`, or `env_ids[i]`. `start_pos` counts for environments only whose root was
        never observed.

        Raises:
            ConfigError: if latents, actions, nodes and `env_ids` do not fit together, a latent is not its node's, or
                `simulation_index` is out of the range that the caches were made for.
            CacheError: if the model does not serve one of the environments.
            StaleContextError: if a node is not of this search.
        """
        if not state_action_history:
            raise ConfigError(
                "state_action_history is empty; give the latents and the actions taken there as its last pair"
            )
        latents, actions = state_action_history[-1]
        taken = read_actions(actions, num_actions=self.config.action_space_size)
        nodes = _nodes_to_continue(latent_state_index_in_search_path, simulation_index, len(latents))
        self._check_batch(latents, simulation_index, taken, nodes, self._envs(len(latents), env_ids))
        if simulation_index == 0:
            self._keeper.begin_search()
        self.retrieve_or_generate_kvcache(latents, len(latents), simulation_index, start_pos, nodes, env_ids=env_ids)
        padded = self._pad(is_init_infer=False)
        positions = self._open(padded, taken)
        found = expand_nodes(self.network, torch.tensor(taken, device=positions.device), positions, padded.window)
        self.update_cache_context(found.latents, is_init_infer=False, simulation_index=simulation_index)
        return RecurrentInference(found.rewards, found.latents, found.values, found.policy_logits)

    @torch.no_grad()
    def retrieve_or_generate_kvcache(
        self,
        latent_state: Float[Tensor, "batch embed"],
        ready_env_num: int,
        simulation_index: int = 0,
        start_pos: StartPositions = 0,
        latent_state_index_in_search_path: Sequence[int] | None = None,
        *,
        env_ids: Sequence[int] | None = None,
    ) -> list[int]:
        """Look up the context of each latent; return their sizes in tokens. Nothing is stored.

        The context is looked for among the environment's roots, then among the nodes of the search. On a miss, which is
        counted, it is made of the latent alone. `keys_values_wm_list` then holds private copies.

        Without `latent_state_index_in_search_path` a latent is looked up as one that nothing is known to have come
        before, seen at step `start_pos` of its episode; with it, as that node of the search in progress.

        Raises:
            ConfigError: if the number of latents is not `ready_env_num`, or `simulation_index` is out of range.
            CacheError: if there are more environments than the model serves, or others.
            StaleContextError: if a node is not of this search.
        """
        envs = self._envs(ready_env_num, env_ids)
        self._check_batch(latent_state, simulation_index, envs, latent_state_index_in_search_path)
        self._keeper.notice_weights()
        starts = _spread(start_pos, len(envs))
        if latent_state_index_in_search_path is None:
            handles = self._keeper.handles_alone(envs, latent_state, starts)
        else:
            nodes = _read_nodes(latent_state_index_in_search_path)
            handles = self._keeper.handles_of_nodes(envs, nodes, latent_state, starts)
        self._rows, self._padded = self._keeper.find(envs, handles, latent_state), None
        return self.keys_values_wm_size_list

    def trim_and_pad_kv_cache(self, is_init_infer: bool = True) -> Window:
        """Lay the retrieved contexts side by side, for roots or for nodes; return what the longest of them fills.

        Shorter ones are padded on the left with zeros that nothing attends to.

        Raises:
            CacheError: if nothing was retrieved.
        """
        return self._pad(is_init_infer=is_init_infer).trimmed()

    @torch.no_grad()
    def update_cache_context(
        self, latent_state: Float[Tensor, "batch embed"], is_init_infer: bool = True, simulation_index: int = 0
    ) -> None:
        """Take the padded contexts apart, slide those that are full, and store them: as roots, or as the node made now.

        `latent_state` are their newest latents. Nothing is stored where `context_length` is 2 or less; nothing
        need have been padded there.

        Raises:
            CacheError: if nothing was padded, or it was padded for the other kind.
        """
        padded = self._padded
        if padded is None and not self._has_context:
            return
        if padded is None or padded.is_init_infer != is_init_infer:
            raise CacheError(
                "there is no batch to store as "
                + ("roots" if is_init_infer else "nodes")
                + f"; retrieve contexts and call trim_and_pad_kv_cache({is_init_infer}) first"
            )
        self._padded = None
        self.network.slide(padded.window)
        rows = padded.part(self._keeper.keys, latent_state)
        node = ROOT if is_init_infer else simulation_index + 1
        self._keeper.remember(rows, node=node)
        if self._has_context:
            self._rows = rows
            self._keeper.keep(rows, node=node)

    def clear_caches(self) -> None:
        """Forget all contexts, those of roots and those of nodes: episodes have to begin anew; statistics go on."""
        self._keeper.forget()
        self._rows = self._padded = None

    def clear_env(self, env_id: int) -> None:
        """Forget the episode of one environment: its next observation has to begin another.

        Raises:
            CacheError: if the model does not serve it.
        """
        self._keeper.forget_env(*self._envs(1, [env_id]))

    def cache_stats(self) -> dict[str, CacheStats]:
        """Return hits, misses and more of the roots under `env_0`, `env_1`, ..., and of the nodes under `recur`."""
        stats = self._keeper.levels.stats()
        return {} if stats is None else stats.init_pools | {"recur": stats.recur_pool}

    @property
    def _has_context(self) -> bool:
        return self.config.context_length > TOKENS_WITHOUT_CONTEXT

    def _pad(self, *, is_init_infer: bool) -> PaddedContexts:
        if self._rows is None:
            raise CacheError("there are no contexts to pad; call retrieve_or_generate_kvcache first")
        self._padded = PaddedContexts(self._rows, self._layout, is_init_infer=is_init_infer)
        return self._padded

    def _open(self, padded: PaddedContexts, actions: Sequence[int]) -> Int[Tensor, "batch 2"]:
        positions = padded.open(actions)
        self.network.transformer.positions.reserve(int(positions.max()) + 1)
        return positions

    def _envs(self, num_rows: int, env_ids: Sequence[int] | None) -> list[int]:
        envs = list(range(num_rows)) if env_ids is None else [read_int("env_id", env, CacheError) for env in env_ids]
        last = self.config.env_num - 1
        if not envs or min(envs) < 0 or max(envs) > last:
            raise CacheError(f"environments {envs} were asked for; this model serves environments 0 to {last}")
        if len(envs) != num_rows or len(set(envs)) != num_rows:
            raise ConfigError(f"env_ids is {envs} for {num_rows} rows; give each row an environment of its own")
        return envs

    def _check_observations(self, request: RootRequest) -> None:
        shape = self.config.spec.observation_shape
        for shown in (request.observations, request.before):
            if shown is not None and shown.shape[1:] != shape:
                raise ConfigError(
                    f"observations have shape {tuple(shown.shape)}; give one of observation_shape {shape} for each row"
                )

    def _check_batch(self, latents: Tensor, simulation_index: int, *columns: Sequence[int] | None) -> None:
        """Refuse latents beside which there are more or fewer environments, actions or nodes, and a search too long."""
        lengths = [len(column) for column in columns if column is not None]
        if any(length != len(latents) for length in lengths):
            raise ConfigError(
                f"{len(latents)} latents came with {lengths} environments, actions or nodes; give as many"
            )
        if latents.shape[1:] != (self.config.embed_dim,):
            raise ConfigError(
                f"latents have shape {tuple(latents.shape)}; give one of {self.config.embed_dim} numbers for each row"
            )
        if not 0 <= simulation_index < self.config.num_simulations:
            raise ConfigError(
                f"simulation_index is {simulation_index}, but the caches were made for simulations 0 to "
                f"{self.config.num_simulations - 1}; raise num_simulations"
            )


def _spread(start_pos: StartPositions, num_rows: int) -> list[int]:
    """Return one number for each row."""
    if isinstance(start_pos, Sequence | Tensor | np.ndarray) and np.ndim(start_pos):
        numbers = [read_int("start_pos", each) for each in start_pos]
    else:
        numbers = [read_int("start_pos", start_pos)] * num_rows
    if len(numbers) != num_rows or min(numbers, default=0) < 0:
        raise ConfigError(f"start_pos is {start_pos} for {num_rows} rows; give one step, 0 or more, or one for each")
    return numbers


def _read_nodes(nodes: Sequence[int]) -> list[int]:
    return [read_int("latent_state_index_in_search_path", node) for node in nodes]


def _nodes_to_continue(nodes: Sequence[int] | None, simulation_index: int, num_rows: int) -> list[int]:
    if nodes is not None:
        return _read_nodes(nodes)
    if simulation_index > 0:
        raise ConfigError(
            f"simulation {simulation_index} did not say which nodes it continues; give "
            "latent_state_index_in_search_path, 0 for the root and s + 1 for the node that simulation s made"
        )
    return [ROOT] * num_rows
