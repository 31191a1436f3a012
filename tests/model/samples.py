"""Small networks none of whose weights is zero, so that no mistake drowns."""

import torch

from kvzero.model import ModelConfig, Network
from kvzero.model.transformer import Transformer
from kvzero.records import EnvSpec

VECTOR = EnvSpec(observation_shape=(5,), num_actions=3)
SMALL = ModelConfig(embed_dim=24, num_layers=2, num_heads=3, context_tokens=6, support_size=11, encoder_width=13)


def random_network(config: ModelConfig = SMALL, spec: EnvSpec = VECTOR, *, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return scatter(Network(config, spec))


def random_transformer(config: ModelConfig = SMALL, *, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return scatter(Transformer(config))


def scatter(module):
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(torch.randn_like(weights) * 0.15)
    return module
