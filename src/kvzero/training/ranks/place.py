"""Which rank of a run this process is: what torchrun tells it in environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from kvzero.errors import ConfigError, DeviceError
from kvzero.model import choose_device

__all__ = ["Place", "choose_own_device", "find_place", "refuse_ranks"]

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
ADDRESS = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One of several ranks."""

    rank: int
    """Its number among all."""

    num_ranks: int
    """Ranks of the run, over all machines."""

    local_rank: int
    """Its number among those of this machine."""

    num_local_ranks: int
    """Ranks on this machine."""


def refuse_ranks(what: str, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse to do what is called `what` in one of several processes that torchrun started.

    Raises:
        ConfigError: if this is one.
    """
    if environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(f"{what} works in one process; start it without torchrun, or unset WORLD_SIZE")


def find_place(environ: Mapping[str, str] = os.environ) -> Place | None:
    """Return which of several ranks this process is; None where there are no others.

    Raises:
        ConfigError: if the variables that say so are not all there, or contradict each other.
    """
    given = [name for name in NUMBERS if name in environ]
    if not given:
        return None
    missing = [name for name in NUMBERS if name not in environ]
    if missing:
        raise ConfigError(
            f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} set, but {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not: torchrun sets all four; start ranks with "
            "torchrun --nproc-per-node M -m kvzero train ..., or unset them"
        )
    rank, num_ranks, local_rank, num_local_ranks = (_read_number(environ, name) for name in NUMBERS)
    if not (0 <= rank < num_ranks and 0 <= local_rank < num_local_ranks <= num_ranks and local_rank <= rank):
        said = ", ".join(f"{name} {environ[name]}" for name in NUMBERS)
        raise ConfigError(f"there is no such rank: {said}; start ranks with torchrun, which numbers them")
    if num_ranks == 1:
        return None
    if missing := [name for name in ADDRESS if name not in environ]:
        raise ConfigError(
            f"WORLD_SIZE is {num_ranks}, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, "
            "where ranks meet; start them with torchrun, which sets it"
        )
    return Place(rank=rank, num_ranks=num_ranks, local_rank=local_rank, num_local_ranks=num_local_ranks)


def choose_own_device(name: str, place: Place) -> torch.device:
    """Return the device called `name` that belongs to one rank: of a machine's GPUs, that of its local number.

    Raises:
        ConfigError: if one GPU is named for all ranks.
        DeviceError: if there is no such device, or fewer GPUs than ranks on this machine.
    """
    device = choose_device(name)
    if device.type != "cuda":
        return device
    if device.index is not None:
        raise ConfigError(f"device is {name}, but each rank takes the GPU of its own number; give --device cuda")
    if (num_gpus := torch.cuda.device_count()) < place.num_local_ranks:
        raise DeviceError(
            f"{place.num_local_ranks} ranks on this machine need a GPU each, and it has {num_gpus}; start "
            f"torchrun --nproc-per-node {num_gpus}, or give --device cpu"
        )
    return torch.device("cuda", place.local_rank)


def _read_number(environ: Mapping[str, str], name: str) -> int:
    try:
        return int(environ[name])
    except ValueError as error:
        raise ConfigError(f"{name} is {environ[name]!r}, and no number; start ranks with torchrun") from error
