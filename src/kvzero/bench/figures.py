"""What a benchmark of the search found out, under the names that others read it by."""

import statistics
from dataclasses import dataclass, replace

from kvzero.bench.config import NumberType, SearchBench
from kvzero.bench.floor import Floor
from kvzero.bench.own import OwnSearch
from kvzero.bench.peers import Peer
from kvzero.bench.turns import Pair

__all__ = ["SearchFigures", "read_contest", "read_searches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFigures:
    """What was measured; times are medians over searches."""

    engine: str
    """What computed the search: native, device or eager."""
    simulations_per_second: float
    """Simulations of all environments together."""
    simulations_per_second_p10: float
    """The tenth of the searches that was slowest did no more than this."""
    simulations_per_second_p90: float
    """The tenth of the searches that was fastest did at least this."""
    milliseconds_per_simulation: float
    """Time of one simulation, in which every environment gains a node."""
    env_steps_per_second: float
    """Environment steps that could be planned for, observing included."""
    floor_milliseconds: float
    """Time of the linear layers of one simulation alone, computed in the fastest way known."""
    floor_way: str
    """That way."""
    floor_share: float
    """Share of a simulation's time that the floor is: 1 would be a search that costs its linear layers only."""
    kv_bytes_per_env: int
    """Keys and values held per environment."""
    num_threads: int
    """Threads that PyTorch, and the peer, used."""
    peer: str | None = None
    """The library that searched the same shape in turns with kvzero."""
    peer_dtype: NumberType | None = None
    """Number type in which the peer was faster, and searched."""
    peer_heats: dict[NumberType, float] | None = None
    """The peer's simulations per second in each number type that was tried, before the turns."""
    peer_simulations_per_second: float | None = None
    """The peer's simulations of all environments together; median over its searches."""
    peer_ratio_median: float | None = None
    """How many times as fast as the peer kvzero was; median over pairs of turns."""
    peer_ratio_min: float | None = None
    """The ratio in the pair that was worst for kvzero."""
    peer_ratio_max: float | None = None
    """The ratio in the pair that was best for kvzero."""
    peer_ratios: tuple[float, ...] | None = None
    """The ratio in every pair, in order."""


def read_searches(
    config: SearchBench, ours: OwnSearch, seconds: list[float], floor: Floor, *, num_threads: int
) -> SearchFigures:
    """Return the figures of our own searches, which took so many seconds each."""
    simulations = config.num_simulations * config.num_envs
    rates = sorted(simulations / each for each in seconds)
    milliseconds = 1000 * statistics.median(seconds) / config.num_simulations
    return SearchFigures(
        engine=ours.engine,
        simulations_per_second=round(statistics.median(rates), 1),
        simulations_per_second_p10=round(rates[len(rates) // 10], 1),
        simulations_per_second_p90=round(rates[-1 - len(rates) // 10], 1),
        milliseconds_per_simulation=round(milliseconds, 4),
        env_steps_per_second=round(config.num_envs / statistics.median(ours.step_seconds), 1),
        floor_milliseconds=round(floor.milliseconds, 4),
        floor_way=floor.way,
        floor_share=round(floor.milliseconds / milliseconds, 3),
        kv_bytes_per_env=ours.kv_bytes // config.num_envs,
        num_threads=num_threads,
    )


def read_contest(config: SearchBench, figures: SearchFigures, peer: Peer, pairs: list[Pair]) -> SearchFigures:
    """Return the figures with those of the peer beside them."""
    simulations = config.num_simulations * config.num_envs
    ratios = [pair.ratio for pair in pairs]
    seconds = statistics.median(each for pair in pairs for each in pair.peers)
    return replace(
        figures,
        peer=config.peer,
        peer_dtype=peer.dtype,
        peer_heats=peer.heats,
        peer_simulations_per_second=round(simulations / seconds, 1),
        peer_ratio_median=round(statistics.median(ratios), 3),
        peer_ratio_min=round(min(ratios), 3),
        peer_ratio_max=round(max(ratios), 3),
        peer_ratios=tuple(round(ratio, 3) for ratio in ratios),
    )
