"""Encoders, transformer, heads, supports and losses; knows a context's layout, not who lives in which slot."""

from kvzero.model.config import ModelConfig
from kvzero.model.gaussian import Gaussian, read_gaussian
from kvzero.model.losses import LatentLoss, cross_entropy, entropy, latent_distance
from kvzero.model.native import NativeEngine, NativeSearch
from kvzero.model.network import Network, Predictions, RootReading
from kvzero.model.sliding_stepper import SlidingStepper, build_stepper
from kvzero.model.stepper import Expansion, NodeStepper
from kvzero.model.support import Support, compress, expand
from kvzero.model.transformer import band_mask

__all__ = [
    "Expansion",
    "Gaussian",
    "LatentLoss",
    "ModelConfig",
    "NativeEngine",
    "NativeSearch",
    "Network",
    "NodeStepper",
    "Predictions",
    "RootReading",
    "SlidingStepper",
    "Support",
    "band_mask",
    "build_stepper",
    "compress",
    "cross_entropy",
    "entropy",
    "expand",
    "latent_distance",
    "read_gaussian",
]
