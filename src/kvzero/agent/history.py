"""The raw past of every environment, from which its root can be rebuilt after the weights change."""

import numpy as np
from jaxtyping import Bool, Int, Shaped

from kvzero.cache import KEY_BYTES, digest_history, digest_rows
from kvzero.engines import Past
from kvzero.errors import CheckpointError
from kvzero.records import EnvSpec

__all__ = ["History"]


class History:
    """The newest observations of every environment and the actions taken between them.

    Observation `t` of an episode lives in place `t mod size`, beside the action that followed it.
    """

    def __init__(self, spec: EnvSpec, *, num_envs: int, num_steps: int) -> None:
        """Make room for the newest observation and `num_steps` before it."""
        self._size = num_steps + 1
        self._observations = np.zeros((num_envs, self._size, *spec.observation_shape), spec.observation_dtype)
        self._actions = spec.blank_actions(num_envs, self._size)
        self._counts = np.zeros(num_envs, np.int64)
        self._digests = np.zeros(
            (num_envs, self._size, KEY_BYTES), np.uint8
        )  # of observations, once they are asked for
        self._is_digested = np.zeros((num_envs, self._size), np.bool_)

    def reset(self, envs: Int[np.ndarray, " env"]) -> None:
        """Forget the episodes of these environments."""
        self._counts[envs] = 0

    def append(
        self,
        envs: Int[np.ndarray, " env"],
        actions: Shaped[np.ndarray, "env *action"],
        observations: Shaped[np.ndarray, "env ..."],
    ) -> None:
        """Add the action that was taken, where an episode is under way, and the observation seen after it."""
        counts = self._counts[envs]
        self._actions[envs, (counts - 1) % self._size] = actions
        self._observations[envs, counts % self._size] = observations
        self._is_digested[envs, counts % self._size] = False
        self._counts[envs] = counts + 1

    def read(self, envs: Int[np.ndarray, " env"]) -> Past:
        """Return the newest steps of these environments, no more than the longest of them holds, and at least one."""
        counts = self._counts[envs]
        depth = min(max(1, int(counts.max())), self._size)
        times = counts[:, None] + np.arange(-depth, 0)
        places = times % self._size
        return Past(
            self._observations[envs[:, None], places],
            self._actions[envs[:, None], places[:, :-1]],
            times >= 0,
        )

    def refuse_short(self, past: Past, counts: Int[np.ndarray, " env"]) -> None:
        """Refuse to load what holds fewer observations than there is room for and have been.

        Raises:
            CheckpointError: if it does.
        """
        wanted, depth = np.minimum(counts, self._size), past.is_valid.shape[1]
        if (wanted > depth).any():
            raise CheckpointError(
                f"histories hold {depth} observations, and to rebuild contexts exactly takes {wanted.max()} here: they "
                "were saved by an agent with a shorter context"
            )

    def load(self, past: Past, counts: Int[np.ndarray, " env"]) -> None:
        """Hold, in place of all episodes, some that have had `counts` observations, of which `past` holds the newest.

        Raises:
            CheckpointError: if these are too few. Nothing has changed then.
        """
        self.refuse_short(past, counts)
        depth = past.is_valid.shape[1]
        envs, columns = np.nonzero(past.is_valid & (np.arange(-depth, 0) >= -self._size))
        places = (counts[envs] - depth + columns) % self._size
        self._observations[envs, places] = past.observations[envs, columns]
        is_followed = columns < depth - 1
        envs, columns, places = envs[is_followed], columns[is_followed], places[is_followed]
        self._actions[envs, places] = past.actions[envs, columns]
        self._is_digested[:] = False
        self._counts[:] = counts

    def digests(self, envs: Int[np.ndarray, " env"], action_masks: Bool[np.ndarray, "env action"]) -> list[bytes]:
        """Return for each environment a digest of all that a search below its root depends on beside the weights.

        Each must have been observed. Of each observation a digest is taken once.
        """
        return [self._digest(env, legal) for env, legal in zip(envs.tolist(), action_masks, strict=True)]

    def _digest(self, env: int, legal: Bool[np.ndarray, " action"]) -> bytes:
        count = int(self._counts[env])
        first = max(0, count - self._size)
        places = np.arange(first, count) % self._size
        new = places[~self._is_digested[env, places]]
        for place, digest in zip(new.tolist(), digest_rows(self._observations[env, new]), strict=True):
            self._digests[env, place] = np.frombuffer(digest, np.uint8)
        self._is_digested[env, new] = True
        seen = [digest.tobytes() for digest in self._digests[env, places]]
        return digest_history(first_token=2 * first, seen=seen, actions=self._actions[env, places[:-1]], legal=legal)

    def counts(self, envs: Int[np.ndarray, " env"]) -> Int[np.ndarray, " env"]:
        """Return how many observations the current episode of each environment has had."""
        counts: Int[np.ndarray, " env"] = self._counts[envs]
        return counts
