"""Which device a network lives on."""

import torch

from kvzero.errors import DeviceError

__all__ = ["choose_device"]


def choose_device(name: str | torch.device) -> torch.device:
    """Return the device called `name`, or for `auto` the best that this machine has.

    Raises:
        DeviceError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device is {name!r}; choose auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise DeviceError(
            f"device is {name!r}, but this machine offers {torch.cuda.device_count()} CUDA devices to this "
            "build of PyTorch; use --device cpu, or install a CUDA build"
        )
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device is {name!r}; kvzero runs on cpu and cuda")
    return device
