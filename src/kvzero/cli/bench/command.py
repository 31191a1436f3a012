"""Which benchmark is run."""

from collections.abc import Callable, Sequence

from kvzero.cli.bench.codecs import bench_codecs
from kvzero.cli.bench.search import bench_search
from kvzero.cli.bench.suite import bench_suite
from kvzero.cli.bench.train import bench_train
from kvzero.errors import ConfigError

__all__ = ["bench"]

BENCHMARKS: dict[str, Callable[[Sequence[str]], int]] = {
    "codecs": bench_codecs,
    "search": bench_search,
    "suite": bench_suite,
    "train": bench_train,
}


def bench(arguments: Sequence[str]) -> int:
    """Run `kvzero bench codecs`, `kvzero bench search`, `kvzero bench suite` or `kvzero bench train`."""
    if not arguments or arguments[0] not in BENCHMARKS:
        raise ConfigError(f"say what to measure: {', '.join(f'kvzero bench {name}' for name in BENCHMARKS)}")
    return BENCHMARKS[arguments[0]](arguments[1:])
