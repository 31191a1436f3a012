"""The axes of a chart: round numbers along them, and where a value lies."""

import math
from collections.abc import Callable

__all__ = ["Scale", "scale", "short", "ticks"]

FLAT = 1e-9
"""Span, as a share of the values, below which they are shown as one."""

Scale = Callable[[float], float]
"""Returns where a value is drawn, in tenths of the chart's units."""


def ticks(low: float, high: float, num: int = 5) -> list[float]:
    """Return about `num` round numbers from at most `low` to at least `high`."""
    if high - low <= FLAT * max(abs(low), abs(high)):
        margin = abs(low) / 2 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / num
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """Return what draws `low` at `start`, `high` at `end`, and the values between them evenly."""
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)


def short(value: float) -> str:
    """Return a tick's number without needless digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"
