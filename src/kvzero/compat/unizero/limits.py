"""Which values a setting of a `TransformerConfig` can have at all, and why no others."""

from collections.abc import Callable
from dataclasses import fields, replace
from math import inf
from typing import Any, NamedTuple

from kvzero.cache import CacheConfig
from kvzero.errors import ConfigError

__all__ = ["refuse_impossible"]

OF_CACHES = frozenset(field.name for field in fields(CacheConfig))
"""Settings that the caches have under the same name, and refuse themselves."""

NO_DECODER = "the world model predicts latents and has no decoder to reconstruct observations with"


class Limit(NamedTuple):
    """What a value must be."""

    allows: Callable[[Any], bool]
    """Whether a value can be had."""

    wanted: str
    """What to give instead, to be read after the name and the value."""


def refuse_impossible(name: str, value: Any) -> None:
    """Look at one setting by itself.

    Raises:
        ConfigError: if no model could have this value.
    """
    if name in OF_CACHES:
        replace(CacheConfig(), **{name: value})
    limit = LIMITS.get(name)
    if limit is not None and not limit.allows(value):
        raise ConfigError(f"{name} is {value!r}{limit.wanted}")


def _only(*, value: object, reason: str) -> Limit:
    return Limit(lambda given: bool(given == value), f", but can only be {value!r}: {reason}")


COUNT = Limit(lambda given: given >= 1, "; give at least 1")
SHARE = Limit(lambda given: 0 <= given < 1, "; give a share from 0 up to, but not including, 1")
NOT_NEGATIVE = Limit(lambda given: 0 <= given < inf, "; give 0 or more")

LIMITS: dict[str, Limit] = {
    "tokens_per_block": _only(value=2, reason="a step is one latent and one action token"),
    "max_blocks": COUNT,
    "attention": _only(value="causal", reason="a token attends to itself and the tokens before it, one by one"),
    "num_layers": COUNT,
    "num_heads": COUNT,
    "embed_dim": COUNT,
    "embed_pdrop": SHARE,
    "resid_pdrop": SHARE,
    "attn_pdrop": SHARE,
    "task_embed_option": Limit(lambda given: given in (None, "none"), "; give none: a world model has one task"),
    "env_num": COUNT,
    "game_segment_length": COUNT,
    "num_simulations": COUNT,
    "action_space_size": COUNT,
    "continuous_action_space": _only(value=False, reason="contexts are reached by discrete actions here"),
    "group_size": COUNT,
    "policy_entropy_weight": NOT_NEGATIVE,
    "gamma": Limit(lambda given: 0 < given <= 1, "; give a factor above 0 and up to 1"),
    "dormant_threshold": NOT_NEGATIVE,
    "latent_recon_loss_weight": _only(value=0.0, reason=NO_DECODER),
    "perceptual_loss_weight": _only(value=0.0, reason=NO_DECODER),
    "max_cache_size": COUNT,
}
"""By name of the setting; whether settings fit together is for `TransformerConfig.checked` to see."""
