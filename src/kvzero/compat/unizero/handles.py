"""What the contexts of a `WorldModel` are found by: as roots, as nodes of the search, or by a latent alone."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from kvzero.cache import NO_ACTION, Keys, hash_state, start_key
from kvzero.compat.unizero.inference import ROOT
from kvzero.compat.unizero.padded_contexts import NO_TOKENS, ContextRows, Handle
from kvzero.errors import ConfigError, StaleContextError

__all__ = ["Handles"]


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
        found = {
            handle.key: handle
            for seen in (self._seen_roots, self._seen_nodes)
            for handle in seen.find(env, alone.latent)
        }
        if len(found) > 1:
            self._unused_action -= 1
            [key] = self.keys.follow([alone.key], [self._unused_action], latent[None])
            return alone._replace(key=key)
        handle = next(iter(found.values()), alone)
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
    """All handles that contexts ending with a latent have had, those of evicted contexts included.

    Who forgot an evicted one could take another context with the same latent for it.
    """

    def __init__(self) -> None:
        self._handles: dict[int, dict[int, dict[int, Handle]]] = {}  # by environment, latent and key

    def add(self, env: int, handle: Handle) -> None:
        """Know one more."""
        self._handles.setdefault(env, {}).setdefault(handle.latent, {})[handle.key] = handle

    def find(self, env: int, latent: int) -> list[Handle]:
        """Return those of an environment that end with a latent."""
        return list(self._handles.get(env, {}).get(latent, {}).values())

    def discard(self, env: int) -> None:
        """Forget those of an environment."""
        self._handles.pop(env, None)

    def clear(self) -> None:
        """Forget all."""
        self._handles.clear()
