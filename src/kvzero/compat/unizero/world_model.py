"""The world model with its caches behind the interface of UniZero's own code, for those who write their own search."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kvzero.cache import NO_ACTION, CacheStats, KeysValues, Window
from kvzero.compat.lightzero import LightZeroWarning
from kvzero.compat.unizero.caches import CACHE_NAMES
from kvzero.compat.unizero.context_keeper import ContextKeeper
from kvzero.compat.unizero.inference import (
    ROOT,
    Actions,
    InitialInference,
    LatentStates,
    RecurrentInference,
    StartPositions,
    nodes_to_continue,
    read_actions,
    read_envs,
    read_latents,
    read_nodes,
    read_request,
    read_starts,
)
from kvzero.compat.unizero.loss import LossTargets, world_model_loss
from kvzero.compat.unizero.padded_contexts import ContextRows, PaddedContexts
from kvzero.compat.unizero.tokenizer import Tokenizer
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.errors import CacheError, ConfigError
from kvzero.model import (
    NO_DROPOUT,
    Dropout,
    MeanLosses,
    Network,
    Predictions,
    UnitActivity,
    expand_nodes,
    rank_shares,
)

__all__ = ["WorldModel"]

TOKENS_WITHOUT_CONTEXT = 2


class WorldModel(nn.Module):
    """A network and its cached contexts: looking them up, passing tokens against them, keeping them.

    The contexts of real observations (roots) are kept per environment, those of search nodes for one search at a time.
    `forward_initial_inference` and `forward_recurrent_inference` are all that a search needs. They are made of
    `retrieve_or_generate_kvcache`, `trim_and_pad_kv_cache` and `update_cache_context`, which may also be called alone.

    With `use_new_cache_manager` the contexts are in `kv_cache_manager`; without, in `past_kv_cache_init_infer_envs`,
    `past_kv_cache_recurrent_infer`, `shared_pool_init_infer`, `shared_pool_recur_infer` and what belongs to them. The
    names of the one do not exist with the other. They are the caches themselves: another manager may be assigned, and
    the older structures may be written into, and counted in, by hand. Contexts that other weights made are forgotten
    before anything is looked up; `to`, `double` and their like make the caches anew, and empty. Cached predictions are
    exact in training mode too: dropout is in `compute_loss` alone.
    """

    def __init__(self, config: TransformerConfig, tokenizer: Tokenizer) -> None:
        """Build the network around the tokenizer's encoder, and empty caches; keep a checked copy of the config.

        Warns:
            LightZeroWarning: once, of settings that change nothing here.

        Raises:
            ConfigError: if settings do not fit together, or the tokenizer was built for other observations or sizes.
        """
        super().__init__()
        if not (isinstance(config, TransformerConfig) and isinstance(tokenizer, Tokenizer)):
            raise ConfigError(
                f"a world model was asked for with a {type(config).__name__} and a {type(tokenizer).__name__}; give a "
                "TransformerConfig and its Tokenizer"
            )
        self.config = config.checked()
        if (tokenizer.config.spec, tokenizer.config.model) != (self.config.spec, self.config.model):
            raise ConfigError("the tokenizer was built for another config; build it with that of the world model")
        if self.config.unused:
            clauses = "; ".join(self.config.unused)
            warnings.warn(f"settings without effect on this world model: {clauses}", LightZeroWarning, stacklevel=2)
        device = next(tokenizer.parameters()).device
        self.network = Network(self.config.model, self.config.spec, encoder=tokenizer.encoder).to(device)
        # Private copies of the contexts that were retrieved or stored last, one for each row of the batch; a list that
        # callers clear, as UniZero's do: then none has been retrieved.
        self.keys_values_wm_list: list[KeysValues] = []
        self._activity = UnitActivity(self.network) if self.config.analysis_dormant_ratio_weight_rank else None
        self._keeper = ContextKeeper(self.network, self.config)
        self._rows: ContextRows | None = None
        self._padded: PaddedContexts | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the caches in use show of themselves."""
        keeper = self.__dict__.get("_keeper")
        if keeper is not None and keeper.caches.shows(name):
            return keeper.caches.show(name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Let the caches take what is assigned to one of their names."""
        if name in CACHE_NAMES:
            self._keeper.assign(name, value)
        else:
            super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "WorldModel":
        """Move, or change the number type: contexts are of no use then, and caches are made anew where weights were."""
        before = self.network.action_table.weight.data_ptr()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.network.action_table.weight.data_ptr() != before:
            self._keeper.renew()
            self._forget_rows()
        return self

    @property
    def use_new_cache_manager(self) -> bool:
        """Whether contexts are in `kv_cache_manager`."""
        return self.config.use_new_cache_manager

    @property
    def device(self) -> torch.device:
        """Where the network and its caches are."""
        return self.network.device

    @property
    def keys_values_wm_size_list(self) -> list[int]:
        """How many tokens each of `keys_values_wm_list` holds."""
        return [context.size for context in self.keys_values_wm_list]

    @property
    def keys_values_wm(self) -> Window:
        """The contexts that `trim_and_pad_kv_cache` laid side by side; no rows before, nor once they are stored."""
        if self._padded is not None:
            return self._padded.trimmed()
        none = self._keeper.empty(0)
        return Window(none.keys_values, None, none.tokens)

    @property
    def keys_values_wm_single_env(self) -> KeysValues:
        """The last of `keys_values_wm_list`; no token in it before the first was retrieved."""
        return self.keys_values_wm_list[-1] if self.keys_values_wm_list else self._keeper.empty(1).row(0)

    def forward(self, latents: Float[Tensor, "batch time embed"], actions: Int[Tensor, "batch time"]) -> Predictions:
        """Predict every step of whole sequences, without caches, as training does.

        Raises:
            ConfigError: if a sequence is longer than `max_blocks` steps.
        """
        return self._predict(latents, actions, NO_DROPOUT)

    def compute_loss(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Int[Tensor, "batch time"],
        targets: LossTargets,
    ) -> MeanLosses:
        """Return the losses of whole sequences, `latents[t]` followed by `actions[t]`, with gradients.

        `predict_latent_loss_type`, `policy_entropy_weight` and `gamma` of the config say how. In training mode there is
        the dropout of `embed_pdrop`, `resid_pdrop` and `attn_pdrop`; after `eval()` there is none. After an optimiser
        step by a fused optimiser call `network.mark_changed()`, so that cached contexts are known to be old.

        Raises:
            ConfigError: if a sequence is longer than `max_blocks` steps.
        """
        predictions = self._predict(latents, actions, self.config.dropout if self.training else NO_DROPOUT)
        return world_model_loss(predictions, targets, self.network.support, self.config)

    def figures(self) -> dict[str, float]:
        """Return how much of the network is in use; nothing unless `analysis_dormant_ratio_weight_rank` asks for it.

        `dormant_share/<part>` is the share of units of the encoder, the transformer or the heads whose activity in the
        newest pass with gradients was at most `dormant_threshold` times their layer's mean (Sokar et al. 2023);
        `rank_share/<part>` is the effective rank of its weights over their full rank (Roy & Vetterli 2007).
        """
        if self._activity is None:
            return {}
        dormant = self._activity.dormant_shares(self.config.dormant_threshold)
        figures = {f"dormant_share/{part}": share for part, share in dormant.items()}
        return figures | {f"rank_share/{part}": share for part, share in rank_shares(self.network).items()}

    @torch.no_grad()
    def forward_initial_inference(
        self,
        obs_or_dict: Tensor | Mapping[str, Any],
        start_pos: StartPositions = 0,
        *,
        env_ids: Sequence[int] | None = None,
    ) -> InitialInference:
        """Read what environments show, each in the context of its episode, and keep the new roots.

        A tensor of observations `[batch, *observation]`, images as bytes (uint8), begins an episode in each
        environment. A dict goes on with them: `current_obs` is that tensor, `action` the action that was done before
        each (`[batch]`; -1 begins an episode), and `obs`, which is needed only where a context is gone, because weights
        changed or `kv_cache_manager` was cleared, what was shown before: the context begins anew from there, and the
        miss is counted.

        Row `i` belongs to environment `i`, or `env_ids[i]`. `start_pos` are the steps of their episodes at which
        beginning observations were seen; only the absolute index of rotary positions depends on it, no prediction.

        Raises:
            ConfigError: if the request, the actions or `env_ids` do not fit together, or observations have another
                shape than the config's, or are images in other numbers than bytes.
            CacheError: if the model does not serve one of the environments.
            StaleContextError: if an episode goes on that never began or was cleared, or whose context is gone and `obs`
                is not given.
        """
        request = read_request(obs_or_dict, self.config.spec)
        envs = self._read_envs(env_ids, len(request.observations))
        self._keeper.notice_weights()
        actions = request.actions if self._has_context else [NO_ACTION] * len(envs)
        before = None if request.before is None else self.network.encode(request.before)
        self._set_rows(self._keeper.roots_before(envs, actions, before, read_starts(start_pos, len(envs))))
        padded = self._pad()
        latents = self.network.encode(request.observations)
        positions = self._open(padded, actions)
        taken = torch.tensor(actions, device=latents.device).clamp(min=0)
        reading = self.network.extend_roots(taken, latents, positions, padded.window)
        self.update_cache_context(latents, is_init_infer=True)
        return InitialInference(latents, reading.values, reading.policy_logits)

    @torch.no_grad()
    def forward_recurrent_inference(
        self,
        state_action_history: Sequence[tuple[LatentStates, Actions]],
        simulation_index: int = 0,
        latent_state_index_in_search_path: Sequence[int] | None = None,
        start_pos: StartPositions = 0,
        *,
        env_ids: Sequence[int] | None = None,
    ) -> RecurrentInference:
        """Evaluate one new node per environment, and keep its context as that of node `simulation_index + 1`.

        The last pair of `state_action_history` counts: the latents that are continued and the actions `[batch]` taken
        there; the pairs before it are in the caches. `latent_state_index_in_search_path` are the nodes
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
        latent_state, actions = state_action_history[-1]
        latents = self._read_latents(latent_state)
        taken = read_actions(actions, num_actions=self.config.action_space_size)
        nodes = nodes_to_continue(latent_state_index_in_search_path, simulation_index, len(latents))
        self._check_batch(latents, simulation_index, taken, nodes, self._read_envs(env_ids, len(latents)))
        if simulation_index == 0:
            self._keeper.begin_search()
        self.retrieve_or_generate_kvcache(latents, len(latents), simulation_index, start_pos, nodes, env_ids=env_ids)
        padded = self._pad()
        positions = self._open(padded, taken)
        found = expand_nodes(self.network, torch.tensor(taken, device=positions.device), positions, padded.window)
        self.update_cache_context(found.latents, is_init_infer=False, simulation_index=simulation_index)
        return RecurrentInference(found.rewards, found.latents, found.values, found.policy_logits)

    @torch.no_grad()
    def retrieve_or_generate_kvcache(
        self,
        latent_state: LatentStates,
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

        With `latent_state_index_in_search_path` a latent is looked up as that node of the search in progress. Without,
        `key_mode` decides. With latent keys it is whatever context was last kept under that latent. With path keys it
        is the one context of the environment's episode, or of the search below it, that ends with the latent; where
        there have been several, or none, it is a miss. `start_pos` is the step of a latent that nothing came before.

        Raises:
            ConfigError: if the number of latents is not `ready_env_num`, or `simulation_index` is out of range.
            CacheError: if there are more environments than the model serves, or others.
            StaleContextError: if a node is not of this search.
        """
        envs = self._read_envs(env_ids, ready_env_num)
        latents = self._read_latents(latent_state)
        self._check_batch(latents, simulation_index, envs, latent_state_index_in_search_path)
        self._keeper.notice_weights()
        starts = read_starts(start_pos, len(envs))
        if latent_state_index_in_search_path is None:
            handles = self._keeper.handles_of_latents(envs, latents, starts)
        else:
            nodes = read_nodes(latent_state_index_in_search_path)
            handles = self._keeper.handles_of_nodes(envs, nodes, latents, starts)
        self._set_rows(self._keeper.find(envs, handles, latents))
        self._padded = None
        return self.keys_values_wm_size_list

    def trim_and_pad_kv_cache(self, is_init_infer: bool = True) -> Window:
        """Lay the retrieved contexts side by side; return what the longest of them fills.

        Shorter ones are padded on the left with zeros that nothing attends to. Contexts of roots and of nodes are
        padded alike, whatever `is_init_infer` is; where to keep them is said to `update_cache_context`.

        Raises:
            CacheError: if nothing was retrieved.
        """
        del is_init_infer
        return self._pad().trimmed()

    @torch.no_grad()
    def update_cache_context(
        self, latent_state: LatentStates, is_init_infer: bool = True, simulation_index: int = 0
    ) -> None:
        """Take the padded contexts apart, slide those that are full, and store them: as roots, or as the node made now.

        `latent_state` are their newest latents. Nothing is stored where nothing was padded since the last time, or
        `context_length` is 2 or less.

        Raises:
            ConfigError: if there are not as many latents as contexts were padded.
        """
        latents, padded = self._read_latents(latent_state), self._padded
        if padded is None:
            return
        self._check_batch(latents, simulation_index, padded.rows.envs)
        self._padded = None
        self.network.slide(padded.window)
        rows = padded.part(self._keeper.handles.keys, latents)
        node = ROOT if is_init_infer else simulation_index + 1
        self._keeper.handles.remember(rows, node=node)
        if self._has_context:
            self._set_rows(rows)
            self._keeper.keep(rows, node=node)

    def clear_caches(self) -> None:
        """Forget all contexts, those of roots and those of nodes: episodes have to begin anew; statistics go on."""
        self._keeper.forget()
        self._forget_rows()

    def clear_env(self, env_id: int) -> None:
        """Forget the episode of one environment: its next observation has to begin another.

        Raises:
            CacheError: if the model does not serve it.
        """
        self._keeper.forget_env(*self._read_envs([env_id], 1))

    def cache_stats(self) -> dict[str, CacheStats]:
        """Return hits, misses and more of the roots under `env_0`, `env_1`, ..., and of the nodes under `recur`."""
        stats = self._keeper.levels.stats()
        return {} if stats is None else stats.init_pools | {"recur": stats.recur_pool}

    @property
    def _has_context(self) -> bool:
        return self.config.context_length > TOKENS_WITHOUT_CONTEXT

    def _predict(
        self, latents: Float[Tensor, "batch time embed"], actions: Int[Tensor, "batch time"], dropout: Dropout
    ) -> Predictions:
        if latents.shape[1] > self.config.max_blocks:
            raise ConfigError(
                f"sequences of {latents.shape[1]} steps were passed, but max_blocks is {self.config.max_blocks}; "
                "pass shorter ones, or raise it"
            )
        predictions: Predictions = self.network(latents, actions, dropout=dropout)
        return predictions

    def _forget_rows(self) -> None:
        self._rows = self._padded = None
        self.keys_values_wm_list = []

    def _set_rows(self, rows: ContextRows) -> None:
        self._rows = rows
        self.keys_values_wm_list = rows.contexts

    def _pad(self) -> PaddedContexts:
        if self._rows is None or not self.keys_values_wm_list:
            raise CacheError("there are no contexts to pad; call retrieve_or_generate_kvcache first")
        self._padded = PaddedContexts(self._rows, self.config.layout)
        return self._padded

    def _read_latents(self, latent_state: LatentStates) -> Float[Tensor, "batch embed"]:
        return read_latents(latent_state, embed_dim=self.config.embed_dim, like=self.network.action_table.weight)

    def _open(self, padded: PaddedContexts, actions: Sequence[int]) -> Int[Tensor, "batch 2"]:
        positions = padded.open(actions)
        self.network.transformer.positions.reserve(int(positions.max()) + 1)
        return positions

    def _read_envs(self, env_ids: Sequence[int] | None, num_rows: int) -> list[int]:
        return read_envs(env_ids, num_rows, num_envs=self.config.env_num)

    def _check_batch(self, latents: Tensor, simulation_index: int, *columns: Sequence[int] | None) -> None:
        """Refuse latents beside which there are more or fewer environments, actions or nodes, and a search too long."""
        lengths = [len(column) for column in columns if column is not None]
        if any(length != len(latents) for length in lengths):
            raise ConfigError(
                f"{len(latents)} latents came with {lengths} environments, actions or nodes; give as many"
            )
        if not 0 <= simulation_index < self.config.num_simulations:
            raise ConfigError(
                f"simulation_index is {simulation_index}, but the caches were made for simulations 0 to "
                f"{self.config.num_simulations - 1}; raise num_simulations"
            )
