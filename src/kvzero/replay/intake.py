"""What may enter the replay: the shape, type and finiteness of each array of one step, checked before any is stored."""

from collections.abc import Mapping

import numpy as np

from kvzero.errors import EnvError
from kvzero.replay.rows import Rows

__all__ = ["checked"]

KINDS_OF_NUMBER = {"b": "bool", "f": "floats", "i": "integers", "u": "unsigned bytes (uint8)"}


def checked(step: Mapping[str, np.ndarray], rows: Rows) -> dict[str, np.ndarray]:
    """Return the arrays of one step of all environments in the types that `rows` keeps.

    Args:
        step: arrays by the names of `Replay.add`, each with the environments first.
        rows: the rings that they are meant for.

    Raises:
        EnvError: if an array has the wrong shape or type, holds NaN or infinity, or an action out of range.
    """
    templates = {name: ring[:, 0] for name, ring in rows.rings().items() if name != "kinds"}
    templates["final_observations"] = templates["observations"]
    templates["terminated"] = templates["truncated"] = np.zeros(len(rows.kinds), np.bool_)
    for name, values in step.items():
        _check_form(name, values, like=templates[name])
    stored = {name: _cast(values, templates[name].dtype) for name, values in step.items()}
    for name, values in stored.items():
        _check_finite(name, values)
    if rows.action_sets is None:
        _check_numbers(step["actions"], num_actions=rows.policies.shape[-1])
    else:
        _check_vectors("actions", stored["actions"])
        _check_vectors("action_sets", stored["action_sets"])
    return stored


def _check_form(name: str, values: np.ndarray, *, like: np.ndarray) -> None:
    """Refuse another shape, or numbers that cannot be kept as the replay keeps them; any width of int or float fits."""
    if values.shape != like.shape:
        raise EnvError(f"{name} have shape {values.shape}; the replay keeps {like.shape}, environments first")
    fits = np.can_cast(values.dtype, like.dtype) if like.dtype.kind == "u" else values.dtype.kind == like.dtype.kind
    if not fits:
        raise EnvError(f"{name} are {values.dtype}; give {KINDS_OF_NUMBER[like.dtype.kind]}")


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Narrow to `dtype`; a float too large for it becomes infinite, and is refused as such."""
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def _check_finite(name: str, values: np.ndarray) -> None:
    """Refuse NaN and infinity, naming the first environment that has them."""
    if values.dtype.kind != "f" or (is_finite := np.isfinite(values)).all():
        return
    env = np.argwhere(~is_finite)[0, 0]
    raise EnvError(f"{name} of environment {env} hold NaN or infinity; nothing can be learnt from that step")


def _check_numbers(actions: np.ndarray, *, num_actions: int) -> None:
    """Refuse actions that the environment does not have."""
    wrong = np.flatnonzero((actions < 0) | (actions >= num_actions))
    if len(wrong):
        raise EnvError(f"the action of environment {wrong[0]} is {actions[wrong[0]]}; there are {num_actions} actions")


def _check_vectors(name: str, actions: np.ndarray) -> None:
    """Refuse continuous actions beyond -1 and 1."""
    wrong = np.argwhere(np.abs(actions) > 1)
    if len(wrong):
        raise EnvError(
            f"{name} of environment {wrong[0, 0]} hold {actions[tuple(wrong[0])]}; give numbers from -1 to 1"
        )
