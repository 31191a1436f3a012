"""Which number type an update computes in: as the config says, or as the machine is found to be faster."""

import statistics
import time
from collections.abc import Callable

import torch

from kvzero.training.learning.config import NumberType, Precision

__all__ = ["measure_precision", "settle_precision"]

NUM_ROUNDS = 5


def settle_precision(precision: Precision, device: torch.device) -> NumberType | None:
    """Return the number type that is meant on a device; None where it has to be measured."""
    if precision == "auto":
        return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return None if precision == "measured" else precision


def measure_precision(
    compute: Callable[[NumberType], None], *, clock: Callable[[], float] = time.perf_counter
) -> NumberType:
    """Compute an update in both number types in turns, after a warm-up; return the one whose median time is shorter."""
    both: tuple[NumberType, NumberType] = ("float32", "bfloat16")
    seconds: dict[NumberType, list[float]] = {number_type: [] for number_type in both}
    for number_type in both:
        compute(number_type)
    for _ in range(NUM_ROUNDS):
        for number_type in both:
            before = clock()
            compute(number_type)
            seconds[number_type].append(clock() - before)
    return min(both, key=lambda number_type: statistics.median(seconds[number_type]))
