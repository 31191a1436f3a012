"""Who plays an evaluation elsewhere: a network that takes in the weights of when it was due, and what it is asked."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kvzero.cache import ResultCache, TierConfig, open_tier
from kvzero.model import Network, choose_device
from kvzero.processes import ShouldStop
from kvzero.records import EnvSpec
from kvzero.training.config import RunConfig
from kvzero.training.session.evaluation import Evaluation, play_evaluation

__all__ = ["DueEvaluation", "Player"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEvaluation:
    """An evaluation that is to be played, with all that it depends on beside the run's config."""

    env_steps: int
    """Environment steps of the run when it was due."""
    discount: float
    """The learner's discount then."""
    weights: dict[str, np.ndarray]
    """The network's weights then."""

    @property
    def moment(self) -> dict[str, int | float]:
        """All but the weights, as JSON holds it."""
        return {"env_steps": self.env_steps, "discount": self.discount}

    @classmethod
    def of(cls, network: Network, *, env_steps: int, discount: float) -> "DueEvaluation":
        """Return one of a network as it is now, which may change afterwards."""
        weights = {name: array.copy() for name, array in network.arrays().items()}
        return cls(env_steps=env_steps, discount=discount, weights=weights)


class Player:
    """The far end: a network that takes in weights, and plays."""

    def __init__(self, config: RunConfig, spec: EnvSpec, *, device: str, tiers: TierConfig) -> None:
        """Play on the device of this name; what `tiers` holds of earlier games is taken from there."""
        with ExitStack() as opened:
            tier = open_tier(tiers)
            if tier is not None:
                opened.enter_context(closing(tier))
            self._network = Network(config.agent.model, spec).to(choose_device(device))
            self._held = opened.pop_all()
        self._config = config
        self._results = None if tier is None else ResultCache(tier=tier)

    def play(self, should_stop: ShouldStop, due: DueEvaluation, folder: Path) -> Evaluation | None:
        """Play an evaluation; None where it is to end early."""
        self._network.load_arrays(due.weights)
        return play_evaluation(
            self._config,
            self._network,
            env_steps=due.env_steps,
            discount=due.discount,
            folder=folder,
            on_step=lambda: None,
            should_stop=should_stop,
            results=self._results,
        )

    def close(self) -> None:
        """Close the tier."""
        self._held.close()
