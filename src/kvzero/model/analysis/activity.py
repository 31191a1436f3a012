"""How much of a network is in use: units that hardly ever fire, and matrices of low rank."""

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from kvzero.model.encoders import ResidualBlock
from kvzero.model.heads import PairedHead, activate
from kvzero.model.network import Network

__all__ = ["UnitActivity", "rank_shares"]

IMAGE_AXES = 4
"""Axes of the features of images: `[batch, channel, height, width]`; a channel is a unit there."""


class UnitActivity:
    """Watches a network from now on, and tells which of its units were dormant in its newest passes with gradients.

    In a `with` statement it watches to the end of that.
    """

    def __init__(self, network: Network) -> None:
        """Put a hook on whatever ends in a nonlinearity."""
        self._means: dict[str, dict[int, Tensor]] = {}  # of each layer's units, by part and place
        self._hooks: list[RemovableHandle] = []
        for part, modules in _parts(network).items():
            for place, (layer, activation) in enumerate(_layers(modules)):
                hook = _Hook(self._means.setdefault(part, {}), place, activation)
                self._hooks.append(layer.register_forward_hook(hook))

    def __enter__(self) -> "UnitActivity":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def dormant_shares(self, threshold: float) -> dict[str, float]:
        """Return, for each part that was passed, the share of units whose score is not above the threshold.

        The score is the unit's mean absolute activation over that of its layer's mean unit (Sokar et al. 2023, eq. 1).
        """
        shares = {}
        for part, layers in self._means.items():
            dormant = [means <= threshold * means.mean() for means in layers.values()]
            if dormant:
                shares[part] = float(torch.cat(dormant).float().mean())
        return shares


class _Hook:
    """Keeps the mean absolute activation of one layer's units."""

    def __init__(self, means: dict[int, Tensor], place: int, activation: Callable[[Tensor], Tensor]) -> None:
        self._means = means
        self._place = place
        self._activation = activation

    def __call__(self, module: nn.Module, passed: object, output: Tensor) -> None:
        del module, passed
        if torch.is_grad_enabled():
            self._means[self._place] = _mean_activity(self._activation(output.detach()))


def rank_shares(network: Network) -> dict[str, float]:
    """Return, for each part, the mean effective rank of its matrices over their full rank, from 0 to 1.

    The effective rank is `exp(H)` of the singular values' shares (Roy & Vetterli 2007); kernels count as matrices with
    a row for each channel that they make.
    """
    shares = {}
    for part, modules in _parts(network).items():
        matrices = [layer.weight.flatten(1) for layer in _weighted(modules)]
        shares[part] = sum(map(_rank_share, matrices)) / len(matrices)
    return shares


def _rank_share(matrix: Tensor) -> float:
    singular = torch.linalg.svdvals(matrix.detach().float())
    shares = singular / singular.sum().clamp(min=torch.finfo(singular.dtype).tiny)
    return float(torch.special.entr(shares).sum().exp()) / len(singular)


def _mean_activity(activations: Float[Tensor, "batch *feature"]) -> Float[Tensor, " unit"]:
    unit = 1 if activations.ndim == IMAGE_AXES else -1
    return activations.abs().movedim(unit, 0).flatten(1).mean(1)


def _parts(network: Network) -> Mapping[str, list[nn.Module]]:
    heads = [*network.action_head.modules(), *network.latent_head.modules()]
    return {
        "encoder": list(network.encoder.modules()),
        "transformer": list(network.transformer.modules()),
        "heads": heads,
    }


def _layers(modules: list[nn.Module]) -> Iterator[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
    """Return what gives the units of these modules, and what is still to be done to its output."""
    for module in modules:
        if isinstance(module, nn.ReLU | nn.GELU | ResidualBlock):
            yield module, _as_it_is
        elif isinstance(module, PairedHead):
            yield module.hidden, activate


def _weighted(modules: list[nn.Module]) -> list[nn.Linear | nn.Conv2d]:
    return [module for module in modules if isinstance(module, nn.Linear | nn.Conv2d)]


def _as_it_is(activations: Tensor) -> Tensor:
    return activations
