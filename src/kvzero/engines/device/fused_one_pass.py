"""One-pass expansion on a GPU in a quarter of the launches: kernels of Triton, and products of matrices by PyTorch."""

import logging
from collections.abc import Callable
from subprocess import SubprocessError

import numpy as np
import torch
import triton
from jaxtyping import Float
from torch import Tensor

from kvzero.cache import StaticRows, TreeStore
from kvzero.engines.device import triton_kernels as kernels
from kvzero.engines.device.expanders import ExpanderMemory, Forecasts, OnePassMemory
from kvzero.engines.device.noisy_copy import copy_with_noise
from kvzero.engines.device.products import answer, apply, sum_up
from kvzero.model import SIMNORM_GROUP, Affine, Network, look_up_weights
from kvzero.search import DeviceEvaluation, DeviceLeaves

__all__ = ["FusedMemory", "try_fused_memory"]

logger = logging.getLogger(__name__)

LAYER_NORM_EPSILON = 1e-5

OPTIONS = {"enable_fp_fusion": True}
"""Products and sums may be rounded once: nothing here has to be rounded as on the CPU."""

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25}
"""How far kernels may be from PyTorch's operations, as a share of the largest number."""

SAMPLE_LENGTHS = np.array([1, 999, 34])
"""Tokens of the episodes on which kernels are tried; the first one leaves most of its context empty."""

SMALL_TILE = 1024
"""Numbers of a tile that one warp can hold in its registers, four tiles at a time."""


class FusedMemory:
    """For expanders that do what `OnePassExpander` does, reading and writing the store's arena in place."""

    def __init__(self, store: TreeStore, num_rows: int) -> None:
        self.rows = StaticRows(store, num_rows)
        self.forecasts = Forecasts(store, num_rows)
        self.store = store
        device = store.memory.arena.device
        with torch.inference_mode(mode=False):  # written to in every mode
            self.positions = torch.zeros(num_rows, dtype=torch.int64, device=device)
            self.rewards = torch.zeros(num_rows, device=device)
            self.values = torch.zeros(num_rows, device=device)

    def begin(self, network: Network) -> "FusedExpander":
        """Look up the network's weights and evaluate the actions at the roots."""
        expander = FusedExpander(network, self)
        expander.forecast_roots()
        return expander


class FusedExpander:
    """Looks up what led to one new node per row, and evaluates all actions there; numbers are `OnePassExpander`'s."""

    def __init__(self, network: Network, memory: FusedMemory) -> None:
        self._network = network
        self._weights = look_up_weights(network)
        self._memory = memory
        self._held = memory.forecasts
        self._arena, self._table = memory.store.memory.arena, memory.store.memory.table
        config, self._num_rows = network.config, len(memory.rows)
        _, num_nodes, self._num_actions = self._held.rewards.shape
        self._edges = {"num_nodes": num_nodes, "num_actions": self._num_actions}
        self._width = _pad("embed", config.embed_dim)
        self._context = _pad("context", config.context_tokens)
        half = config.embed_dim // config.num_heads // 2
        self._heads = {"num_heads": config.num_heads, **_pad("half", half), "scale": (2 * half) ** -0.5}
        self._num_bins = config.support_size
        group = SIMNORM_GROUP if config.latent_norm == "simnorm" else 1
        groups = {"embed": config.embed_dim, "group": group, "num_groups": config.embed_dim // group}
        self._norm = groups | {
            "group_lanes": triton.next_power_of_2(groups["num_groups"]),
            "is_simplex": config.latent_norm == "simnorm",
        }

    def forecast_roots(self) -> None:
        """Evaluate all actions at the roots, and keep their keys and values."""
        torch.sub(self._memory.rows.lengths, 1, out=self._memory.positions)
        tokens = self._network.action_table.weight.repeat(self._num_rows, 1)
        self._read(self._pass(tokens, 0, first_token=1), 0, num_values=0)

    def expand(self, leaves: DeviceLeaves) -> DeviceEvaluation:
        """Evaluate node `leaves.node` of every row and keep the keys and values of its latent and its actions."""
        outputs = self._pass(self._open(leaves), leaves.node, first_token=0)
        policies = self._read(outputs, leaves.node, num_values=self._num_rows)
        return DeviceEvaluation(self._memory.rewards, self._memory.values, policies)

    def _open(self, leaves: DeviceLeaves) -> Float[Tensor, "token embed"]:
        """Return the tokens of new nodes; note their positions, their contexts and what led to them."""
        memory, held, rows = self._memory, self._held, self._memory.rows
        tokens = held.latents.new_empty(self._num_rows * (1 + self._num_actions), self._width["embed"])
        kernels.open_nodes[self._num_rows, 1 + self._num_actions](
            *(leaves.parents, leaves.actions, leaves.depths, rows.lengths, rows.table, self._table),
            *(held.rewards, held.latents, self._network.action_table.weight),
            *(tokens, memory.positions, memory.rewards, leaves.node),
            tree_stride=leaves.parents.stride(0),
            **self._edges,
            **self._context,
            **self._width,
            **OPTIONS,
        )
        return tokens

    def _pass(
        self, tokens: Float[Tensor, "token embed"], node: int, *, first_token: int
    ) -> Float[Tensor, "token embed"]:
        """Pass tokens, which are overwritten; return those of all latents, if they were passed, then all actions."""
        sums = bias = None
        for index, layer in enumerate(self._weights.layers):
            projected = apply(self._normalise(tokens, sums, bias, layer.attention_norm), layer.project)
            sums = sum_up(self._attend(projected, node, index, first_token=first_token), layer.merge.weight)
            wide = apply(self._normalise(tokens, sums, layer.merge.bias, layer.mlp_norm), layer.widen, has_gelu=True)
            sums, bias = sum_up(wide, layer.narrow.weight), layer.narrow.bias
        return self._normalise(tokens, sums, bias, self._weights.final_norm, is_sorted=first_token == 0)

    def _normalise(
        self,
        tokens: Float[Tensor, "token embed"],
        sums: Float[Tensor, "slice token embed"] | None,
        bias: Tensor | None,
        norm: Affine,
        *,
        is_sorted: bool = False,
    ) -> Float[Tensor, "token embed"]:
        normed = torch.empty_like(tokens)
        kernels.normalise[len(tokens),](
            *(tokens, tokens if sums is None else sums, tokens if bias is None else bias, *norm, normed),
            epsilon=LAYER_NORM_EPSILON,
            num_sums=0 if sums is None else len(sums),
            is_sorted=is_sorted,
            tokens_per_row=1 + self._num_actions,
            **self._width,
            **OPTIONS,
        )
        return normed

    def _attend(
        self, projected: Float[Tensor, "token three_embed"], node: int, layer: int, *, first_token: int
    ) -> Float[Tensor, "token embed"]:
        rows, num_tokens = self._memory.rows, 1 + self._num_actions - first_token
        mixed = projected.new_empty(len(projected), self._width["embed"])
        kernels.attend[self._num_rows, self._heads["num_heads"], num_tokens](
            *(projected, self._network.transformer.positions.table, self._memory.positions),
            *(self._table, rows.table, self._arena, rows.arena, mixed, node),
            layer=layer,
            num_layers=len(self._weights.layers),
            first_token=first_token,
            num_actions=self._num_actions,
            num_warps=1 if self._context["context_lanes"] * self._heads["half_lanes"] <= SMALL_TILE else 4,
            **self._heads,
            **self._context,
            **OPTIONS,
        )
        return mixed

    def _read(
        self, outputs: Float[Tensor, "token embed"], node: int, *, num_values: int
    ) -> Float[Tensor, "value policy"]:
        """Decode values and keep what the actions lead to; return the policy logits. The first outputs are latents'."""
        held, action_head, latent_head = self._held, self._weights.action_head, self._weights.latent_head
        hidden = apply(outputs, action_head.hidden, has_gelu=True, num_first=num_values, first=latent_head.hidden)
        answers = answer(hidden, latent_head, action_head, num_latents=num_values)
        kernels.finish[len(outputs),](
            *(answers.numbers, self._memory.values, held.rewards, held.latents, node),
            num_values=num_values,
            width=answers.numbers.shape[1],
            second=answers.second,
            num_bins=self._num_bins,
            bin_lanes=triton.next_power_of_2(self._num_bins),
            epsilon=LAYER_NORM_EPSILON,
            **self._norm,
            **self._edges,
            **OPTIONS,
        )
        return answers.numbers[:num_values, answers.second : answers.second + self._num_actions]


def try_fused_memory(network: Network, store: TreeStore) -> Callable[[TreeStore, int], ExpanderMemory]:
    """Return `FusedMemory` where its kernels can be made and agree with PyTorch's operations, else `OnePassMemory`.

    Both expand the same nodes below random roots, with noise in the weights, as new heads answer zero to everything.
    Having to do without kernels is said in the log.
    """
    dtype = store.memory.arena.dtype
    if dtype not in TOLERANCE:
        logger.warning("expanding nodes with PyTorch's operations, not with Triton's kernels, which have no %s", dtype)
        return OnePassMemory
    noisy = copy_with_noise(network)
    wanted = _expand_sample(OnePassMemory, noisy, store)
    try:
        found = _expand_sample(FusedMemory, noisy, store)
    except (RuntimeError, OSError, SubprocessError, triton.TritonError) as error:
        logger.warning("expanding nodes with PyTorch's operations, not with Triton's kernels: %s", error)
        return OnePassMemory
    distance = max(_distance(*pair) for pair in zip(found, wanted, strict=True))
    if not distance <= TOLERANCE[dtype]:
        logger.warning(
            "expanding nodes with PyTorch's operations, not with Triton's kernels, which differ by %.2g of the largest "
            "number; please report the graphics card and the versions of PyTorch and Triton",
            distance,
        )
        return OnePassMemory
    return FusedMemory


@torch.inference_mode()
def _expand_sample(
    make: Callable[[TreeStore, int], ExpanderMemory], network: Network, store: TreeStore
) -> list[Tensor]:
    """Expand two nodes below each of three roots, one of them young; return all answers, keys and values."""
    layout, arena = store.layout, store.memory.arena
    sample = TreeStore(
        layout,
        num_envs=len(SAMPLE_LENGTHS),
        num_simulations=2,
        device=arena.device,
        dtype=arena.dtype,
        tokens_per_node=store.memory.tokens_per_node,
    )
    noise, envs = torch.Generator(arena.device).manual_seed(1), np.arange(len(SAMPLE_LENGTHS))
    shape = (len(envs), layout.context_tokens, *layout.token_shape)
    roots = torch.randn(shape, generator=noise, device=arena.device, dtype=torch.float32).to(arena.dtype)
    sample.replace_roots(envs, 0, lengths=SAMPLE_LENGTHS, latents=roots.flatten(2)[:, 0], keys_values=roots)
    memory = make(sample, len(envs))
    memory.rows.begin(envs, 0)
    expander, answers = memory.begin(network), list[Tensor]()
    last = store.memory.tokens_per_node - 2
    for node, parents, actions in ((1, [0, 0, 0], [0, last, last // 2]), (2, [0, 1, 1], [last, last, 0])):
        above, taken = torch.tensor([parents, actions], device=arena.device)
        found = expander.expand(DeviceLeaves(node, above, taken, depths=1 + above))
        answers += [found.rewards.clone(), found.values.clone(), found.logits.clone()]
    return [*answers, sample.memory.arena]


def _distance(found: Tensor, wanted: Tensor) -> float:
    """Return how far two tensors are apart, as a share of the larger of 1 and the largest number wanted."""
    found, wanted = found.float(), wanted.float()
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))


def _pad(name: str, size: int) -> dict[str, int]:
    """Return a size as kernels take it: with the number of lanes, a power of two, that covers it."""
    return {name: size, f"{name}_lanes": triton.next_power_of_2(size)}
