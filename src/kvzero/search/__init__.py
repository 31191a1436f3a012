"""Planning: trees as arrays, PUCT, and what to make of visit counts. Knows no network."""

from kvzero.search.config import SearchConfig
from kvzero.search.device_search import DeviceEvaluation, DeviceExpander, DeviceLeaves, DeviceSearch
from kvzero.search.expander import CompiledExpander, Evaluation, Expander, Leaves, MachineCode, Roots
from kvzero.search.kernels import kernel
from kvzero.search.policies import greedy_actions, sample_actions, visit_policy
from kvzero.search.simulation import Outcome, search
from kvzero.search.tree import Tree

__all__ = [
    "CompiledExpander",
    "DeviceEvaluation",
    "DeviceExpander",
    "DeviceLeaves",
    "DeviceSearch",
    "Evaluation",
    "Expander",
    "Leaves",
    "MachineCode",
    "Outcome",
    "Roots",
    "SearchConfig",
    "Tree",
    "greedy_actions",
    "kernel",
    "sample_actions",
    "search",
    "visit_policy",
]
