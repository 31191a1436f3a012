"""`kvzero export`: an agent taken out of its run, as one file to hand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kvzero.cli.parse import parse
from kvzero.cli.places import refuse_folder
from kvzero.cli.streams import make_console
from kvzero.training import export_run

__all__ = ["export"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Write the agent of a run into one file, with all that is to be known of it, and a card."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""

    checkpoint: str | None = None
    """Name of the checkpoint to take, such as step_0000010000_0000004750; the newest one if not given."""

    out: Path
    """File to write, such as agent.safetensors; the card, agent.md, goes beside it. An exported agent is replaced."""

    licence: str | None = None
    """Licence that you hand it on under, such as Apache-2.0; the card says that none is stated if not given."""


def export(arguments: Sequence[str]) -> int:
    """Run `kvzero export`."""
    request = parse(Export, arguments, prog="kvzero export")
    refuse_folder(request.out, such_as="agent.safetensors")
    card = export_run(request.run, request.out, checkpoint=request.checkpoint, licence=request.licence)
    size = request.out.stat().st_size
    make_console().print(f"agent in {request.out}, {size / 1e6:,.2f} MB; card in {card}")
    return 0
