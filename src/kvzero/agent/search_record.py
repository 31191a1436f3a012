"""What one search thought: the record that is shown, written and read when somebody asks why an action was played."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int64, Shaped

from kvzero.engines import EngineKind, StoreKind
from kvzero.search import RuleKind

__all__ = ["SearchRecord"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchRecord:
    """One search below the newest observation of one environment, as arrays of its own.

    Node 0 is the root; simulation `s`, from 0, added node `s + 1`. Actions are numbered; where they are continuous,
    the numbers are those of the actions drawn at each node, and `action_vectors` says what they stand for.
    """

    engine: EngineKind
    """What computed the search; never auto."""

    store: StoreKind
    """Where keys and values lived."""

    rule: RuleKind
    """What selected, and decided what to play and to learn."""

    discount: float
    """Worth of a reward one step later."""

    num_tokens: int
    """Tokens of the episode so far: one for each observation and one for each action between two."""

    chosen: int
    """Number of the action at the root that the search chose to play."""

    legal: Bool[np.ndarray, " action"]
    """Which actions were legal at the root."""

    policy: Float64[np.ndarray, " action"]
    """Improved policy of the root, to learn from: shares of visits by the rule puct, of Gumbel MuZero by gumbel."""

    visit_counts: Int64[np.ndarray, " action"]
    """Visits of each action at the root; their sum is the number of simulations."""

    action_values: Float64[np.ndarray, " action"]
    """Q of each action at the root: mean reward + discount * value; the root's value where it was not tried."""

    parents: Int64[np.ndarray, " node"]
    """Node above each node; -1 for the root."""

    actions: Int64[np.ndarray, " node"]
    """Action that leads from there to here; -1 for the root."""

    depths: Int64[np.ndarray, " node"]
    """Environment steps below the root."""

    visits: Int64[np.ndarray, " node"]
    """How often each node was visited, its own evaluation included."""

    rewards: Float64[np.ndarray, " node"]
    """Predicted reward of the action that leads here; 0 for the root."""

    values: Float64[np.ndarray, " node"]
    """Mean return from each node on, over its visits."""

    predicted_values: Float64[np.ndarray, " node"]
    """What the network itself said each node is worth, taken out of the sums of the search, so exact to rounding."""

    priors: Float64[np.ndarray, "node action"]
    """Policy at each node; at the root 0 for illegal actions, and with noise where the search explored."""

    action_vectors: Float32[np.ndarray, "node action dim"] | None
    """Continuous actions only: what each number stands for at each node, from -1 to 1."""

    block_table: Int[np.ndarray, "node token"] | None
    """Tree store only: slots of the keys and values that each node's latent token reads, the oldest first; -1 is none.

    Its own action and latent are the last two. Token `i` of the episode lives in slot `i mod C`, with `C` the width of
    this table; node `n` owns the `tokens_per_node` slots from `C + tokens_per_node * n` on. The action token reads the
    last `C - 1` slots of the parent's row, and its own.
    """

    num_slots: int
    """Tree store only: slots of the environment; 0 elsewhere."""

    tokens_per_node: int
    """Tree store only: slots that each node owns; 0 elsewhere."""

    cache_figures: dict[str, float]
    """Keyed stores only: what all pools count since they were made, by `<pool>/<figure>`; see `LevelStats.figures`."""

    @property
    def principal_line(self) -> list[int]:
        """Nodes below the root that the search expects: the chosen action's, then the most visited child of each.

        Of children visited equally often it is the one of the lowest action. The list is empty where the chosen action
        was not tried, which the rule gumbel allows where it considers more actions than it has simulations.
        """
        line: list[int] = []
        below = [node for node in self._children(0) if self.actions[node] == self.chosen]
        while below:
            line.append(max(below, key=lambda node: (self.visits[node], -self.actions[node])))
            below = self._children(line[-1])
        return line

    @property
    def action(self) -> int | Float32[np.ndarray, " dim"]:
        """What was to be played: the number of an action, or a vector from -1 to 1."""
        if self.action_vectors is None:
            return self.chosen
        vector: Float32[np.ndarray, " dim"] = self.action_vectors[0, self.chosen]
        return vector

    def arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Return all fields that are arrays, by name."""
        return {name: found for name, found in self._items() if isinstance(found, np.ndarray)}

    def to_json(self) -> dict[str, Any]:
        """Return all fields, and the principal line, as numbers, texts, lists and None, as JSON knows them."""
        plain = {name: found.tolist() if isinstance(found, np.ndarray) else found for name, found in self._items()}
        return plain | {"principal_line": self.principal_line}

    def _children(self, node: int) -> list[int]:
        return [int(child) for child in np.flatnonzero(self.parents == node)]

    def _items(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]
