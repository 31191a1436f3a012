"""What a row of the replay holds, and the rings that rows are written into, one ring per environment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, Int8, Int64, Shaped

from kvzero.records import EnvSpec

__all__ = ["BLANK", "NOTHING", "STEP", "TERMINATED", "TRUNCATED", "Rows", "allocate_rows"]

NOTHING, STEP, TRUNCATED, TERMINATED = range(4)
"""Kinds of row: not written yet; an observation and what was done there; the observation an episode ended with."""

BLANK: Mapping[str, int] = {"actions": 0, "rewards": 0, "policies": 0, "root_values": 0, "action_sets": 0}
"""What an end row holds where a step has its action and what came of it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rings of rows; an episode of T steps takes T + 1 rows, the last one an end row with the final observation.

    Row `n` of an environment (counted from 0 over the whole run) lies in slot `n % rows_per_env`.
    """

    observations: Shaped[np.ndarray, "env slot *obs"]
    actions: Shaped[np.ndarray, "env slot *dim"]
    rewards: Float32[np.ndarray, "env slot"]
    policies: Float32[np.ndarray, "env slot action"]
    action_sets: Float32[np.ndarray, "env slot action *dim"] | None
    root_values: Float32[np.ndarray, "env slot"]
    kinds: Int8[np.ndarray, "env slot"]
    num_written: Int64[np.ndarray, " env"]

    @property
    def rows_per_env(self) -> int:
        """Slots of one ring."""
        return int(self.kinds.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.rings().values()) + self.num_written.nbytes

    def rings(self) -> dict[str, Shaped[np.ndarray, "env slot ..."]]:
        """Return the array of each field of a row, by name; not copies."""
        rings = {
            "observations": self.observations,
            "actions": self.actions,
            "rewards": self.rewards,
            "policies": self.policies,
            "root_values": self.root_values,
            "kinds": self.kinds,
        }
        return rings if self.action_sets is None else {**rings, "action_sets": self.action_sets}

    def append(self, envs: Int[np.ndarray, " batch"], values: Mapping[str, np.ndarray | int]) -> None:
        """Write one row to each of these rings, over the oldest one where the ring is full."""
        slots = self.num_written[envs] % self.rows_per_env
        for name, ring in self.rings().items():
            ring[envs, slots] = values[name]
        self.num_written[envs] += 1

    def newest_slots(self) -> Int64[np.ndarray, " env"]:
        """Return the slot of each ring's newest row; where nothing is written, a slot that holds nothing."""
        return (self.num_written - 1) % self.rows_per_env

    def is_start(self) -> Bool[np.ndarray, "env slot"]:
        """Tell which rows a window may start at: steps whose next observation has come."""
        is_start: Bool[np.ndarray, "env slot"] = self.kinds == STEP
        is_start[np.arange(len(is_start)), self.newest_slots()] = False
        return is_start

    def end_running(self) -> None:
        """Turn the newest row of each running episode into a truncated end row: its next observation never comes."""
        slots = self.newest_slots()
        running = np.flatnonzero(self.kinds[np.arange(len(slots)), slots] == STEP)
        place = running, slots[running]
        self.kinds[place] = TRUNCATED
        for name, ring in self.rings().items():
            if name in BLANK:
                ring[place] = BLANK[name]


def allocate_rows(spec: EnvSpec, *, num_envs: int, rows_per_env: int, num_choices: int) -> Rows:
    """Return empty rings, for policies over `num_choices` actions; the system hands out their memory as they fill."""
    shape = (num_envs, rows_per_env)
    choices = (*shape, num_choices)
    return Rows(
        observations=np.zeros((*shape, *spec.observation_shape), np.uint8 if spec.is_image else np.float32),
        actions=spec.blank_actions(*shape).astype(np.float32 if spec.is_continuous else np.int32),
        rewards=np.zeros(shape, np.float32),
        policies=np.zeros(choices, np.float32),
        action_sets=np.zeros((*choices, spec.action_dim), np.float32) if spec.is_continuous else None,
        root_values=np.zeros(shape, np.float32),
        kinds=np.zeros(shape, np.int8),
        num_written=np.zeros(num_envs, np.int64),
    )
