"""Encoders, transformer, heads, supports and losses; knows a context's layout, not who lives in which slot."""

from kvzero.model.analysis import ShiftError, UnitActivity, rank_shares, shift_error
from kvzero.model.config import DEFAULT_MAX_TOKENS, SIMNORM_GROUP, ModelConfig, WindowSlide
from kvzero.model.devices import choose_device
from kvzero.model.dropout import NO_DROPOUT, Dropout
from kvzero.model.encoders import build_encoder, check_images
from kvzero.model.gaussian import Gaussian, read_gaussian
from kvzero.model.heads import activate
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
from kvzero.model.native import Drawing, NativeNetwork, NativeSearch
from kvzero.model.native import load_library as load_native_library
from kvzero.model.network import Network, Predictions, RootReading
from kvzero.model.passes import (
    ActionReadings,
    Affine,
    Expansion,
    HeadWeights,
    LayerWeights,
    NodeReadings,
    NodeStepper,
    OnePassStepper,
    PassLayout,
    PassWeights,
    SlidingStepper,
    build_stepper,
    expand_nodes,
    lay_out_pass,
    look_up_weights,
)
from kvzero.model.support import Support, compress, decompress
from kvzero.model.transformer import band_mask

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
    "NativeNetwork",
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
    "activate",
    "band_mask",
    "build_encoder",
    "build_stepper",
    "check_images",
    "choose_device",
    "compress",
    "cross_entropy",
    "decompress",
    "entropy",
    "expand_nodes",
    "latent_distance",
    "lay_out_pass",
    "load_native_library",
    "look_up_weights",
    "masked_mean",
    "rank_shares",
    "read_gaussian",
    "shift_error",
    "weigh_losses",
]
