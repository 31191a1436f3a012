"""What may enter the replay: the shape, type and range of each array of one step, checked before any is stored."""

import numpy as np

from kvzero.errors import EnvError
from kvzero.replay.row_spec import ANY, Field, RowSpec
from kvzero.replay.step_batch import StepBatch

__all__ = ["checked"]

KINDS_OF_NUMBER = {"b": "bool", "f": "floats", "i": "integers", "u": "unsigned bytes (uint8)"}
FLAG = Field(np.bool_)


def checked(batch: StepBatch, spec: RowSpec, *, num_envs: int) -> StepBatch:
    """Return one step of all environments in the types that `spec` keeps.

    Raises:
        EnvError: if a field is missing or unknown, an array has the wrong shape or type, holds NaN or infinity, or a
            number out of bounds.
    """
    if batch.fields.keys() != spec.keys():
        raise EnvError(f"a step holds {sorted(batch.fields)}; the replay keeps {sorted(spec)}")

    def check(name: str, values: np.ndarray, field: Field) -> np.ndarray:
        _check_form(name, values, np.dtype(field.dtype), (num_envs, *field.shape))
        kept = values.astype(field.dtype, copy=False)
        _check_numbers(name, values, kept, field.bounds)
        return kept

    with np.errstate(over="ignore"):  # a float too large becomes infinite, and is refused as such
        return StepBatch(
            fields={name: check(name, batch.fields[name], field) for name, field in spec.items()},
            terminated=check("terminated", batch.terminated, FLAG),
            truncated=check("truncated", batch.truncated, FLAG),
            final_observations=check("final_observations", batch.final_observations, spec["observations"]),
        )


def _check_form(name: str, values: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Refuse another shape, or numbers that cannot be kept as the replay keeps them; any width of int or float fits."""
    if values.shape != shape:
        raise EnvError(f"{name} have shape {values.shape}; the replay keeps {shape}, environments first")
    fits = np.can_cast(values.dtype, dtype) if dtype.kind == "u" else values.dtype.kind == dtype.kind
    if not fits:
        raise EnvError(f"{name} are {values.dtype}; give {KINDS_OF_NUMBER[dtype.kind]}")


def _check_numbers(name: str, given: np.ndarray, kept: np.ndarray, bounds: tuple[float, float]) -> None:
    """Refuse numbers that are not finite as they are kept, or out of bounds."""
    is_float = kept.dtype.kind == "f"
    if is_float and not (is_finite := np.isfinite(kept)).all():
        env = np.argwhere(~is_finite)[0, 0]
        raise EnvError(f"{name} of environment {env} hold NaN or infinity; nothing can be learnt from that step")
    if bounds == ANY:
        return
    numbers = kept if is_float else given  # a large integer may have wrapped around when it was narrowed
    is_outside = (numbers < bounds[0]) | (numbers > bounds[1])
    if is_outside.any():
        first = tuple(np.argwhere(is_outside)[0])
        wanted = f"give numbers from {bounds[0]:g} to {bounds[1]:g}"
        raise EnvError(f"{name} of environment {first[0]} hold {numbers[first]}; {wanted}")
