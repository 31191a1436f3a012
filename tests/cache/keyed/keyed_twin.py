"""Keyed stores with a fake model, whose tokens can be made anew because each latent says which they were."""

from dataclasses import dataclass, field

import numpy as np
import torch
from tests.cache.twin import LAYOUT, NUM_ENVS, NUM_SIMULATIONS, Mill
from torch import Tensor

from kvzero.cache import (
    CacheConfig,
    ContextLayout,
    KeyedParts,
    KeyedStore,
    KVCacheManager,
    LegacyCaches,
    LegacyLevels,
    ManagerSettings,
    PooledLevels,
    Window,
    make_keys,
)


def pair_of(latents: Tensor, layout: ContextLayout) -> Tensor:
    """Return the keys and values of the two tokens that a latent stands for."""
    shape = (2, *layout.token_shape)
    numbers = latents[:, :1] + torch.arange(int(np.prod(shape))).float()
    return numbers.view(-1, *shape)


@dataclass
class FakeModel:
    """Makes tokens anew, and remembers what it was asked."""

    layout: ContextLayout = LAYOUT
    lengths: list[list[int]] = field(default_factory=list)

    def regenerate(self, window: Window, *, actions: Tensor, latents: Tensor, lengths: np.ndarray) -> None:
        assert len(actions) == len(lengths) == len(latents)
        self.lengths.append(lengths.tolist())
        window.keys_values[:, -2:] = pair_of(latents, self.layout)
        if window.tokens is not None:
            fill_sliding(window, latents)


def fill_sliding(window: Window, latents: Tensor) -> None:
    """Write raw tokens into the last two places and slide, as the model does where positions are learned."""
    window.tokens[:, -2:] = latents[:, None]
    is_full = window.is_valid.sum(1) >= window.is_valid.shape[1] - 3
    for row in torch.nonzero(is_full)[:, 0].tolist():
        window.is_valid[row, :5] = False


class KeyedMill(Mill):
    """A mill whose latents say which tokens belong to them."""

    def latents(self, batch: int) -> Tensor:
        """Return latents that stand for the pairs of tokens made last."""
        size = 2 * int(np.prod(self.layout.token_shape))
        first = self.made - size * torch.arange(batch, 0, -1).float()
        return first[:, None].expand(batch, self.layout.embed_dim).contiguous()


def keyed_store(
    kind: str,
    cache: CacheConfig | None = None,
    *,
    layout: ContextLayout = LAYOUT,
    num_envs: int = NUM_ENVS,
    model: FakeModel | None = None,
) -> KeyedStore:
    cache = cache or CacheConfig()
    settings = ManagerSettings(layout=layout, num_simulations=NUM_SIMULATIONS, cache=cache)
    if kind == "pooled":
        levels = PooledLevels(KVCacheManager(settings, num_envs, cache.pool_stats))
    else:
        levels = LegacyLevels(LegacyCaches(settings, num_envs))
    parts = KeyedParts(
        layout=layout,
        levels=levels,
        keys=make_keys(cache.key_mode),
        weights=lambda: b"weights",
        regenerator=model or FakeModel(layout),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    return KeyedStore(parts, num_envs=num_envs)
