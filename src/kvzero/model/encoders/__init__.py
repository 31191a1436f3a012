"""Encoders: one observation in, one latent token out; which one depends on what an environment shows."""

from kvzero.model.encoders.build import build_encoder, check_images
from kvzero.model.encoders.images import ImageEncoder
from kvzero.model.encoders.norms import SimNorm, build_latent_norm
from kvzero.model.encoders.resnet import ResidualBlock
from kvzero.model.encoders.vectors import LARGEST_FEATURE, VectorEncoder

__all__ = [
    "LARGEST_FEATURE",
    "ImageEncoder",
    "ResidualBlock",
    "SimNorm",
    "VectorEncoder",
    "build_encoder",
    "build_latent_norm",
    "check_images",
]
