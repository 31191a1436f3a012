"""How figures reach people and programs: a table, one JSON object, a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from kvzero.cli.streams import make_console
from kvzero.files import make_parent, write_atomically
from kvzero.model import choose_device
from kvzero.reports import machine_facts

__all__ = ["describe", "say", "show", "write"]

PEER_PACKAGES = ("jax", "jaxlib", "mctx")


def describe(config: Any) -> dict[str, Any]:
    """Return what figures depend on: the flags, the machine, its graphics card if that was measured, the versions.

    Raises:
        DeviceError: if there is no such device.
    """
    device = choose_device(config.device)
    return {
        "config": asdict(config),
        "torch": torch.__version__,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "machine": machine_facts(also=PEER_PACKAGES),
    }


def say(found: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(found, default=str))


def write(found: Mapping[str, Any], path: Path | None) -> None:
    """Write the JSON object into a file, if one was asked for.

    Raises:
        RunError: if it cannot be written.
    """
    if path is not None:
        make_parent(path)
        write_atomically(path, (json.dumps(found, default=str, indent=1) + "\n").encode())


def show(title: str, figures: Mapping[str, Any]) -> None:
    """Print figures as a table, without those that were not measured."""
    table = Table("figure", "value", box=None, title=title, title_justify="left")
    for name, value in figures.items():
        if value is not None:
            table.add_row(name, f"{value:,}" if isinstance(value, int | float) else _listed(value))
    make_console().print(table, soft_wrap=False)


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number:,}" for key, number in value.items())
    if isinstance(value, tuple):
        return ", ".join(f"{number:,}" for number in value)
    return str(value)
