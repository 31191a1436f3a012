"""What a manager writes into a folder and reads from it: settings and tables as JSON, contexts as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from kvzero.cache.pools.config import ManagerSettings
from kvzero.cache.pools.pool import PoolState
from kvzero.cache.pools.slots import SavedTable
from kvzero.cache.pools.stats import Counters
from kvzero.errors import CheckpointError, ConfigError
from kvzero.files import read_sealed, write_sealed
from kvzero.records import structure, unstructure

__all__ = ["SavedManager", "read_manager", "write_manager"]

KIND = "pools"
FORMAT = 1
CONTEXTS = "contexts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedManager:
    """All that a manager is."""

    settings: ManagerSettings
    """What it was made from."""

    env_num: int
    """Environments that it serves."""

    stats_enabled: bool
    """Whether it counts."""

    dtype: torch.dtype
    """Number type of keys and values."""

    pools: tuple[PoolState, ...]
    """Its pools."""

    periods: tuple[tuple[int, int, int, int], ...]
    """How far what adapts the sizes of pools has come."""


def write_manager(manager: SavedManager, folder: Path, made_by: bytes) -> None:
    """Write a manager whose contexts were `made_by` this.

    Raises:
        RunError: if the folder cannot be written.
    """
    content = {
        "made_by": made_by.hex(),
        "settings": unstructure(manager.settings),
        "env_num": manager.env_num,
        "stats_enabled": manager.stats_enabled,
        "dtype": str(manager.dtype).removeprefix("torch."),
        "pools": [_describe(pool) for pool in manager.pools],
        "periods": manager.periods,
    }
    tensors = {f"{pool}.{part}": tensor for pool, state in enumerate(manager.pools) for part, tensor in _named(state)}
    write_sealed(folder, kind=KIND, newest_format=FORMAT, content=content, files={CONTEXTS: save(tensors)})


def read_manager(folder: Path, made_by: bytes) -> SavedManager:
    """Return the manager that `write_manager` wrote.

    Raises:
        CheckpointError: if the folder is missing or damaged, its contexts were not `made_by` this, or it is of a newer
            format.
    """
    sealed = read_sealed(folder, kind=KIND, newest_format=FORMAT)
    found = sealed.content
    if found["made_by"] != made_by.hex():
        raise CheckpointError(
            f"contexts in {folder} were made by {found['made_by'] or 'nobody who is named'}, not by "
            f"{made_by.hex() or 'nobody who is named'}; weights cannot read what others made: begin with empty pools"
        )
    tensors = load(sealed.read(CONTEXTS))
    try:
        return SavedManager(
            settings=structure(found["settings"], ManagerSettings),
            env_num=found["env_num"],
            stats_enabled=found["stats_enabled"],
            dtype=getattr(torch, found["dtype"]),
            pools=tuple(_read_pool(state, tensors, str(pool)) for pool, state in enumerate(found["pools"])),
            periods=tuple((period[0], period[1], period[2], period[3]) for period in found["periods"]),
        )
    except (ConfigError, KeyError) as error:  # whole, and yet not what is understood here
        raise CheckpointError(f"{folder} cannot be read ({error}); it is from another version") from error


def _describe(state: PoolState) -> dict[str, Any]:
    counters = None if state.counters is None else unstructure(state.counters)
    return {"table": unstructure(state.table), "sizes": state.sizes, "counters": counters}


def _named(state: PoolState) -> list[tuple[str, torch.Tensor]]:
    return [(str(part), tensor.cpu()) for part, tensor in enumerate(state.parts)]


def _read_pool(found: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str) -> PoolState:
    num_parts = sum(part.startswith(f"{name}.") for part in tensors)
    return PoolState(
        table=structure(found["table"], SavedTable),
        sizes=tuple(found["sizes"]),
        counters=None if found["counters"] is None else structure(found["counters"], Counters),
        parts=tuple(tensors[f"{name}.{part}"] for part in range(num_parts)),
    )
