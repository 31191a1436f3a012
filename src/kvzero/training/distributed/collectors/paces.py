"""When collectors are given orders and when their steps are taken in: in step with the learner, or as they come."""

from collections.abc import Callable, Iterator

from kvzero.training.config import ScheduleConfig
from kvzero.training.distributed.collectors.crew import Crew
from kvzero.training.source import Collected

__all__ = ["AsTheyCome", "InStep"]


class InStep:
    """All collectors make one round together, taken in by their order: the same results at any speed.

    With a lag of 0 they wait for the learner's updates; with 1 they make the next round meanwhile, with the weights
    from before these updates.
    """

    def __init__(self, crew: Crew, schedule: ScheduleConfig, *, lag: int) -> None:
        self._crew = crew
        self._schedule = schedule
        self._is_ahead = lag == 1

    def collect(self, env_steps: int, should_stop: Callable[[], bool]) -> Iterator[Collected]:
        """Collect a round."""
        crew = self._crew
        crew.look()
        if crew.env_steps_ordered == 0:
            self._order_round(env_steps)
        if len(crew.wait(crew.numbers, for_all=True, should_stop=should_stop)) < len(crew.numbers):
            return  # stopped: what has come is there when it goes on
        env_steps += crew.env_steps_ordered
        reports = [crew.fetch(number) for number in crew.numbers]
        for report in reports:
            yield from crew.store(report)
        if self._is_ahead and env_steps < self._schedule.total_env_steps:
            self._order_round(env_steps)

    def _order_round(self, env_steps: int) -> None:
        """Order a round that begins after so many environment steps."""
        at_once = self._crew.num_envs * len(self._crew.numbers)
        starts = range(env_steps, self._schedule.end_of_round(env_steps), at_once)
        explorations = [self._schedule.exploration_at(start) for start in starts]
        for number in self._crew.numbers:
            self._crew.order(number, explorations)


class AsTheyCome:
    """Whoever has reported gets the next order at once, and steps are taken in as they come, within the lag.

    No order is given but with the newest weights; before the learner may change these, whatever would come too late
    after that is waited for. So no step is older than the lag when it is taken in, and none is thrown away.
    """

    def __init__(self, crew: Crew, schedule: ScheduleConfig, *, lag: int) -> None:
        self._crew = crew
        self._schedule = schedule
        self._lag = lag

    def collect(self, env_steps: int, should_stop: Callable[[], bool]) -> Iterator[Collected]:
        """Collect a round, or more where steps come from collectors that are late."""
        crew, end = self._crew, self._schedule.end_of_round(env_steps)
        crew.look()
        while not should_stop():
            self._order_more(env_steps)
            is_over = env_steps >= end
            awaited = crew.late(crew.version - self._lag) if is_over else crew.busy()
            if not awaited:
                return
            for number in crew.wait(awaited, for_all=False, should_stop=should_stop):
                report = crew.fetch(number)
                for collected in crew.store(report):
                    env_steps += collected.num_env_steps
                    yield collected

    def _order_more(self, env_steps: int) -> None:
        """Give an order to everyone idle, as long as the run is not over with what is ordered."""
        crew, schedule = self._crew, self._schedule
        at_once = crew.num_envs * len(crew.numbers)
        num_steps = -(-schedule.round_env_steps // at_once)
        for number in crew.idle():
            ahead = env_steps + crew.env_steps_ordered
            num_left = -(-(schedule.total_env_steps - ahead) // crew.num_envs)
            if num_left > 0:
                starts = [ahead + step * crew.num_envs for step in range(min(num_steps, num_left))]
                crew.order(number, [schedule.exploration_at(start) for start in starts])
