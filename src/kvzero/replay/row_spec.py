"""The table of what a row of the replay holds; intake, rings, snapshot, segments and batches follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from kvzero.errors import ConfigError
from kvzero.records import EnvSpec

__all__ = ["ANY", "Field", "RowSpec", "build_row_spec"]

ANY = -inf, inf
"""Bounds of what may be any finite number."""


@dataclass(frozen=True, slots=True)
class Field:
    """What each row holds under one name."""

    dtype: type[np.generic]
    """Type that is kept."""

    shape: tuple[int, ...] = ()
    """Shape in one row."""

    blank: int | None = 0
    """What stands where no step was taken; None where every row, an episode's end too, has something of its own."""

    bounds: tuple[float, float] = ANY
    """Lowest and highest number that may come in."""


RowSpec = Mapping[str, Field]
"""The fields of a row by their names, which are their names in checkpoints, too."""


def build_row_spec(spec: EnvSpec, *, num_sampled_actions: int = 0, keeps_searches: bool = False) -> RowSpec:
    """Return what is kept of each step of such an environment.

    Args:
        spec: what one observation is and how many actions there are.
        num_sampled_actions: actions that each policy is over, where actions are continuous.
        keeps_searches: whether rows also hold what their newest search found, by which weights, and what it takes to
            search again.

    Raises:
        ConfigError: if `num_sampled_actions` does not fit the kind of actions.
    """
    if spec.is_continuous != (num_sampled_actions > 0):
        raise ConfigError(
            f"num_sampled_actions is {num_sampled_actions}; give the number of sampled actions where actions are "
            "continuous, and none where they are numbered"
        )
    num_choices, vector = num_sampled_actions or spec.num_actions, (spec.action_dim,)
    numbered = Field(np.int32, bounds=(0.0, spec.num_actions - 1.0))
    sets = {"action_sets": Field(np.float32, (num_choices, *vector), bounds=(-1.0, 1.0))}  # what the policies are over
    return {
        "observations": Field(spec.observation_dtype, spec.observation_shape, blank=None),
        "actions": Field(np.float32, vector, bounds=(-1.0, 1.0)) if spec.is_continuous else numbered,
        "rewards": Field(np.float32),  # what the action earned, as trained on
        "policies": Field(np.float32, (num_choices,)),  # shares of the search's visits
        **(sets if spec.is_continuous else {}),
        **(_search_fields(spec) if keeps_searches else {}),
    }


def _search_fields(spec: EnvSpec) -> RowSpec:
    """Return what is kept of searches; weights are told by the number of updates that made them."""
    masks = {"action_masks": Field(np.bool_, (spec.num_actions,))}  # which actions were legal
    return {
        "search_values": Field(np.float32),  # what the newest search of the row found it to be worth
        "collected_at": Field(np.int32, blank=-1),  # weights that acted
        "judged_at": Field(np.int32, blank=-1),  # weights of the newest search; -1 where there was none
        **({} if spec.is_continuous else masks),
    }
