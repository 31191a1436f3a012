"""What the contexts of a `WorldModel` are found by: as roots, as nodes of the search, or by a latent alone."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from kvzero.cache import NO_ACTION, Keys, hash_state, start_key
from kvzero.compat.unizero.inference import ROOT
from kvzero.compat.unizero.padded_contexts import NO_TOKENS, ContextRows, Handle
from kvzero.errors import ConfigError, StaleContextError

__all__ = ["Handles"]

KEY_BITS = 64
SEVERAL = -1
"""The mark of a latent that contexts with different keys have ended with."""


class Handles:
    """The handles of every environment's contexts."""

    def __init__(self, keys: Keys, *, is_sliding: bool) -> None:
        """Know none; positions that slide do not count the steps of an episode."""
        self.keys = keys
        self._is_sliding = is_sliding
        self._roots: dict[int, Handle] = {}
        self._nodes: dict[tuple[int, int], Handle] = {}  # by environment and node
        self._seen_roots = _ByLatent()
        self._seen_nodes = _ByLatent()
        self._unused_action = NO_ACTION  # a number that stands for no action; each is used once

    def root(self, env: int) -> Handle | None:
        """Return the handle of an environment's newest root, if there is one."""
        return self._roots.get(env)

    def remember(self, rows: ContextRows, *, node: int) -> None:
        """Know what these contexts are found by from now on."""
        for env, handle in zip(rows.envs, rows.handles, strict=True):
            if node == ROOT:
                self._roots[env] = handle
                self._seen_roots.add(env, handle)
            else:
                self._nodes[env, node] = handle
                self._seen_nodes.add(env, handle)

    def forget_latents(self) -> None:
        """Forget by which latents contexts could be found, because none is held any more."""
        self._seen_roots.clear()
        self._seen_nodes.clear()

    def forget_nodes(self) -> None:
        """Forget the nodes of the search before."""
        self._nodes.clear()
        self._seen_nodes.clear()

    def forget(self) -> None:
        """Forget everything."""
        self._roots.clear()
        self._seen_roots.clear()
        self.forget_nodes()

    def forget_env(self, env: int) -> None:
        """Forget the episode of one environment and the nodes below its root."""
        self._roots.pop(env, None)
        self._nodes = {place: handle for place, handle in self._nodes.items() if place[0] != env}
        self._seen_roots.discard(env)
        self._seen_nodes.discard(env)

    def start(self, env: int, digest: bytes, step: int) -> Handle:
        """Return the handle that an episode's first latent follows."""
        step = 0 if self._is_sliding else step
        return Handle(start_key(env, digest, step), 2 * step + NO_TOKENS, 0)

    def alone(self, starts: Sequence[Handle], latents: Float[Tensor, "batch embed"]) -> list[Handle]:
        """Return what latents without any past are found by."""
        keys = self.keys.follow([start.key for start in starts], [NO_ACTION] * len(starts), latents)
        return [
            Handle(key, start.length + 2, hash_state(latent))
            for key, start, latent in zip(keys, starts, latents, strict=True)
        ]

    def of_latent(
        self, env: int, alone: Handle, latent: Float[Tensor, " embed"], *, is_held: Callable[[int, int], bool]
    ) -> Handle:
        """Return the handle of the one context of this environment that ends with a latent, where that is held.

        Otherwise it is the handle of the latent alone, so that what is made of that never passes for what was lost.
        Where several were known under different keys nobody can tell which is meant, and it is a handle that nothing
        was ever kept under.
        """
        marks = [seen.find(env, alone.latent) for seen in (self._seen_roots, self._seen_nodes)]
        known = [mark for mark in marks if mark is not None]
        if SEVERAL in known or len({_key_of(mark) for mark in known}) > 1:
            self._unused_action -= 1
            [key] = self.keys.follow([alone.key], [self._unused_action], latent[None])
            return alone._replace(key=key)
        handle = Handle(_key_of(known[-1]), _length_of(known[-1]), alone.latent) if known else alone
        return handle if is_held(env, handle.key) else alone

    def of_node(self, env: int, node: int, alone: Handle) -> Handle:
        """Return the handle of a node of the search in progress; a root that nobody has observed stands alone.

        Raises:
            StaleContextError: if the node is not of this search.
            ConfigError: if its latent is not the one of `alone`.
        """
        handle = self._roots.get(env, alone) if node == ROOT else self._nodes.get((env, node))
        if handle is None:
            raise StaleContextError(
                f"environment {env} has no node {node} in this search; node 0 is the root, and simulation s makes "
                "node s + 1"
            )
        if handle.latent != alone.latent:
            raise ConfigError(
                f"node {node} of environment {env} was continued with another latent than its own; give the "
                "latent_state that the inference which made it returned"
            )
        return handle


class _ByLatent:
    """What contexts ending with a latent have been found by, evicted ones included: one integer for each latent.

    Who forgot an evicted one could take another context with the same latent for it. So the memory grows with the
    distinct latents of an episode: by some 110 bytes each, and by nothing where a latent comes back.
    """

    def __init__(self) -> None:
        self._marks: dict[int, dict[int, int]] = {}  # by environment and latent

    def add(self, env: int, handle: Handle) -> None:
        """Know one more."""
        marks = self._marks.setdefault(env, {})
        known = marks.get(handle.latent)
        is_same = known is None or (known != SEVERAL and _key_of(known) == handle.key)
        marks[handle.latent] = _mark(handle) if is_same else SEVERAL

    def find(self, env: int, latent: int) -> int | None:
        """Return the mark of a latent: of its one handle, or `SEVERAL`; None if it has had none."""
        return self._marks.get(env, {}).get(latent)

    def discard(self, env: int) -> None:
        """Forget those of an environment."""
        self._marks.pop(env, None)

    def clear(self) -> None:
        """Forget all."""
        self._marks.clear()


def _mark(handle: Handle) -> int:
    """Return key and length in one integer, the smallest thing that Python keeps."""
    return handle.length << KEY_BITS | handle.key


def _key_of(mark: int) -> int:
    return mark & ((1 << KEY_BITS) - 1)


def _length_of(mark: int) -> int:
    return mark >> KEY_BITS
