"""The knobs of a `WorldModel`, under the names that users of UniZero's own code know."""

from copy import copy
from dataclasses import dataclass, field
from typing import Literal

import torch

from kvzero.cache import CacheConfig, CodecName, ContextLayout, EvictionName, KeyMode
from kvzero.checks import changed_fields, read_field
from kvzero.compat.unizero.limits import refuse_impossible
from kvzero.errors import ConfigError
from kvzero.model import (
    DEFAULT_MAX_TOKENS,
    LOSS_WEIGHTS,
    SIMNORM_GROUP,
    Dropout,
    LatentLoss,
    ModelConfig,
    WindowSlide,
)
from kvzero.records import EnvSpec

__all__ = ["TransformerConfig"]

MANAGED = ("eviction", "init_pool_bounds", "recur_pool_bounds", "pool_codec")
"""Settings that a `KVCacheManager` alone has a use for."""


@dataclass(slots=True, kw_only=True)
class TransformerConfig:
    """Sizes, caches and losses of a `WorldModel`, in the vocabulary of the system that it takes the place of.

    Settings are given by keyword or assigned afterwards, in any order. A value that no model could have is refused at
    once, what does not fit together when a model is built: that keeps a checked copy, which nothing changes any more.
    """

    tokens_per_block: int = 2
    """Tokens per environment step; always 2, a latent and an action."""

    max_blocks: int = 10
    """Environment steps of the longest sequence that may be passed at once; also the size of the table of learned
    positions, which has `tokens_per_block * max_blocks` embeddings."""

    attention: str = "causal"
    """Which tokens attend to which; always causal."""

    num_layers: int = 2
    """Transformer layers."""

    num_heads: int = 8
    """Attention heads per layer."""

    embed_dim: int = 768
    """Width of a token."""

    embed_pdrop: float = 0.0
    """Dropout of embeddings, in `WorldModel.compute_loss` of a model in training mode and nowhere else."""

    resid_pdrop: float = 0.0
    """Dropout of residual branches, there."""

    attn_pdrop: float = 0.0
    """Dropout of attention weights, there."""

    task_embed_option: str | None = None
    """How a task is told to the model; none or None, there is one task."""

    env_num: int = 8
    """Environments served; they have the numbers 0 to `env_num - 1`."""

    game_segment_length: int = 20
    """Root contexts kept per environment."""

    num_simulations: int = 50
    """Simulations per search; with `env_num` the number of search nodes whose contexts are kept."""

    action_space_size: int = 6
    """Discrete actions."""

    observation_shape: int | tuple[int, ...] = (3, 64, 64)
    """Shape of one observation: `(feature,)` or a number for a vector, `(channel, height, width)` for an image."""

    image_channel: int | None = None
    """Channels of an image; read from `observation_shape`, and held against it where given."""

    support_size: int = 601
    """Bins of the categorical reward and value; odd."""

    obs_type: Literal["image", "vector"] = "image"
    """What an observation is; held against `observation_shape`."""

    device: str | torch.device = "cpu"
    """Where the network and its caches live: cpu, cuda, cuda:N, or auto."""

    continuous_action_space: bool = False
    """Whether actions are vectors; always False."""

    group_size: int = SIMNORM_GROUP
    """Numbers per group of SimNorm; always 8 where latents have groups."""

    norm_type: Literal["LN", "GN"] | None = None
    """Norm inside the encoder: layer norm (LN) or, for images only, group norm (GN). Where not given, LN for vectors
    and GN for images. Batch norm would make a latent depend on the others of its batch."""

    rotary_emb: bool = False
    """Whether positions are rotary; else they are learned and the window slides, see `window`."""

    context_length: int = 8
    """Tokens that a token may attend to, itself included. Up to 2 no context is kept at all."""

    policy_entropy_weight: float = LOSS_WEIGHTS.entropy
    """Weight of the policy's entropy in `WorldModel.compute_loss`."""

    predict_latent_loss_type: LatentLoss = "group_kl"
    """Distance between predicted and encoded latents in `WorldModel.compute_loss`. It also chooses the norm of latents:
    SimNorm for group_kl, whose groups it compares, LayerNorm for the others."""

    gamma: float = 1.0
    """Factor by which the losses of each further step of an unroll count less in `WorldModel.compute_loss`."""

    dormant_threshold: float = 0.01
    """Score up to which a unit counts as dormant, see `WorldModel.figures`."""

    analysis_dormant_ratio_weight_rank: bool = False
    """Whether `WorldModel.figures` tells the share of dormant units and the rank of weights."""

    latent_recon_loss_weight: float = 0.0
    """Weight of reconstructing observations; always 0, there is no decoder."""

    perceptual_loss_weight: float = 0.0
    """Weight of reconstructing them perceptually; always 0."""

    max_cache_size: int = 5_000
    """Most contexts that any pool holds, where the sizes that follow from the settings above are larger."""

    use_new_cache_manager: bool = False
    """Whether contexts are kept by a `KVCacheManager`, or in the older structures kept by hand."""

    window: WindowSlide = "rebuild"
    """Learned positions: what happens to the keys and values that stay when the window slides, see `ModelConfig`."""

    key_mode: KeyMode = "path"
    """Whether contexts are found by all that led to them (path) or by the newest latent alone (latent)."""

    eviction: EvictionName = "fifo"
    """Who leaves a full pool of the `KVCacheManager`."""

    enable_stats: bool = True
    """Whether hits, misses and evictions are counted."""

    init_pool_bounds: tuple[int, int] | None = None
    """Smallest and largest size between which the init pools of the `KVCacheManager` adapt to their use; fixed if not
    given. They begin with `game_segment_length` contexts as far as that is within."""

    recur_pool_bounds: tuple[int, int] | None = None
    """The same for its recur pool; the largest must hold one whole search."""

    pool_codec: CodecName = "none"
    """How its pools keep contexts: every bit (none), or rounded, as float16 or int8; predictions are then no longer
    exact."""

    cache_max_bytes: int | None = None
    """Most bytes that all contexts may take; a model whose caches could take more is refused."""

    is_checked: bool = field(default=False, init=False, repr=False, compare=False)
    """Whether this is a copy that a model keeps."""

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self, "is_checked", False):
            raise ConfigError(
                f"{name} was assigned to the config of a model that exists, where it would have no effect; assign it "
                "to the config that a model is still to be built from"
            )
        if name in self.__dataclass_fields__:
            value = read_field(type(self), name, value)
            refuse_impossible(name, value)
        object.__setattr__(self, name, value)

    def checked(self) -> "TransformerConfig":
        """Return a copy that cannot be changed, all of whose settings fit together.

        Raises:
            ConfigError: if two of them do not.
        """
        self._check_observations()
        self._check_context()
        if self.group_size != SIMNORM_GROUP and self.has_groups:
            raise ConfigError(
                f"group_size is {self.group_size}, but can only be {SIMNORM_GROUP} where predict_latent_loss_type is "
                f"{self.predict_latent_loss_type}, which compares the groups of SimNorm"
            )
        self._check_caches()
        _ = self.model
        checked = copy(self)
        object.__setattr__(checked, "is_checked", True)
        return checked

    def _check_caches(self) -> None:
        cache = self.cache
        idle = [f"{name} is {getattr(cache, name)}" for name in changed_fields(cache) if name in MANAGED]
        if idle and not self.use_new_cache_manager:
            raise ConfigError(
                f"{', '.join(idle)}, which has no effect on the older caches: the oldest always goes, every bit is "
                "kept, and sizes do not change; set use_new_cache_manager=True"
            )
        for bounds in (cache.init_pool_bounds, cache.recur_pool_bounds):
            if bounds is not None and bounds[1] > self.max_cache_size:
                raise ConfigError(
                    f"a pool may grow to {bounds[1]} contexts by its bounds, but max_cache_size is "
                    f"{self.max_cache_size}, the most that any pool holds; raise that, or lower the bounds"
                )

    def _check_context(self) -> None:
        least = 2 if self.rotary_emb else 4
        if self.context_length < least or self.context_length % 2:
            raise ConfigError(
                f"context_length is {self.context_length}; give an even number, two tokens make one step, of at least "
                f"{least} where rotary_emb is {self.rotary_emb}"
            )
        if self.context_length > self.max_tokens:
            raise ConfigError(
                f"context_length is {self.context_length}, longer than the {self.max_tokens} tokens of max_blocks "
                f"{self.max_blocks}; give max_blocks at least {-(-self.context_length // 2)}"
            )

    @property
    def unused(self) -> list[str]:
        """What some settings say that changes nothing here, with the reason."""
        clauses = {
            f"group_size={self.group_size}: latents have a layer norm, and no groups": (
                self.group_size != SIMNORM_GROUP and not self.has_groups
            ),
            f"image_channel={self.image_channel}: an observation is a vector": (
                self.image_channel is not None and not self.spec.is_image
            ),
        }
        return [clause for clause, is_due in clauses.items() if is_due]

    @property
    def has_groups(self) -> bool:
        """Whether latents are normed in groups, as the loss that compares groups needs them."""
        return self.predict_latent_loss_type == "group_kl"

    @property
    def dropout(self) -> Dropout:
        """What a training pass leaves out."""
        return Dropout(embedding=self.embed_pdrop, residual=self.resid_pdrop, attention=self.attn_pdrop)

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest sequence that may be passed at once."""
        return self.tokens_per_block * self.max_blocks

    @property
    def spec(self) -> EnvSpec:
        """What an environment of this world shows and accepts."""
        shape = self.observation_shape
        return EnvSpec(
            observation_shape=(shape,) if isinstance(shape, int) else shape, num_actions=self.action_space_size
        )

    @property
    def model(self) -> ModelConfig:
        """The same network in kvzero's own words."""
        return ModelConfig(
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            embed_dim=self.embed_dim,
            context_tokens=self.context_length,
            support_size=self.support_size,
            latent_norm="simnorm" if self.has_groups else "layernorm",
            positions="rotary" if self.rotary_emb else "learned",
            max_tokens=DEFAULT_MAX_TOKENS if self.rotary_emb else self.max_tokens,
            window=self.window,
            image_norm="layer" if self.norm_type == "LN" and self.spec.is_image else "group",
        )

    @property
    def layout(self) -> ContextLayout:
        """Sizes of one context."""
        return self.model.layout

    @property
    def init_pool_size(self) -> int:
        """Root contexts kept per environment, at first where pools adapt."""
        return _within(self.init_pool_bounds, min(self.game_segment_length, self.max_cache_size))

    @property
    def recur_pool_size(self) -> int:
        """Contexts of search nodes kept for all environments together, at first where pools adapt."""
        return _within(self.recur_pool_bounds, min(self.num_simulations * self.env_num, self.max_cache_size))

    @property
    def cache(self) -> CacheConfig:
        """Sizes, keys, eviction, codec, budget and statistics of the caches."""
        return CacheConfig(
            init_pool_size=self.init_pool_size,
            recur_pool_size=self.recur_pool_size,
            eviction=self.eviction,
            key_mode=self.key_mode,
            pool_stats=self.enable_stats,
            init_pool_bounds=self.init_pool_bounds,
            recur_pool_bounds=self.recur_pool_bounds,
            pool_codec=self.pool_codec,
            cache_max_bytes=self.cache_max_bytes,
        )

    def _check_observations(self) -> None:
        spec = self.spec
        kind = "image" if spec.is_image else "vector"
        if self.obs_type != kind:
            raise ConfigError(
                f"obs_type is {self.obs_type!r}, but observation_shape {spec.observation_shape} is that of a {kind}; "
                "the two settings must agree"
            )
        if self.norm_type == "GN" and not spec.is_image:
            raise ConfigError("norm_type is 'GN', but the encoder of a vector has LN; leave it out")
        if spec.is_image and self.image_channel not in (None, spec.observation_shape[0]):
            raise ConfigError(
                f"image_channel is {self.image_channel}, but observation_shape is {spec.observation_shape}; "
                "leave it out"
            )


def _within(bounds: tuple[int, int] | None, size: int) -> int:
    return size if bounds is None else min(max(size, bounds[0]), bounds[1])
