"""Encoders, transformer, heads, supports and losses; knows a context's layout, not who lives in which slot."""

from kvzero.model.activity import UnitActivity, rank_shares
from kvzero.model.config import DEFAULT_MAX_TOKENS, SIMNORM_GROUP, ModelConfig, WindowSlide
from kvzero.model.dropout import NO_DROPOUT, Dropout
from kvzero.model.encoders import build_encoder
from kvzero.model.gaussian import Gaussian, read_gaussian
from kvzero.model.losses import (
    LOSS_WEIGHTS,
    LatentLoss,
    Losses,
    LossWeights,
    MeanLosses,
    cross_entropy,
    entropy,
    latent_distance,
    masked_mean,
    weigh_losses,
)
from kvzero.model.native import Drawing, NativeEngine, NativeSearch
from kvzero.model.network import Network, Predictions, RootReading
from kvzero.model.one_pass import ActionReadings, NodeReadings, OnePassStepper, PassLayout, lay_out_pass
from kvzero.model.shift_error import ShiftError, shift_error
from kvzero.model.sliding_stepper import SlidingStepper, build_stepper, expand_nodes
from kvzero.model.stepper import Expansion, NodeStepper
from kvzero.model.support import Support, compress, expand
from kvzero.model.transformer import band_mask
from kvzero.model.weights import Affine, HeadWeights, LayerWeights, PassWeights, look_up_weights

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "LOSS_WEIGHTS",
    "NO_DROPOUT",
    "SIMNORM_GROUP",
    "ActionReadings",
    "Affine",
    "Drawing",
    "Dropout",
    "Expansion",
    "Gaussian",
    "HeadWeights",
    "LatentLoss",
    "LayerWeights",
    "LossWeights",
    "Losses",
    "MeanLosses",
    "ModelConfig",
    "NativeEngine",
    "NativeSearch",
    "Network",
    "NodeReadings",
    "NodeStepper",
    "OnePassStepper",
    "PassLayout",
    "PassWeights",
    "Predictions",
    "RootReading",
    "ShiftError",
    "SlidingStepper",
    "Support",
    "UnitActivity",
    "WindowSlide",
    "band_mask",
    "build_encoder",
    "build_stepper",
    "compress",
    "cross_entropy",
    "entropy",
    "expand",
    "expand_nodes",
    "latent_distance",
    "lay_out_pass",
    "look_up_weights",
    "masked_mean",
    "rank_shares",
    "read_gaussian",
    "shift_error",
    "weigh_losses",
]
