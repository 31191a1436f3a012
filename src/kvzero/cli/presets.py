"""`kvzero presets`: what can be trained by name."""

from collections.abc import Sequence

import tyro
from rich.console import Console
from rich.table import Table

from kvzero.recipes import PRESETS

__all__ = ["presets"]


def _nothing() -> None:
    """List the presets, their environments and sizes."""


def presets(arguments: Sequence[str]) -> int:
    """Print a table of the presets."""
    tyro.cli(_nothing, args=list(arguments), prog="kvzero presets")
    table = Table("preset", "environment", "steps", "width", "layers", "context", "what it is", box=None)
    for name, build in PRESETS.items():
        config = build()
        model = config.agent.model
        sizes = (config.schedule.total_env_steps, model.embed_dim, model.num_layers, model.context_tokens)
        about = (build.__doc__ or "").splitlines()[0]
        table.add_row(name, config.env.env_id, *(f"{size:,}" for size in sizes), about)
    Console().print(table)
    return 0
