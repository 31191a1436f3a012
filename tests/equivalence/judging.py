"""Random episodes in a replay, whose rows are searched again, and the reference path of each of them."""

from dataclasses import dataclass

import numpy as np
from tests.equivalence.scenario import Engine, Life, Shape

from kvzero.engines import Past
from kvzero.replay import Chunks, Replay, ReplayConfig, StepBatch, build_row_spec
from kvzero.search import Outcome

NUM_STREAMS = 2
ROWS_PER_ENV = 23
NUM_CHOICES = 20


@dataclass
class Row:
    """One row that an environment has shown."""

    observation: np.ndarray
    action: int | np.ndarray | None
    """None at the end of an episode."""


class Judging(Life):
    """Roots made of rows, in chunks, each held against the path of its episode as far as it is held."""

    def __init__(self, shape: Shape, seed: int, *, engine: Engine = "eager") -> None:
        super().__init__(shape, seed, engine=engine)
        spec = build_row_spec(
            shape.spec, num_sampled_actions=NUM_CHOICES if shape.spec.is_continuous else 0, keeps_searches=True
        )
        self.replay = Replay(
            ReplayConfig(replay_capacity=NUM_STREAMS * ROWS_PER_ENV), spec, num_envs=NUM_STREAMS, seed=seed
        )
        self.streams: list[list[Row]] = [[] for _ in range(NUM_STREAMS)]
        self.num_cut = self.num_begun = self.num_long = 0

    def collect(self, num_steps: int, *, judged_at: int) -> None:
        """Play some steps at random; an episode goes on with a probability of nine tenths."""
        for _ in range(num_steps):
            seen = np.stack([self._look() for _ in range(NUM_STREAMS)])
            after = np.stack([self._look() for _ in range(NUM_STREAMS)])
            actions, is_over = self._choose(NUM_STREAMS), self.rng.random(NUM_STREAMS) < 0.1
            self.replay.add(self._step(seen, actions, after, is_over, judged_at))
            for env, stream in enumerate(self.streams):
                stream.append(Row(seen[env], actions[env]))
                if is_over[env]:
                    stream.append(Row(after[env], None))

    def judge(self, num_rows: int, *, num_updates: int) -> None:
        """Search rows again, and hold their roots and all nodes below them against the reference."""
        chunks = self.replay.to_judge(
            num_rows,
            before=num_updates,
            context_steps=self.shape.model.layout.history_steps,
            rows_at_once=self.shape.num_envs,
        )
        for some in chunks:
            envs = np.arange(len(some.places))
            fields = some.fields
            past = Past(fields["observations"], fields["actions"][:, :-1], some.is_valid)
            self.planner.engine.rebuild_along(envs, past, some.is_root)
            self._follow(some)
            self.check(envs, self.plan(envs))
            self.replay.judge(some, {"judged_at": np.full(len(envs), num_updates)})

    def _search(self, envs: np.ndarray, masks: np.ndarray, rng: np.random.Generator | None) -> Outcome:
        """Search as reanalysis does: the rows are not in the planner's history."""
        return self.planner.engine.search(envs, masks, rng=rng)

    def _follow(self, chunks: Chunks) -> None:
        """Take as the reference of each root what is held of its episode up to its row."""
        for root, observation in enumerate(chunks.fields["observations"][chunks.is_root]):
            rows = self._episode_until(observation)
            self.observed[root] = [row.observation for row in rows]
            self.taken[root] = [row.action for row in rows[:-1]]

    def _episode_until(self, observation: np.ndarray) -> list[Row]:
        for stream in self.streams:
            held = stream[-ROWS_PER_ENV:]
            for index, row in enumerate(held):
                if np.array_equal(row.observation, observation):
                    ends = [end for end in range(index) if held[end].action is None]
                    rows = held[ends[-1] + 1 if ends else 0 : index + 1]
                    self.num_begun += len(rows) == 1 and bool(ends)
                    self.num_cut += not ends and len(stream) > len(held)
                    self.num_long += len(rows) > self.shape.model.layout.history_steps
                    return rows
        raise AssertionError("a row is searched that is not held")

    def _step(
        self, seen: np.ndarray, actions: np.ndarray, after: np.ndarray, is_over: np.ndarray, judged_at: int
    ) -> StepBatch:
        spec, made_by = self.shape.spec, np.full(NUM_STREAMS, judged_at)
        sets = np.zeros((NUM_STREAMS, NUM_CHOICES, spec.action_dim), np.float32)
        masks = np.ones((NUM_STREAMS, spec.num_actions), bool)
        return StepBatch(
            fields={
                "observations": seen,
                "actions": actions,
                "rewards": np.zeros(NUM_STREAMS, np.float32),
                "policies": np.zeros((NUM_STREAMS, spec.num_actions or NUM_CHOICES), np.float32),
                "search_values": np.zeros(NUM_STREAMS, np.float32),
                "collected_at": made_by,
                "judged_at": made_by,
                **({"action_sets": sets} if spec.is_continuous else {"action_masks": masks}),
            },
            terminated=is_over & (seen.reshape(NUM_STREAMS, -1)[:, 0] > 0),
            truncated=is_over,
            final_observations=after,
        )
