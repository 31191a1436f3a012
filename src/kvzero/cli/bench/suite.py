"""`kvzero bench suite`: the shapes of the documentation in both number types, against the peer, in one table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kvzero.bench import CASES, measure_search
from kvzero.checks import check_field
from kvzero.cli.bench.output import describe, write
from kvzero.cli.bench.search import SearchCommand
from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.engines import EngineKind
from kvzero.errors import RunError
from kvzero.files import write_atomically

__all__ = ["bench_suite", "table"]

FIGURES_FILE = "suite.json"

TITLES = (
    "Environments, E",
    "Number type",
    "kvzero, simulations/s",
    "mctx, simulations/s",
    "Ratio (lowest to highest pair)",
    "Floor, ms per simulation",
    "Share of the floor",
    "KV bytes per environment",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCommand:
    """Measure the shapes of the documentation, each in float32 and bfloat16, in turns with mctx (extra `bench`)."""

    out: Path = Path("results/bench")
    """Folder that `suite.json` and `suite.md` are written into."""

    num_threads: int | None = None
    """Threads of PyTorch and of the peer; as many as PyTorch chooses if not given."""

    num_pairs: int | None = None
    """Pairs of turns per row; 8 if not given."""

    num_rows: int | None = None
    """Measure the first so many rows only; all if not given."""

    device: str = "cpu"
    """Where kvzero and the peer search."""

    engine: EngineKind = "auto"
    """What computes kvzero's searches, as in `kvzero bench search`."""

    one_pass: bool = False
    """engine=device only: pass a new node's latent and all its actions together, one pass to a simulation."""

    resume: bool = False
    """Keep the rows that `suite.json` holds already, if they were measured here with the same flags."""

    def __post_init__(self) -> None:
        for name in ("num_threads", "num_pairs", "num_rows"):
            check_field(self, name, lambda value: value is None or value >= 1, "give at least 1")


def bench_suite(arguments: Sequence[str]) -> int:
    """Run `kvzero bench suite`; what was measured so far is written after each row."""
    command = parse(SuiteCommand, arguments, prog="kvzero bench suite")
    refuse_folder(command.out / FIGURES_FILE)
    surroundings, rows = describe(command), list[dict[str, Any]]()
    held = _read_rows(command.out / FIGURES_FILE, surroundings) if command.resume else []
    print(table(rows), end="")
    for case in CASES[: command.num_rows]:
        rows.append(_find(held, _asked(command, case)) or _measure_case(command, case))
        print(table(rows).splitlines()[-1], flush=True)
        write(surroundings | {"cases": rows}, command.out / FIGURES_FILE)
        write_atomically(command.out / "suite.md", table(rows).encode())
    return 0


def _asked(command: SuiteCommand, case: Mapping[str, Any]) -> SearchCommand:
    """Return the flags of one row."""
    names = ("num_threads", "num_pairs", "device", "engine", "one_pass")
    return replace(SearchCommand(peer="mctx"), **{name: getattr(command, name) for name in names}, **case)


def _measure_case(command: SuiteCommand, case: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures and the flags of one row."""
    asked = _asked(command, case)
    return {**asdict(measure_search(asked)), "config": asdict(asked)}


def _read_rows(path: Path, surroundings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that were measured on this machine with these versions; none where there is no such file."""
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        is_here = all(found[name] == surroundings[name] for name in ("torch", "device_name")) and all(
            found["machine"][name] == surroundings["machine"][name] for name in ("processor", "versions")
        )
        rows = [dict(row) for row in found["cases"] if "config" in row]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} holds no rows of a suite ({error!r}); delete it, or leave --resume out") from error
    return rows if is_here else []


def _find(rows: Sequence[dict[str, Any]], asked: SearchCommand) -> dict[str, Any] | None:
    """Return the row that was measured with these flags."""
    return next((row for row in rows if row["config"] == asdict(asked)), None)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures as a table in Markdown."""
    rule = "|---" * len(TITLES) + "|"
    return "\n".join([f"| {' | '.join(TITLES)} |", rule, *(_row(row, row["config"]) for row in rows)]) + "\n"


def _row(row: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    heads = "" if config["head_expansion"] == 1 else f", heads of {config['head_expansion']} E"
    cells = [
        f"{config['num_envs']}, {config['embed_dim']}{heads}",
        config["dtype"],
        f"{row['simulations_per_second']:,.0f}",
        f"{row['peer_simulations_per_second']:,.0f} ({row['peer_dtype']})",
        f"{row['peer_ratio_median']:.2f} ({row['peer_ratio_min']:.2f} to {row['peer_ratio_max']:.2f})",
        f"{row['floor_milliseconds']:.3f} ({row['floor_way']})",
        f"{row['floor_share']:.0%}",
        f"{row['kv_bytes_per_env']:,}",
    ]
    return f"| {' | '.join(cells)} |"
