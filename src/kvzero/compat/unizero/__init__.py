"""UniZero's own interface: a world model with its caches, for code that was written against it."""

from kvzero.compat.unizero.inference import InitialInference, RecurrentInference
from kvzero.compat.unizero.loss import LossTargets
from kvzero.compat.unizero.tokenizer import Tokenizer
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.compat.unizero.world_model import WorldModel

__all__ = [
    "InitialInference",
    "LossTargets",
    "RecurrentInference",
    "Tokenizer",
    "TransformerConfig",
    "WorldModel",
]
