"""Simulations per second of a whole search, on this machine, for any shape."""

import numpy as np

from kvzero.bench.config import SearchBench
from kvzero.bench.figures import SearchFigures, read_contest, read_searches
from kvzero.bench.floor import FloorMeter, native_ways, torch_ways
from kvzero.bench.own import OwnSearch
from kvzero.bench.peers import Peer, find_peer, find_peer_floor
from kvzero.bench.threads import torch_threads
from kvzero.bench.turns import Pair, compete, take_turn

__all__ = ["measure_search"]

WARM_UP_SEARCHES = 3
NUM_BLOCKS = 5
"""Blocks of searches between which the floor is measured, so that both meet the same machine."""


def measure_search(config: SearchBench) -> SearchFigures:
    """Run the benchmark.

    Raises:
        ConfigError: if the shape cannot work, or the peer is not installed.
        DeviceError: if there is no such device.
    """
    with torch_threads(config.num_threads) as num_threads:
        ours = OwnSearch(config)
        for _ in range(WARM_UP_SEARCHES):
            ours.search()
        if config.peer is None:
            return _measure_alone(config, ours, num_threads)
        return _measure_with(find_peer(config, num_threads), config, ours, num_threads)


def _measure_alone(config: SearchBench, ours: OwnSearch, num_threads: int) -> SearchFigures:
    meter, seconds = FloorMeter(torch_ways(config) | native_ways(config)), list[float]()
    ours.step_seconds.clear()
    for block in np.array_split(np.arange(config.num_searches), min(NUM_BLOCKS, config.num_searches)):
        seconds += take_turn(ours, num_searches=len(block), min_seconds=0.0)
        meter.measure()
    return read_searches(config, ours, seconds, meter.floor, num_threads=num_threads)


def _measure_with(peer: Peer, config: SearchBench, ours: OwnSearch, num_threads: int) -> SearchFigures:
    meter, pairs = FloorMeter(torch_ways(config) | native_ways(config) | find_peer_floor(config)), list[Pair]()
    ours.step_seconds.clear()
    num_searches = -(-config.num_searches // config.pairs)
    for pair in compete(ours, peer.searcher, num_pairs=config.pairs, num_searches=num_searches):
        pairs.append(pair)
        meter.measure()
    seconds = [each for pair in pairs for each in pair.ours]
    figures = read_searches(config, ours, seconds, meter.floor, num_threads=num_threads)
    return read_contest(config, figures, peer, pairs)
