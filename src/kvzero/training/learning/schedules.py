"""What changes while a run learns, as functions of the updates made: nothing here is state, so resuming needs none."""

from kvzero.training.learning.config import LearnerConfig

__all__ = ["Schedules"]


class Schedules:
    """Learning rate, bootstrap steps and discount after so many updates of a run of `total_updates`."""

    def __init__(self, config: LearnerConfig, *, discount: float, total_updates: int) -> None:
        """Take `discount` for the last one; a first one is in the config."""
        self._config = config
        self.final_discount = discount
        self.total_updates = max(total_updates, 1)

    def learning_rate(self, num_updates: int) -> float:
        """Return the rate of the update that comes next: it rises for `warmup_updates`, and falls all the while."""
        config = self._config
        fallen = min(num_updates / self.total_updates, 1.0)
        share = 1.0 - fallen * (1.0 - config.final_learning_rate_share)
        if num_updates < config.warmup_updates:
            share *= (num_updates + 1) / config.warmup_updates
        return config.learning_rate * share

    def bootstrap_steps(self, num_updates: int) -> int:
        """Return the n of the update that comes next; its logarithm falls evenly (Schwarzer et al. 2023, section 3)."""
        first, final = self._config.bootstrap_steps, self._config.final_bootstrap_steps
        return first if final is None else round(_between(float(first), float(final), self._moved(num_updates)))

    def discount(self, num_updates: int) -> float:
        """Return the discount of the update that comes next, and of searches until then.

        The logarithm of `1 - discount` falls evenly: each update multiplies the horizon `1 / (1 - discount)` by as much
        (Schwarzer et al. 2023, section 3).
        """
        first, moved = self._config.first_discount, self._moved(num_updates)
        if first is None or moved == 1.0:
            return self.final_discount
        return 1.0 - _between(1.0 - first, 1.0 - self.final_discount, moved)

    def _moved(self, num_updates: int) -> float:
        """Return how far bootstrap steps and discount have come, from 0 to 1."""
        begins = self._config.annealing_begins * self.total_updates
        lasts = self._config.annealing_updates or max(self.total_updates / 2, 1)
        return min(max(num_updates - begins, 0.0) / lasts, 1.0)


def _between(first: float, final: float, share: float) -> float:
    """Return the number whose logarithm lies at `share` of the way between those of two numbers."""
    return float(first * (final / first) ** share)  # to mypy, a power of floats may be complex
