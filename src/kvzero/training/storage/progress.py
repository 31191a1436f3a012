"""How far a run has come: what a checkpoint holds besides tensors, and what a resumed run needs to know of its past."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Progress", "read_progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counters of a run and the state of its random numbers."""

    env_steps: int
    """Environment steps collected."""
    updates_owed: float
    """Updates that the replay ratio still asks for."""
    evaluated_at: int
    """Environment steps at the newest evaluation that was played to its end, or is being played; 0 before the first."""
    seconds: float
    """Wall-clock seconds spent so far, over all sessions."""
    search_rng: dict[str, Any]
    """State of the generator that search and action draws use, in a run with several collectors those of the first."""
    other_search_rngs: list[dict[str, Any]] = field(default_factory=list)
    """States of those that other collectors than the first use, in a run with several."""
    served_updates: int = 0
    """Updates that rows were searched again for; 0 in a run that does not, and before the first."""
    evaluating: dict[str, Any] | None = None
    """`env_steps` and `discount` of when the evaluation was due that is being played beside training, if any is."""


def read_progress(found: dict[str, Any], *, found_format: int) -> Progress:
    """Return the progress that stands in a checkpoint of this format.

    Formats 1 and 2 do not say when the run was evaluated: they are taken to have been evaluated wherever that was due
    until then, so that no evaluation stands twice in the curve; one that a stop interrupted is missing from it.
    """
    if found_format < 3:
        found = {"evaluated_at": found["env_steps"], **found}
    return Progress(**found)
