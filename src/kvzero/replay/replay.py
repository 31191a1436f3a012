"""The replay itself: takes in steps, hands out segments, goes into checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from kvzero.errors import EmptyReplayError
from kvzero.records import load_rng_state, rng_state
from kvzero.replay.config import ReplayConfig
from kvzero.replay.intake import checked
from kvzero.replay.judging import Chunks, cut_chunks, find_oldest_judged
from kvzero.replay.row_spec import RowSpec
from kvzero.replay.rows import STEP, TERMINATED, TRUNCATED, allocate_rows
from kvzero.replay.samplers import make_sampler
from kvzero.replay.segments import Segments, cut_segments
from kvzero.replay.snapshot import SavedArray, load_rows, save_rows
from kvzero.replay.step_batch import StepBatch

__all__ = ["Replay"]


class Replay:
    """Remembers the newest steps of every environment, each observation once, and samples segments of them.

    Each environment has a ring of `replay_capacity // num_envs` rows. A step takes one row, an episode's end one more,
    for the observation that it ended with.

    Args:
        config: how much to keep, and how to draw.
        spec: what to keep of each step.
        num_envs: environments that are stepped together.
        seed: of the draws.

    Raises:
        ConfigError: if the capacity gives an environment fewer than two rows.
    """

    def __init__(self, config: ReplayConfig, spec: RowSpec, *, num_envs: int, seed: int) -> None:
        self._rows = allocate_rows(spec, num_envs=num_envs, rows_per_env=config.rows_per_env(num_envs))
        self._config = config
        self._sampler = make_sampler(config, self._rows)
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of steps held, over all environments; end rows do not count."""
        return int(np.count_nonzero(self._rows.kinds == STEP))

    @property
    def nbytes(self) -> int:
        """Bytes set aside for all rows; the system hands them out as the replay fills."""
        return self._rows.nbytes

    @property
    def has_starts(self) -> bool:
        """Whether a segment can start anywhere, and `sample` gives one."""
        return bool(self._rows.is_start().any())

    def add(self, batch: StepBatch, *, envs: Int[np.ndarray, " env"] | None = None) -> None:
        """Store one step of all environments, or of those with these numbers.

        Shapes and types are checked here, in production too, since they come from the user's environment; any width of
        integer or float will do.

        Raises:
            EnvError: if a field is missing or unknown, an array has the wrong shape or type, holds NaN or infinity, or
                a number out of bounds; the replay is unchanged then.
        """
        envs = np.arange(len(self._rows.kinds)) if envs is None else envs
        batch = checked(batch, self._rows.spec, num_envs=len(envs))
        self._rows.append_steps(envs, batch.fields)
        self._sampler.follow(envs)
        if len(ended := np.flatnonzero(batch.terminated | batch.truncated)):
            kinds = np.where(batch.terminated[ended], TERMINATED, TRUNCATED)
            self._append_ends(envs[ended], batch.final_observations[ended], kinds=kinds)

    def end_episodes(self, envs: Int[np.ndarray, " env"], final_observations: Shaped[np.ndarray, "env ..."]) -> None:
        """End the running episodes among those of these environments as truncated, where their newest step led."""
        if len(running := np.flatnonzero(self._rows.is_running(envs))):
            self._append_ends(envs[running], final_observations[running], kinds=np.full(len(running), TRUNCATED))

    def end_running_episodes(self) -> None:
        """Make the newest row of each running episode its truncated end.

        For a resumed run, whose environments start anew: the observation after that row will never come.
        """
        self._rows.end_running()

    def sample(self, batch_size: int, *, num_steps: int, progress: float = 1.0) -> Segments:
        """Draw segments of `num_steps + 1` rows with replacement, each start as the sampler would have it.

        A segment starts at any step whose next observation is known, and ends with its episode; the newest row of a
        running episode ends a segment as a truncation does. `progress` is the share of the run that is behind; the
        weights of prioritised draws follow it.

        Raises:
            EmptyReplayError: if no segment can start anywhere.
        """
        draw = self._sampler.draw(batch_size, progress=progress, rng=self._rng)
        if draw is None:
            raise EmptyReplayError(
                f"the replay holds {len(self)} steps, none with a next observation yet; collect before sampling"
            )
        return cut_segments(self._rows, draw, num_steps=num_steps, rng=self._rng)

    def prioritise(self, places: Int[np.ndarray, " batch"], errors: Float[np.ndarray, " batch"]) -> None:
        """Say how badly the values of segments that start at `places` were predicted.

        From the next `add` on, and not before, prioritised draws follow it; uniform ones never do.

        Raises:
            PriorityError: if draws follow errors, and one is NaN, infinite or negative; nothing is changed then.
        """
        self._sampler.prioritise(places, errors)

    def to_judge(self, num_rows: int, *, before: int, context_steps: int, rows_at_once: int) -> Iterator[Chunks]:
        """Yield the steps that were judged longest ago, to be searched again, at most `num_rows` and not all at once.

        Which they are is decided at the beginning: steps whose newest search is the oldest, of those made by weights of
        fewer than `before` updates. Nothing may be added before the iterator is exhausted. Only for rows that keep
        searches; where nothing is to be judged, nothing is yielded.

        Args:
            num_rows: the most steps that are judged.
            before: updates of the weights that would judge them now.
            context_steps: rows of its episode that a step is seen with, if there are as many.
            rows_at_once: steps that come together.
        """
        places = find_oldest_judged(self._rows, num_rows, before=before)
        return cut_chunks(self._rows, places, context_steps=context_steps, rows_at_once=rows_at_once)

    def judge(self, chunks: Chunks, fields: Mapping[str, Shaped[np.ndarray, "root ..."]]) -> int:
        """Write what a search found of the rows of `chunks`, in the order of their `places`; `judged_at` is one field.

        Left out are rows that others have been written over since, and those that weights of as many updates, or more,
        have judged; return how many are not.
        """
        envs, slots = np.divmod(chunks.places, self._rows.rows_per_env)
        is_held = chunks.numbers >= self._rows.num_written[envs] - self._rows.rows_per_env
        is_newer = fields["judged_at"] > self._rows.fields["judged_at"][envs, slots]
        written = is_held & is_newer
        for name, values in fields.items():
            self._rows.fields[name][envs[written], slots[written]] = values[written]
        return int(np.count_nonzero(written))

    def steps_of(self, name: str) -> Shaped[np.ndarray, "step ..."]:
        """Return a copy of one field of all steps held, in no particular order."""
        found: Shaped[np.ndarray, "step ..."] = self._rows.fields[name][self._rows.kinds == STEP]
        return found

    def state_arrays(self) -> dict[str, np.ndarray]:
        """Return the written part of the replay, by name, for a checkpoint.

        The arrays are views that the next `add` writes into.
        """
        return save_rows(self._rows) | self._sampler.state_arrays()

    def load_state_arrays(self, arrays: Mapping[str, SavedArray]) -> None:
        """Replace all rows, and what the sampler knows of them, by those of a checkpoint.

        A part of one array is read at a time.

        Arrays of fields that are not kept, or no longer, are left alone.

        Raises:
            CheckpointError: if they are of another environment, capacity, number of environments or sampler; the replay
                is unchanged then.
        """
        sampler = make_sampler(self._config, self._rows)
        sampler.load_state_arrays(arrays)
        load_rows(self._rows, arrays)
        self._sampler = sampler

    def rng_state(self) -> dict[str, Any]:
        """Return the state of the draws, which survives JSON."""
        return rng_state(self._rng)

    def load_rng_state(self, state: Mapping[str, Any]) -> None:
        """Continue the draws where `rng_state` was taken.

        Raises:
            CheckpointError: if this is no such state.
        """
        load_rng_state(self._rng, state, "the replay")

    def _append_ends(
        self,
        envs: Int[np.ndarray, " end"],
        final_observations: Shaped[np.ndarray, "end ..."],
        *,
        kinds: Int[np.ndarray, " end"],
    ) -> None:
        self._rows.append_ends(envs, final_observations, kinds=kinds)
        self._sampler.follow(envs)
