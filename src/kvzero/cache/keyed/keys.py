"""The keys that contexts are found by: a hash of a latent, or of everything that led to it."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from struct import Struct
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.cache.pools import KeyMode

__all__ = ["NO_ACTION", "Keys", "LatentKeys", "PathKeys", "hash_state", "make_keys", "number_actions", "start_key"]

NO_ACTION = -1
_LINK = Struct("<Qq")
_START = Struct("<qq")


@runtime_checkable  # the shape checks of the test session ask isinstance
class Keys(Protocol):
    """Makes the keys of contexts: 64-bit hashes, the same in every process."""

    def begin(
        self, envs: Sequence[int], weights: Callable[[], bytes], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Return the keys of roots whose past is not chained: first observations, and roots that were rebuilt.

        `weights` returns the digest of the weights that make the contexts, which takes long to compute.
        """

    def follow(
        self, parents: Sequence[int], actions: Sequence[int], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Return the keys of contexts that are one step longer than those of `parents`."""


class PathKeys:
    """Chains: a key is the hash of its parent's key, the action and the latent.

    A chain starts from environment, digest of the weights and a running number. So no two episodes or environments of
    one `PathKeys` share a key, and no two networks with other weights do, not even in two processes. From a root only
    one action is taken, and the store is not told which: -1 stands for it. Two of `n` keys agree by chance with a
    probability of about `n^2 / 2^65`.
    """

    def __init__(self) -> None:
        self._num_starts = 0

    def begin(
        self, envs: Sequence[int], weights: Callable[[], bytes], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Start a chain for each environment."""
        digest = weights()
        starts = [start_key(env, digest, self._num_starts + row) for row, env in enumerate(envs)]
        self._num_starts += len(starts)
        return self.follow(starts, [NO_ACTION] * len(starts), latents)

    def follow(
        self, parents: Sequence[int], actions: Sequence[int], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Add a link to each chain."""
        rows = _raw_rows(latents)
        return [
            _hash(_LINK.pack(parent, action) + row) for parent, action, row in zip(parents, actions, rows, strict=True)
        ]


class LatentKeys:
    """Hashes of the newest latent alone, as the predecessors had: two histories that end in one latent collide."""

    def begin(
        self, envs: Sequence[int], weights: Callable[[], bytes], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Hash each latent."""
        del envs, weights
        return [_hash(row) for row in _raw_rows(latents)]

    def follow(
        self, parents: Sequence[int], actions: Sequence[int], latents: Float[Tensor, "batch embed"]
    ) -> list[int]:
        """Hash each latent."""
        del parents, actions
        return [_hash(row) for row in _raw_rows(latents)]


def number_actions(actions: Shaped[Tensor, "batch *action"]) -> list[int]:
    """Return the numbers of actions, or of vectors a hash of their bits."""
    if actions.ndim == 1:
        numbers: list[int] = actions.tolist()
        return numbers
    return [_hash(row) >> 1 for row in _raw_rows(actions)]  # links are signed


def hash_state(latent: Float[Tensor, " embed"]) -> int:
    """Return the 64-bit hash of a latent's bytes: equal for equal bits only, and the same in every process."""
    return _hash(_raw_rows(latent[None])[0])


def start_key(env: int, weights: bytes, number: int) -> int:
    """Return what a chain of path keys starts from; `weights` is a digest, `number` tells chains apart beyond that."""
    return _hash(_START.pack(env, number) + weights)


def make_keys(mode: KeyMode) -> Keys:
    """Return what makes the keys of a mode."""
    return PathKeys() if mode == "path" else LatentKeys()


def _hash(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def _raw_rows(latents: Float[Tensor, "batch embed"]) -> list[bytes]:
    raw = latents.detach().contiguous().view(torch.uint8).cpu().numpy()
    return [row.tobytes() for row in raw]
