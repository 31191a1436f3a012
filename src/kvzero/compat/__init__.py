"""Other libraries' ways of saying things, read into kvzero's own: LightZero's configs, and UniZero's world model."""

from kvzero.compat.lightzero import LightZeroWarning, load_config, load_file
from kvzero.compat.unizero import (
    InitialInference,
    LossTargets,
    RecurrentInference,
    Tokenizer,
    TransformerConfig,
    WorldModel,
)

__all__ = [
    "InitialInference",
    "LightZeroWarning",
    "LossTargets",
    "RecurrentInference",
    "Tokenizer",
    "TransformerConfig",
    "WorldModel",
    "load_config",
    "load_file",
]
