"""Rules as a search on a device needs them: in tensors there, and on the host what is drawn before and read after.

A rule that is to run on devices is a file here, beside its file in `rules`, and a line in each of the two tables.
"""

from collections.abc import Callable

from kvzero.errors import EngineError
from kvzero.search.config import RuleKind, SearchConfig
from kvzero.search.device_rules.device_rule import HostHalf, TensorHalf
from kvzero.search.device_rules.gumbel import GumbelHost, GumbelTensors
from kvzero.search.device_rules.puct import PuctHost, PuctTensors
from kvzero.search.device_tree import Workspace

__all__ = ["HostHalf", "TensorHalf", "make_host_half", "make_tensor_half"]

HOST_HALVES: dict[RuleKind, Callable[[SearchConfig], HostHalf]] = {
    "puct": PuctHost,
    "gumbel": GumbelHost,
}

TENSOR_HALVES: dict[RuleKind, Callable[[Workspace], TensorHalf]] = {
    "puct": PuctTensors,
    "gumbel": GumbelTensors,
}


def make_host_half(config: SearchConfig) -> HostHalf:
    """Return what the rule that a config asks for does on the host.

    Raises:
        EngineError: if the rule is not written for devices.
    """
    if config.rule not in HOST_HALVES:
        raise EngineError(f"the rule is {config.rule}; searches on the device know {' and '.join(HOST_HALVES)} only")
    return HOST_HALVES[config.rule](config)


def make_tensor_half(kind: RuleKind, workspace: Workspace) -> TensorHalf:
    """Return what a rule does on the device, in the tensors of a workspace."""
    return TENSOR_HALVES[kind](workspace)
