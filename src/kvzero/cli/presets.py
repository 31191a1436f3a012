"""`kvzero presets`: what can be trained by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from kvzero.cli.parse import parse
from kvzero.cli.streams import make_console
from kvzero.recipes import PRESETS

__all__ = ["presets"]


@dataclass(frozen=True, slots=True)
class Presets:
    """List the presets, their environments and sizes."""


def presets(arguments: Sequence[str]) -> int:
    """Print a table of the presets."""
    parse(Presets, arguments, prog="kvzero presets")
    table = Table(box=None, pad_edge=False)
    for title in ("preset", "environment"):
        table.add_column(title, no_wrap=True)
    for title in ("steps", "width", "layers", "context"):
        table.add_column(title, no_wrap=True, justify="right")
    for name, build in PRESETS.items():
        config = build()
        model = config.agent.model
        sizes = (config.schedule.total_env_steps, model.embed_dim, model.num_layers, model.context_tokens)
        table.add_row(name, config.env.env_id, *(f"{size:,}" for size in sizes))
    console = make_console()
    console.print(table, soft_wrap=False)
    console.print()
    for name, build in PRESETS.items():
        console.print(f"{name}: {(build.__doc__ or '').splitlines()[0]}")
    return 0
