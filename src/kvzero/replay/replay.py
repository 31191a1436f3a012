"""The replay itself: takes in steps, hands out windows, goes into checkpoints."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from kvzero.errors import CheckpointError, ConfigError, EmptyReplayError
from kvzero.records import EnvSpec
from kvzero.replay.config import ReplayConfig
from kvzero.replay.intake import checked
from kvzero.replay.rows import BLANK, STEP, TERMINATED, TRUNCATED, allocate_rows
from kvzero.replay.sampler import Sampler, UniformSampler
from kvzero.replay.segments import Segments, cut_segments
from kvzero.replay.snapshot import load_rows, save_rows

__all__ = ["Replay"]


class Replay:
    """Remembers the newest steps of every environment, each observation once, and samples windows of them.

    Each environment has a ring of `replay_capacity // num_envs` rows. A step takes one row, an episode's end one more,
    for the observation that it ended with.

    Args:
        config: how much to keep.
        spec: what one observation is and how many actions there are.
        num_envs: environments that are stepped together.
        seed: of the draws.
        num_sampled_actions: actions that each policy is over, where actions are continuous.
        sampler: chooses where windows start; uniform by default.

    Raises:
        ConfigError: if the capacity gives an environment fewer than two rows, or `num_sampled_actions` does not fit.
    """

    def __init__(
        self,
        config: ReplayConfig,
        spec: EnvSpec,
        *,
        num_envs: int,
        seed: int,
        num_sampled_actions: int = 0,
        sampler: Sampler | None = None,
    ) -> None:
        if spec.is_continuous != (num_sampled_actions > 0):
            raise ConfigError(
                f"num_sampled_actions is {num_sampled_actions}; give the number of sampled actions where actions are "
                "continuous, and none where they are numbered"
            )
        self._rows = allocate_rows(
            spec,
            num_envs=num_envs,
            rows_per_env=config.rows_per_env(num_envs),
            num_choices=num_sampled_actions or spec.num_actions,
        )
        self._rng = np.random.default_rng(seed)
        self._sampler = UniformSampler() if sampler is None else sampler

    def __len__(self) -> int:
        """Return the number of steps held, over all environments; end rows do not count."""
        return int(np.count_nonzero(self._rows.kinds == STEP))

    @property
    def nbytes(self) -> int:
        """Bytes set aside for all rows; the system hands them out as the replay fills."""
        return self._rows.nbytes

    @property
    def has_starts(self) -> bool:
        """Whether a window can start anywhere, and `sample` gives one."""
        return bool(self._rows.is_start().any())

    def add(  # noqa: PLR0913  # one for each ring
        self,
        *,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        policies: np.ndarray,
        root_values: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        final_observations: np.ndarray,
        action_sets: np.ndarray | None = None,
    ) -> None:
        """Store one step of all environments.

        Shapes and types are checked here, in production too, since they come from the user's environment; any width of
        integer or float will do.

        Args:
            observations: uint8 or float32 [env, *obs], what was acted on.
            actions: integers [env], what was done; floats [env, dim] from -1 to 1 where actions are continuous.
            rewards: floats [env], what that earned, as trained on.
            policies: floats [env, action], share of the search's visits.
            root_values: floats [env], the search's mean value.
            terminated: bool [env], whether the step ended its episode for good; wins over `truncated`.
            truncated: bool [env], whether the step was the last for another reason.
            final_observations: like `observations`, what the step led to; kept where the episode ended.
            action_sets: floats [env, action, dim], what `policies` are over; only where actions are continuous.

        Raises:
            EnvError: if an array has the wrong shape or type, holds NaN or infinity, or an action out of range; the
                replay is unchanged then.
        """
        step = {
            "observations": observations,
            "actions": actions,
            "rewards": rewards,
            "policies": policies,
            "root_values": root_values,
            "terminated": terminated,
            "truncated": truncated,
            "final_observations": final_observations,
        }
        if self._rows.action_sets is not None:
            step["action_sets"] = np.empty(0) if action_sets is None else action_sets
        step = checked(step, self._rows)
        self._rows.append(np.arange(len(step["actions"])), {**step, "kinds": STEP})
        ended = np.flatnonzero(terminated | truncated)
        kinds = np.where(terminated[ended], TERMINATED, TRUNCATED)
        self._rows.append(ended, {**BLANK, "observations": step["final_observations"][ended], "kinds": kinds})

    def end_running_episodes(self) -> None:
        """Make the newest row of each running episode its truncated end.

        For a resumed run, whose environments start anew: the observation after that row will never come.
        """
        self._rows.end_running()

    def sample(self, batch_size: int, *, num_steps: int) -> Segments:
        """Draw windows of `num_steps + 1` rows, with replacement.

        A window starts at any step whose next observation is known, and ends with its episode; the newest row of a
        running episode ends a window as a truncation does.

        Raises:
            EmptyReplayError: if no window can start anywhere.
        """
        is_start = self._rows.is_start().reshape(-1)
        if not is_start.any():
            raise EmptyReplayError(
                f"the replay holds {len(self)} steps, none with a next observation yet; collect before sampling"
            )
        draw = self._sampler.draw(is_start, batch_size, self._rng)
        return cut_segments(self._rows, draw, num_steps=num_steps, rng=self._rng)

    def update_priorities(self, indices: Int64[np.ndarray, " batch"], priorities: Float[np.ndarray, " batch"]) -> None:
        """Tell the sampler the new priorities of windows sampled before; uniform sampling has no use for them."""
        self._sampler.update(indices, priorities)

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return the written part of the replay, by name, for a checkpoint.

        The arrays are views that the next `add` writes into.
        """
        return save_rows(self._rows)

    def load_state_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Replace all rows by those of a checkpoint.

        Raises:
            CheckpointError: if they are of another environment, capacity or number of environments; the replay is
                unchanged then.
        """
        load_rows(self._rows, arrays)

    def rng_state(self) -> dict[str, Any]:
        """Return the state of the draws, which survives JSON."""
        return dict(self._rng.bit_generator.state)

    def load_rng_state(self, state: Mapping[str, Any]) -> None:
        """Continue the draws where `rng_state` was taken.

        Raises:
            CheckpointError: if this is no such state.
        """
        try:
            self._rng.bit_generator.state = dict(state)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"the saved random state of the replay cannot be read: {error!r}") from error
