"""The weights that tokens meet on their way through transformer and heads, looked up once and named in order."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kvzero.model.heads import PairedHead, activate
from kvzero.model.network import Network
from kvzero.model.transformer import Block

__all__ = ["Affine", "HeadWeights", "LayerWeights", "PassWeights", "look_up_weights"]


class Affine(NamedTuple):
    """Weight and bias of a linear layer or of a norm."""

    weight: Tensor
    bias: Tensor


class LayerWeights(NamedTuple):
    """The weights of one layer of the transformer, in the order in which they are used."""

    attention_norm: Affine
    project: Affine
    merge: Affine
    mlp_norm: Affine
    widen: Affine
    narrow: Affine


class HeadWeights(NamedTuple):
    """The weights of two prediction heads: their hidden layers in one, and the last layer of each."""

    hidden: Affine
    first: Affine
    second: Affine

    def hide(self, tokens: Float[Tensor, "token embed"]) -> tuple[Tensor, ...]:
        """Return what the hidden layers of the first and of the second head make of tokens."""
        return activate(functional.linear(tokens, *self.hidden)).chunk(2, dim=-1)


@dataclass(frozen=True, slots=True)
class PassWeights:
    """All weights that tokens meet on their way through the transformer and the heads."""

    layers: list[LayerWeights]
    final_norm: Affine
    action_head: HeadWeights
    latent_head: HeadWeights


def look_up_weights(network: Network) -> PassWeights:
    """Return the network's own tensors, which follow its weights until it changes its device or number type."""
    return PassWeights(
        [_look_up(block) for block in network.transformer.layers],
        _parameters(network.transformer.final_norm),
        _look_up_head(network.action_head),
        _look_up_head(network.latent_head),
    )


def _look_up(block: Block) -> LayerWeights:
    widen, _, narrow = block.mlp
    modules = (block.attention_norm, block.attention.project, block.attention.merge, block.mlp_norm, widen, narrow)
    return LayerWeights(*map(_parameters, modules))


def _look_up_head(head: PairedHead) -> HeadWeights:
    return HeadWeights(_parameters(head.hidden), _parameters(head.first), _parameters(head.second))


def _parameters(module: nn.Module) -> Affine:
    weight, bias = module.parameters()
    return Affine(weight, bias)
