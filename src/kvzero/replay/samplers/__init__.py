"""Samplers: what chooses the steps that segments start at. Each is a file here and a line in `SAMPLERS`."""

from collections.abc import Callable

from kvzero.replay.config import ReplayConfig, SamplerKind
from kvzero.replay.rows import Rows
from kvzero.replay.samplers.prioritised import PrioritisedSampler
from kvzero.replay.samplers.recent import RecentSampler
from kvzero.replay.samplers.sampler import Draw, Sampler
from kvzero.replay.samplers.uniform import UniformSampler

__all__ = ["Draw", "Sampler", "make_sampler"]

SAMPLERS: dict[SamplerKind, Callable[[Rows, ReplayConfig], Sampler]] = {
    "uniform": lambda rows, _: UniformSampler(rows),
    "prioritised": lambda rows, config: PrioritisedSampler(
        rows, alpha=config.priority_alpha, beta=config.priority_beta
    ),
    "recent": lambda rows, config: RecentSampler(
        rows,
        num_rows=config.recent_rows,
        share=config.recent_share,
        final_share=config.recent_share if config.recent_final_share is None else config.recent_final_share,
    ),
}


def make_sampler(config: ReplayConfig, rows: Rows) -> Sampler:
    """Return the sampler of these rows that a config asks for."""
    return SAMPLERS[config.sampler](rows, config)
