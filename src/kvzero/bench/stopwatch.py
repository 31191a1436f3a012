"""Where the time of a step or an update goes: a stopwatch of named parts, and stand-ins that time what they pass on."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Shaped
from torch import nn

from kvzero.agent import Planner
from kvzero.envs import Environments, Start, Steps
from kvzero.replay import Replay, StepBatch
from kvzero.search import Outcome
from kvzero.training import Learner

__all__ = ["Stopwatch", "TimedEnvironments", "TimedLearner", "TimedPlanner", "TimedReplay", "time_encoder"]


class Stopwatch:
    """Seconds by the name of what they were spent on; `synchronise` waits for the device before a clock is read."""

    def __init__(
        self, *, clock: Callable[[], float] = time.perf_counter, synchronise: Callable[[], None] | None = None
    ) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """What each part took, all times together."""
        self._clock = clock
        self._synchronise = synchronise
        self._open: list[str] = []
        self._since = self.now()

    def now(self) -> float:
        """Return the time in seconds, once the device has done what it was given."""
        if self._synchronise is not None:
            self._synchronise()
        return self._clock()

    def begin(self, part: str) -> None:
        """From now on time is spent on this part, and on the one around it no longer."""
        self._settle()
        self._open.append(part)

    def end(self) -> None:
        """The part begun last is done; the one around it goes on."""
        self._settle()
        self._open.pop()

    def mark(self, part: str) -> None:
        """All time since the last mark, or since `clear`, was spent on this part."""
        now = self.now()
        self.seconds[part] += now - self._since
        self._since = now

    def clear(self) -> None:
        """Forget what was measured, and begin now."""
        self.seconds.clear()
        self._since = self.now()

    @contextmanager
    def unsynchronised(self) -> Iterator[None]:
        """Inside the block nobody waits for the device: what is read there is when work was given, not when done."""
        synchronise, self._synchronise = self._synchronise, None
        try:
            yield
        finally:
            self._synchronise = synchronise

    def milliseconds(self, names: Sequence[str], *, total_seconds: float, count: int) -> dict[str, float]:
        """Return the mean of each named part over so many times, and of the rest of the total."""
        parts = {name: self.seconds[name] for name in names}
        parts["rest"] = total_seconds - sum(parts.values())
        return {name: round(1000 * seconds / count, 4) for name, seconds in parts.items()}

    def _settle(self) -> None:
        now = self.now()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


class TimedEnvironments:
    """Environments whose steps count as the part `environment`."""

    def __init__(self, envs: Environments, stopwatch: Stopwatch) -> None:
        self._envs = envs
        self._stopwatch = stopwatch
        self.spec = envs.spec
        self.num_envs = envs.num_envs
        self.frames_per_second = envs.frames_per_second

    def reset(self, seed: int | None = None) -> Start:
        """Begin new episodes."""
        return self._envs.reset(seed)

    def step(self, actions: Shaped[np.ndarray, "env *dim"]) -> Steps:
        """Take one action in each environment."""
        with timed(self._stopwatch, "environment"):
            return self._envs.step(actions)

    def render(self) -> np.ndarray:
        """Return what environment 0 looks like."""
        return self._envs.render()

    def close(self) -> None:
        """Close the environments."""
        self._envs.close()


class TimedPlanner(Planner):
    """A planner whose observing counts as the part `roots` and whose planning counts as `search`."""

    def __init__(self, stopwatch: Stopwatch, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stopwatch = stopwatch

    def observe(self, *arguments: Any, **options: Any) -> None:
        """Take in what environments show."""
        with timed(self._stopwatch, "roots"):
            super().observe(*arguments, **options)

    def plan(self, *arguments: Any, **options: Any) -> Outcome:
        """Search."""
        with timed(self._stopwatch, "search"):
            return super().plan(*arguments, **options)


class TimedReplay(Replay):
    """A replay whose taking in counts as the part `replay`."""

    def __init__(self, stopwatch: Stopwatch, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stopwatch = stopwatch

    def add(self, batch: StepBatch, **options: Any) -> None:
        """Store one step."""
        with timed(self._stopwatch, "replay"):
            super().add(batch, **options)


class TimedLearner(Learner):
    """A learner the stages of whose updates count as `bring`, `targets`, `forward`, `backward`, `optimiser` and `ema`.

    Where updates are replayed from a recording, all but the first of these count as `recorded`.
    """

    def __init__(self, stopwatch: Stopwatch, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stopwatch = stopwatch

    def bring(self, *arguments: Any) -> Any:
        """Bring a batch to the device."""
        with timed(self._stopwatch, "bring"):
            return super().bring(*arguments)

    def compute_recorded(self, *arguments: Any) -> Any:
        """Make an update, by its recording once there is one."""
        with timed(self._stopwatch, "recorded"):
            return super().compute_recorded(*arguments)

    def make_targets(self, *arguments: Any) -> Any:
        """Ask the EMA network."""
        with timed(self._stopwatch, "targets"):
            return super().make_targets(*arguments)

    def forward(self, *arguments: Any) -> Any:
        """Compute the loss."""
        with timed(self._stopwatch, "forward"):
            return super().forward(*arguments)

    def backward(self, *arguments: Any) -> None:
        """Compute the gradient."""
        with timed(self._stopwatch, "backward"):
            super().backward(*arguments)

    def step_optimizer(self) -> Any:
        """Change the weights."""
        with timed(self._stopwatch, "optimiser"):
            return super().step_optimizer()

    def follow(self) -> None:
        """Move the EMA network."""
        with timed(self._stopwatch, "ema"):
            super().follow()


@contextmanager
def timed(stopwatch: Stopwatch, part: str) -> Iterator[None]:
    """Count what happens inside the block as this part, and not as the one around it."""
    stopwatch.begin(part)
    try:
        yield
    finally:
        stopwatch.end()


@contextmanager
def time_encoder(encoder: nn.Module, stopwatch: Stopwatch) -> Iterator[None]:
    """Inside the block, what the encoder does counts as the part `encode`."""
    before = encoder.register_forward_pre_hook(lambda *_: stopwatch.begin("encode"))
    after = encoder.register_forward_hook(lambda *_: stopwatch.end())
    try:
        yield
    finally:
        before.remove()
        after.remove()
