"""The knobs of one search: how many simulations, how they weigh what they find, how much chance at the root."""

from dataclasses import dataclass
from math import isfinite

from kvzero.checks import read_fields
from kvzero.errors import ConfigError

__all__ = ["SearchConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search grows its trees (PUCT of MuZero, Schrittwieser et al. 2020, appendix B)."""

    num_simulations: int = 25
    """Nodes that one search adds below each root; the model is called once for each."""

    discount: float = 0.997
    """Worth of a reward one environment step later; 1 does not discount."""

    pb_c_init: float = 1.25
    """Weight of the prior against the value (c1 of the paper)."""

    pb_c_base: float = 19652.0
    """Visits of a node at which the weight of the prior has visibly grown (c2 of the paper)."""

    dirichlet_alpha: float = 0.3
    """Concentration of the noise on root priors when collecting: the smaller, the fewer actions it favours."""

    noise_weight: float = 0.25
    """Share of the noise in root priors when collecting; 0 leaves the priors as they are."""

    min_value_range: float = 0.01
    """Smallest range that values are scaled by, so that differences far below it stay small."""

    def __post_init__(self) -> None:
        read_fields(self)
        if self.num_simulations < 1:
            raise ConfigError(f"num_simulations is {self.num_simulations}; a search needs at least 1")
        for name, value in (("discount", self.discount), ("noise_weight", self.noise_weight)):
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}; it must lie between 0 and 1")
        if not (self.pb_c_init >= 0 and isfinite(self.pb_c_init)):
            raise ConfigError(f"pb_c_init is {self.pb_c_init}; it must be finite and not negative")
        for name, value in (
            ("pb_c_base", self.pb_c_base),
            ("dirichlet_alpha", self.dirichlet_alpha),
            ("min_value_range", self.min_value_range),
        ):
            if not (value > 0 and isfinite(value)):
                raise ConfigError(f"{name} is {value}; it must be finite and positive")
