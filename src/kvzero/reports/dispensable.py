"""What only shows: where it fails, that is told of once, and the work goes on without it."""

import logging
from collections.abc import Callable

__all__ = ["Dispensable"]

logger = logging.getLogger(__name__)


class Dispensable:
    """Something that work can do without, such as a display, an observer, a plot or a video."""

    def __init__(self, what: str) -> None:
        """Take what it is called in the one line that tells of its failure."""
        self.is_lost = False
        """Whether it has failed, and is left alone from then on."""
        self._what = what

    def attempt(self, show: Callable[..., object], *arguments: object, **named: object) -> None:
        """Call `show` with these arguments, unless it is lost; whatever it raises loses it."""
        if self.is_lost:
            return
        try:
            show(*arguments, **named)
        except Exception as error:  # whatever a terminal, a library that draws or the user's own code may raise
            self.lose(error)

    def lose(self, error: BaseException) -> None:
        """Tell of its failure, the first time, and leave it alone."""
        if not self.is_lost:
            self.is_lost = True
            logger.warning("%s failed (%s: %s); going on without", self._what, type(error).__name__, error)
