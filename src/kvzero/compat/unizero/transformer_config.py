"""The knobs of a `WorldModel`, under the names that users of UniZero's own code know."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from kvzero.cache import CacheConfig, ContextLayout, EvictionName, KeyMode
from kvzero.checks import read_fields
from kvzero.errors import ConfigError
from kvzero.model import DEFAULT_MAX_TOKENS, LOSS_WEIGHTS, SIMNORM_GROUP, LatentLoss, ModelConfig, WindowSlide
from kvzero.records import EnvSpec

__all__ = ["TransformerConfig"]

NO_DROPOUT = "cached keys must be what an uncached pass gives, and dropout would draw each pass anew"
NO_DECODER = "the world model predicts latents and has no decoder to reconstruct observations with"
NO_ANALYSIS = "kvzero does not analyse dormant neurons"
ONLY_VALUES: dict[str, tuple[Any, str]] = {
    "tokens_per_block": (2, "a step is one latent and one action token"),
    "attention": ("causal", "a token attends to itself and the tokens before it, one by one"),
    "embed_pdrop": (0.0, NO_DROPOUT),
    "resid_pdrop": (0.0, NO_DROPOUT),
    "attn_pdrop": (0.0, NO_DROPOUT),
    "task_embed_option": (None, "a world model has one task"),
    "continuous_action_space": (False, "contexts are reached by discrete actions here"),
    "group_size": (SIMNORM_GROUP, f"SimNorm has groups of {SIMNORM_GROUP}"),
    "dormant_threshold": (0.01, NO_ANALYSIS),
    "analysis_dormant_ratio_weight_rank": (False, NO_ANALYSIS),
    "latent_recon_loss_weight": (0.0, NO_DECODER),
    "perceptual_loss_weight": (0.0, NO_DECODER),
}
"""Settings that can have one value only, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """Sizes, caches and losses of a `WorldModel`, in the vocabulary of the system that it takes the place of.

    Every name does something or is refused, with the reason, when it asks for what would have no effect.
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
    """Dropout of embeddings; always 0, so that cached predictions are exact."""

    resid_pdrop: float = 0.0
    """Dropout of residual branches; always 0."""

    attn_pdrop: float = 0.0
    """Dropout of attention weights; always 0."""

    task_embed_option: str | None = None
    """How a task is told to the model; always None, there is one task."""

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
    """Numbers per group of SimNorm; always 8."""

    norm_type: Literal["LN", "GN"] | None = None
    """Norm inside the encoder; layer norm (LN) for vectors, group norm (GN) for images, and held against that where
    given. Batch norm would make a latent depend on the others of its batch."""

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
    """Threshold of an analysis that kvzero does not have; cannot be changed."""

    analysis_dormant_ratio_weight_rank: bool = False
    """Whether that analysis is made; always False."""

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

    def __post_init__(self) -> None:
        read_fields(self)
        for name, (only, reason) in ONLY_VALUES.items():
            if getattr(self, name) != only:
                raise ConfigError(f"{name} is {getattr(self, name)!r}, but can only be {only!r}: {reason}")
        for name in (
            "max_blocks",
            "env_num",
            "game_segment_length",
            "num_simulations",
            "max_cache_size",
            "action_space_size",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1")
        self._check_observations()
        self._check_losses()
        self._check_context()
        if self.eviction != "fifo" and not self.use_new_cache_manager:
            raise ConfigError(
                f"eviction is {self.eviction}, which has no effect on the older caches, where the oldest always goes; "
                "set use_new_cache_manager=True"
            )
        _ = self.model, self.cache

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
            latent_norm="simnorm" if self.predict_latent_loss_type == "group_kl" else "layernorm",
            positions="rotary" if self.rotary_emb else "learned",
            max_tokens=DEFAULT_MAX_TOKENS if self.rotary_emb else self.max_tokens,
            window=self.window,
        )

    @property
    def layout(self) -> ContextLayout:
        """Sizes of one context."""
        return self.model.layout

    @property
    def init_pool_size(self) -> int:
        """Root contexts kept per environment."""
        return min(self.game_segment_length, self.max_cache_size)

    @property
    def recur_pool_size(self) -> int:
        """Contexts of search nodes kept for all environments together."""
        return min(self.num_simulations * self.env_num, self.max_cache_size)

    @property
    def cache(self) -> CacheConfig:
        """Sizes, keys and eviction of the caches."""
        return CacheConfig(
            init_pool_size=self.init_pool_size,
            recur_pool_size=self.recur_pool_size,
            eviction=self.eviction,
            key_mode=self.key_mode,
        )

    def _check_observations(self) -> None:
        spec = self.spec
        kind, norm = ("image", "GN") if spec.is_image else ("vector", "LN")
        if self.obs_type != kind:
            raise ConfigError(
                f"obs_type is {self.obs_type!r}, but observation_shape {spec.observation_shape} is that of a {kind}; "
                "kvzero reads image and vector, and the two settings must agree"
            )
        if self.norm_type not in (None, norm):
            raise ConfigError(
                f"norm_type is {self.norm_type!r}, but the encoder of a {kind} has {norm}; leave it out. A norm over "
                "the batch (BN) would make a latent depend on the others of its batch, and no cache could be exact"
            )
        channels = spec.observation_shape[0] if spec.is_image else None
        if self.image_channel not in (None, channels):
            raise ConfigError(
                f"image_channel is {self.image_channel}, but observation_shape is {spec.observation_shape}; "
                "leave it out"
            )

    def _check_losses(self) -> None:
        if self.predict_latent_loss_type not in ("group_kl", "mse", "smooth_l1"):
            raise ConfigError(
                f"predict_latent_loss_type is {self.predict_latent_loss_type!r}; choose group_kl, mse or smooth_l1"
            )
        if not 0 < self.gamma <= 1:
            raise ConfigError(f"gamma is {self.gamma}; give a factor above 0 and up to 1")
        if not 0 <= self.policy_entropy_weight < float("inf"):
            raise ConfigError(f"policy_entropy_weight is {self.policy_entropy_weight}; give 0 or more")
