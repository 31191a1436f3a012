"""Searches of the replay's rows: all roots of some chunks in one pass, by one network."""

from dataclasses import replace

import numpy as np

from kvzero.agent import AgentConfig, Findings, open_engine
from kvzero.engines import EngineKind, Past
from kvzero.model import Network
from kvzero.replay import Chunks

__all__ = ["ROWS_AT_ONCE", "RowSearch"]

ROWS_AT_ONCE = 64
"""Rows that are searched together."""


class RowSearch:
    """Searches as an agent does when it collects, but without noise on root priors.

    Noise is there to make a collector try what the policy would not; in a target it would only blur what was found.
    """

    def __init__(self, network: Network, agent: AgentConfig) -> None:
        self.network = network
        """What it searches with, as it is when it is asked."""
        self.agent = replace(agent, search=agent.search.without_noise())
        """How it searches."""
        self.form = Findings.form(network.spec, self.agent)
        self._engine = open_engine(network, self.agent, num_envs=ROWS_AT_ONCE)

    @property
    def engine_name(self) -> EngineKind:
        """What computes."""
        return self._engine.name

    def set_discount(self, discount: float) -> None:
        """Search with another discount from now on."""
        self._engine.set_discount(discount)

    def search(self, chunks: Chunks, rng: np.random.Generator) -> Findings:
        """Return what searches below the roots of some chunks find, at most `ROWS_AT_ONCE` of them.

        Raises:
            SearchError: if the network has diverged.
        """
        envs = np.arange(len(chunks.places))
        fields = chunks.fields
        self._engine.rebuild_along(
            envs, Past(fields["observations"], fields["actions"][:, :-1], chunks.is_valid), chunks.is_root
        )
        if self.network.spec.is_continuous:
            masks = np.ones((len(envs), 0), bool)
        else:
            masks = fields["action_masks"][chunks.is_root]
        return Findings.of(self._engine.search(envs, masks, rng=rng), self.form)
