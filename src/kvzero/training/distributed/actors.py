"""Objects in processes of a cluster: asked one thing at a time, replaced when they die, and not without end."""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from kvzero.errors import ClusterError
from kvzero.training.distributed.config import DistributedConfig
from kvzero.training.distributed.refusals import Refusal, refused

__all__ = ["Actors", "Lost"]

RESTART_WINDOW_SECONDS = 60.0
"""Time within which losses are counted against `max_restarts`."""

LOOK_SECONDS = 0.2
"""How long a wait for replies lasts before it is looked whether to stop."""

ANSWER_SECONDS = 0.2
"""Time that is left to a connection which failed before the same is asked again."""

CAUSES = ("The actor is dead because", "Worker exit detail:", "actor died because")
GUESSES = (". There are some potential root causes", ". Some common causes include")
"""Where Ray begins to tell of what may have been, at length."""


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a reply: the actor is gone, or as good as gone."""

    cause: str


@dataclass(slots=True)
class _Actor:
    """One of them, and what it was asked."""

    handle: Any
    incarnation: int = 0
    took_over: str = ""
    """Why it had to take the place of another, if it had."""
    has_answered: bool = False
    asked: tuple[str, tuple[Any, ...]] | None = None
    reply: Any = None
    give_up_at: float = field(default=0.0)


class Actors:
    """Some actors of one kind, by their numbers. What one is asked has to bear being asked again.

    Ray may say that the connection to an actor failed while the actor did what it was asked: the same is asked again
    then, and an actor that has done it returns the reply that it had. Ray itself asks and restarts nothing again.
    """

    def __init__(
        self,
        ray: Any,
        make: Callable[[int], Any],
        *,
        num_actors: int,
        name: str,
        config: DistributedConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start them; `make` returns the handle of the one with a number, `name` is what errors call them."""
        self.num_restarts = [0] * num_actors
        """How often each was replaced."""
        self._ray = ray
        self._make = make
        self._name = name
        self._config = config
        self._clock = clock
        self._losses: deque[float] = deque()
        self._actors = [_Actor(make(number)) for number in range(num_actors)]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._actors)

    def name(self, number: int) -> str:
        """Return what errors call one of them."""
        return f"{self._name} {number}"

    def incarnation(self, number: int) -> int:
        """Return how many came before this one under its number."""
        return self._actors[number].incarnation

    def ask(self, number: int, method: str, *arguments: Any, usual_seconds: float = 0.0) -> None:
        """Ask one that is idle; it counts as lost after much more than `usual_seconds`, where these are known."""
        actor = self._actors[number]
        actor.asked = method, arguments
        actor.reply = getattr(actor.handle, method).remote(*arguments)
        is_used_to_it = actor.has_answered and usual_seconds > 0
        allowed = self._config.silent_seconds if is_used_to_it else self._config.start_seconds
        actor.give_up_at = self._clock() + usual_seconds + allowed

    def num_ready(self, numbers: Collection[int]) -> int:
        """Return how many of these have answered, and wait to be heard."""
        replies = [self._actors[number].reply for number in numbers]
        if not replies:
            return 0
        ready, _ = self._ray.wait(replies, num_returns=len(replies), timeout=0)
        return len(ready)

    def receive(self, numbers: Collection[int], seconds: float) -> dict[int, Any]:
        """Return the replies that have come to what these were asked, waiting for the first for some time.

        `Lost` stands in place of a reply that will not come. What is returned is let go of.

        Raises:
            ClusterError: if one that was started has not answered in time.
        """
        by_reply = {self._actors[number].reply: number for number in numbers}
        self._ray.wait(list(by_reply), num_returns=1, timeout=seconds)
        ready, _ = self._ray.wait(list(by_reply), num_returns=len(by_reply), timeout=0)
        found = {number: self._read(number) for number in sorted(by_reply[reply] for reply in ready)}
        for number in numbers:
            if number not in found and self._clock() > self._actors[number].give_up_at:
                found[number] = self._give_up(number)
        answered = {number: reply for number, reply in found.items() if reply is not None}
        for number in answered:
            self._actors[number].reply = self._actors[number].asked = None
        return answered

    def hear(
        self, numbers: Collection[int], ask_anew: Callable[[int], None], *, seconds: float = LOOK_SECONDS
    ) -> dict[int, Any]:
        """Return the replies that have come to what these were asked, waiting for the first for some time.

        Who was lost is replaced, and `ask_anew` asks the one in its place.

        Raises:
            KvzeroError: what one refuses to go on from, with its name and host.
            ClusterError: if too many were lost, or one cannot be started again.
        """
        replies: dict[int, Any] = {}
        for number, reply in self.receive(numbers, seconds).items():
            if isinstance(reply, Lost):
                self.replace(number, reply.cause)
                ask_anew(number)
            elif isinstance(reply, Refusal):
                raise refused(self.name(number), reply)
            else:
                replies[number] = reply
        return replies

    def replace(self, number: int, cause: str) -> None:
        """Start another in place of one that was lost.

        Raises:
            ClusterError: if too many were lost within a minute.
        """
        now = self._clock()
        self._losses.append(now)
        while self._losses[0] < now - RESTART_WINDOW_SECONDS:
            self._losses.popleft()
        if len(self._losses) > self._config.max_restarts:
            raise ClusterError(
                f"{self.name(number)} was lost: {cause}; that makes {len(self._losses)} within a minute, and "
                f"max_restarts is {self._config.max_restarts}; mend the cause, then go on with --resume"
            )
        lost = self._actors[number]
        self._end(lost)
        self._actors[number] = _Actor(self._make(number), lost.incarnation + 1, took_over=cause)
        self.num_restarts[number] += 1

    def close(self) -> None:
        """End them all."""
        for actor in self._actors:
            self._end(actor)
        self._actors.clear()

    def _end(self, actor: _Actor) -> None:
        """End one; of one that never began the handle is let go of, since Ray would wait for it to begin."""
        if actor.has_answered:
            self._ray.kill(actor.handle, no_restart=True)

    def _read(self, number: int) -> Any:
        """Return a reply that has come; None where the same was asked again."""
        actor, errors = self._actors[number], self._ray.exceptions
        try:
            reply = self._ray.get(actor.reply, timeout=self._config.silent_seconds)
        except errors.ActorUnavailableError as error:
            return self._ask_again(number, error)
        except errors.RayError as error:
            return Lost(_describe(error))
        actor.has_answered = True
        return reply

    def _ask_again(self, number: int, error: Exception) -> Lost | None:
        actor = self._actors[number]
        if actor.asked is None or self._clock() > actor.give_up_at:
            return Lost(_describe(error))
        time.sleep(ANSWER_SECONDS)
        method, arguments = actor.asked
        actor.reply = getattr(actor.handle, method).remote(*arguments)
        return None

    def _give_up(self, number: int) -> Lost:
        actor, name = self._actors[number], self.name(number)
        if actor.has_answered:
            return Lost("it said nothing any more")
        who = f"{name} was lost ({actor.took_over}), and the one in its place" if actor.took_over else name
        raise ClusterError(
            f"{who} has not started and answered within {self._config.start_seconds:g} s; see that the "
            "cluster has a CPU for it, or give more --start-seconds, then go on with --resume"
        )


def _describe(error: Exception) -> str:
    """Return the line of Ray's many that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if any(cause in line for cause in CAUSES)]
    said = (telling or lines[-1:] or [type(error).__name__])[0]
    for guess in GUESSES:
        said = said.partition(guess)[0]
    return said.rstrip(".")
