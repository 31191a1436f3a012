"""The rings that rows are written into, one ring per environment and field, and what kind of row each slot holds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int8, Int64, Shaped

from kvzero.replay.row_spec import RowSpec

__all__ = ["NOTHING", "STEP", "TERMINATED", "TRUNCATED", "Rows", "allocate_rows"]

NOTHING, STEP, TRUNCATED, TERMINATED = range(4)
"""Kinds of row: not written yet; an observation and what was done there; the observation an episode ended with."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rings of rows; an episode of T steps takes T + 1 rows, the last one an end row with the final observation.

    Row `n` of an environment (counted from 0 over the whole run) lies in slot `n % rows_per_env`.
    """

    spec: RowSpec
    fields: Mapping[str, Shaped[np.ndarray, "env slot ..."]]
    kinds: Int8[np.ndarray, "env slot"]
    num_written: Int64[np.ndarray, " env"]

    @property
    def rows_per_env(self) -> int:
        """Slots of one ring."""
        return int(self.kinds.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(ring.nbytes for ring in self.rings().values()) + self.num_written.nbytes

    def rings(self) -> dict[str, Shaped[np.ndarray, "env slot ..."]]:
        """Return all that is kept of a row by its name in checkpoints: its fields and its kind; not copies."""
        return {**self.fields, "kinds": self.kinds}

    def append_steps(self, envs: Int[np.ndarray, " env"], fields: Mapping[str, np.ndarray]) -> None:
        """Write one step to each of these rings, over the oldest row where the ring is full."""
        self._append(envs, fields, kinds=STEP)

    def append_ends(
        self,
        envs: Int[np.ndarray, " end"],
        final_observations: Shaped[np.ndarray, "end *obs"],
        *,
        kinds: Int[np.ndarray, " end"],
    ) -> None:
        """Write an end row to each of these rings."""
        self._append(envs, {**self._blanks(), "observations": final_observations}, kinds=kinds)

    def newest_slots(self) -> Int64[np.ndarray, " env"]:
        """Return the slot of each ring's newest row; where nothing is written, a slot that holds nothing."""
        return (self.num_written - 1) % self.rows_per_env

    def num_newer(self, envs: Int[np.ndarray, "*#row"], slots: Int[np.ndarray, "*#row"]) -> Int64[np.ndarray, "*row"]:
        """Return how many rows were written to their rings after those in these slots."""
        num_newer: Int64[np.ndarray, "*row"] = (self.newest_slots()[envs] - slots) % self.rows_per_env
        return num_newer

    def by_place(self, name: str) -> Shaped[np.ndarray, "place ..."]:
        """Return a field of all rows by their places, `env * rows_per_env + slot`; not a copy."""
        ring = self.fields[name]
        return ring.reshape(-1, *ring.shape[2:])

    def is_start(self) -> Bool[np.ndarray, "env slot"]:
        """Tell which rows a segment may start at: steps whose next observation has come."""
        is_start: Bool[np.ndarray, "env slot"] = self.kinds == STEP
        is_start[np.arange(len(is_start)), self.newest_slots()] = False
        return is_start

    def is_running(self, envs: Int[np.ndarray, " env"]) -> Bool[np.ndarray, " env"]:
        """Tell which of these environments are in the middle of an episode."""
        is_running: Bool[np.ndarray, " env"] = self.kinds[envs, self.newest_slots()[envs]] == STEP
        return is_running

    def end_running(self) -> None:
        """Turn the newest row of each running episode into a truncated end row: its next observation never comes."""
        slots = self.newest_slots()
        running = np.flatnonzero(self.is_running(np.arange(len(slots))))
        place = running, slots[running]
        self.kinds[place] = TRUNCATED
        for name, blank in self._blanks().items():
            self.fields[name][place] = blank

    def _append(
        self, envs: Int[np.ndarray, " batch"], fields: Mapping[str, np.ndarray | int], *, kinds: np.ndarray | int
    ) -> None:
        place = envs, self.num_written[envs] % self.rows_per_env
        for name, ring in self.fields.items():
            ring[place] = fields[name]
        self.kinds[place] = kinds
        self.num_written[envs] += 1

    def _blanks(self) -> dict[str, int]:
        """Return what an end row holds where a step has its action and what came of it."""
        return {name: field.blank for name, field in self.spec.items() if field.blank is not None}


def allocate_rows(spec: RowSpec, *, num_envs: int, rows_per_env: int) -> Rows:
    """Return empty rings; the system hands out their memory as they fill."""
    shape = (num_envs, rows_per_env)
    return Rows(
        spec=spec,
        fields={name: np.zeros((*shape, *field.shape), field.dtype) for name, field in spec.items()},
        kinds=np.zeros(shape, np.int8),
        num_written=np.zeros(num_envs, np.int64),
    )
