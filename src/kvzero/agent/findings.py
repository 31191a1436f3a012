"""What searches found, without their trees: what is worth keeping, as it is kept."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from kvzero.agent.config import AgentConfig
from kvzero.records import EnvSpec
from kvzero.search import Outcome

__all__ = ["Findings"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What searches below some roots found: what to play, and what to learn."""

    records: Shaped[np.ndarray, " env"]
    """One record for each root, of the type that `form` returns."""

    @staticmethod
    def form(spec: EnvSpec, config: AgentConfig) -> np.dtype:
        """Return the type of the records of an agent's searches: little-endian numbers, the same on all machines."""
        num_choices = config.num_kept_actions(spec) or spec.num_actions
        fields: list[tuple[str, str, tuple[int, ...]]] = [
            ("chosen", "<i8", ()),
            ("policy", "<f8", (num_choices,)),
            ("value", "<f8", ()),
        ]
        if spec.is_continuous:
            fields.append(("action_set", "<f4", (num_choices, spec.action_dim)))
        return np.dtype(fields)

    @classmethod
    def of(cls, outcome: Outcome, form: np.dtype) -> "Findings":
        """Return what an outcome says, as copies."""
        found = cls(np.zeros(len(outcome.chosen), form))
        found.records["chosen"], found.records["policy"] = outcome.chosen, outcome.policy
        found.records["value"] = outcome.values
        if outcome.action_sets is not None:
            found.records["action_set"] = outcome.action_sets[:, 0]
        return found

    @property
    def policy(self) -> Float64[np.ndarray, "env action"]:
        """Probabilities of the actions at the roots, to learn from."""
        return self.records["policy"]

    @property
    def values(self) -> Float64[np.ndarray, " env"]:
        """Mean returns at the roots, to learn from."""
        return self.records["value"]

    @property
    def action_sets(self) -> Float32[np.ndarray, "env action dim"] | None:
        """Where actions are continuous, those that were drawn at the roots, from -1 to 1."""
        return self.records["action_set"] if "action_set" in (self.records.dtype.names or ()) else None

    @property
    def actions(self) -> Shaped[np.ndarray, "env *dim"]:
        """What to play: numbers of actions, or vectors from -1 to 1 where actions are continuous."""
        chosen, sets = self.records["chosen"], self.action_sets
        return chosen.astype(np.int64) if sets is None else sets[np.arange(len(chosen)), chosen].astype(np.float32)
