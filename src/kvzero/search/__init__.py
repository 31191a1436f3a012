"""Planning: trees as arrays, rules that grow them, and what to make of what was found. Knows no network."""

from kvzero.search.config import GumbelConfig, PuctConfig, RuleKind, SearchConfig
from kvzero.search.device_search import DeviceEvaluation, DeviceExpander, DeviceLeaves, DeviceSearch
from kvzero.search.expander import CompiledExpander, Evaluation, Expander, Leaves, MachineCode, Roots
from kvzero.search.kernels import kernel
from kvzero.search.rules import Decision, Rule
from kvzero.search.simulation import Outcome, search
from kvzero.search.tree import Tree

__all__ = [
    "CompiledExpander",
    "Decision",
    "DeviceEvaluation",
    "DeviceExpander",
    "DeviceLeaves",
    "DeviceSearch",
    "Evaluation",
    "Expander",
    "GumbelConfig",
    "Leaves",
    "MachineCode",
    "Outcome",
    "PuctConfig",
    "Roots",
    "Rule",
    "RuleKind",
    "SearchConfig",
    "Tree",
    "kernel",
    "search",
]
