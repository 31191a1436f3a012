"""Passes of new tokens through the network in a search: two for each node, or one with all actions."""

from kvzero.model.passes.one_pass import ActionReadings, NodeReadings, OnePassStepper, PassLayout, lay_out_pass
from kvzero.model.passes.sliding_stepper import SlidingStepper, build_stepper, expand_nodes
from kvzero.model.passes.stepper import Expansion, NodeStepper
from kvzero.model.passes.weights import Affine, HeadWeights, LayerWeights, PassWeights, look_up_weights

__all__ = [
    "ActionReadings",
    "Affine",
    "Expansion",
    "HeadWeights",
    "LayerWeights",
    "NodeReadings",
    "NodeStepper",
    "OnePassStepper",
    "PassLayout",
    "PassWeights",
    "SlidingStepper",
    "build_stepper",
    "expand_nodes",
    "lay_out_pass",
    "look_up_weights",
]
