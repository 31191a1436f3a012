"""A network's weights as the compiled engine keeps them, and the calls that pass tokens through them."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped
from torch import Tensor

from kvzero.cache import TreeMemory
from kvzero.errors import EngineError
from kvzero.model.actions import ActionProjection
from kvzero.model.gaussian import BOUNDS
from kvzero.model.native.build import load_library
from kvzero.model.network import Network
from kvzero.model.passes import look_up_weights
from kvzero.model.positions import Rotary

__all__ = ["Drawing", "NativeNetwork", "NativeSearch"]


class _Sizes(ctypes.Structure):
    """Mirrors `Sizes` in engine.c."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            *("embed", "layers", "heads", "context", "actions", "bins", "hidden"),
            *("is_simnorm", "is_bf16", "max_rows", "action_dim"),
        )
    )


class _Search(ctypes.Structure):
    """Mirrors `Search` in engine.c."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("engine", "arena", "table", "rotary", "envs", "root_positions", "choices", "latents")
    ) + tuple((name, ctypes.c_int64) for name in ("num_slots", "num_nodes", "num_threads"))


class _Choices(ctypes.Structure):
    """Mirrors `Choices` in choices.h."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("noise", "sets", "bounds", "policies")) + tuple(
        (name, ctypes.c_int64) for name in ("num_nodes", "num_choices")
    )


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where the engine finds the noise of a search with continuous actions, and puts the actions that it draws."""

    noise: Float[Tensor, "node action dim"]
    """Standard normal numbers, for all environments; those of the roots are not read."""

    sets: Float[Tensor, "env node action dim"]
    """Actions from -1 to 1; those of the roots are there before the search."""


class NativeNetwork:
    """Packed weights of a network in the number type of the search, renewed when the network's version changes."""

    def __init__(self, network: Network, *, dtype: torch.dtype, max_rows: int) -> None:
        """Make room for the weights, and to pass `max_rows` environments at once.

        Raises:
            EngineError: if the library cannot be built here, or cannot serve this network.
        """
        self.positions = _refuse_unfit(network, dtype)
        self.network = network
        self.dtype = dtype
        self.max_rows = max_rows
        self._library = _declare(load_library())
        self._address = self._library.kvzero_make(ctypes.byref(_sizes(network, dtype, max_rows)))
        if not self._address:
            raise EngineError(f"there is no memory for packed weights and {max_rows} environments")
        self._version: int | None = None

    def __del__(self) -> None:
        if address := self.__dict__.get("_address"):
            self._library.kvzero_free(address)

    @property
    def address(self) -> int:
        """Where the engine is."""
        return int(self._address)

    @property
    def expand_address(self) -> int:
        """Address of the function that evaluates one new node of every tree; engine.c names its arguments."""
        return int(ctypes.cast(self._library.kvzero_expand, ctypes.c_void_p).value or 0)

    def refresh(self, version: int) -> None:
        """Take in the network's weights, which are those of `version`, if it has others.

        Raises:
            EngineError: if they have another number type by now, or lie elsewhere.
        """
        if version == self._version:
            return
        _refuse_unfit(self.network, self.dtype)
        tensors = [weights.detach().contiguous() for weights in _in_order(self.network)]
        addresses = (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
        self._library.kvzero_pack(self._address, addresses)
        self._version = version

    def extend_roots(
        self,
        search: "NativeSearch",
        lengths: Int[np.ndarray, " batch"],
        actions: Shaped[np.ndarray, "batch *dim"],
        latents: Float[Tensor, "batch embed"],
    ) -> tuple[Float32[np.ndarray, " batch"], Float32[np.ndarray, "batch action"]]:
        """Pass the action taken and the latent seen next against roots of `lengths` tokens, writing their two slots.

        Returns the values and policy logits read at the latents.
        """
        latents = latents.float().contiguous()
        values = np.empty(len(lengths), np.float32)
        logits = np.empty((len(lengths), self.network.policy_size), np.float32)
        lengths = _as_int64(lengths)
        actions = np.ascontiguousarray(actions, np.float32 if self.network.spec.is_continuous else np.int64)
        self._library.kvzero_extend_roots(
            search.address,
            len(lengths),
            lengths.ctypes.data,
            actions.ctypes.data,
            latents.data_ptr(),
            values.ctypes.data,
            logits.ctypes.data,
        )
        return values, logits


class NativeSearch:
    """Where the engine finds keys, values and positions of some environments; holds on to all of that memory."""

    def __init__(
        self,
        engine: NativeNetwork,
        memory: TreeMemory,
        envs: Int[np.ndarray, " batch"],
        root_positions: Int[np.ndarray, " batch"],
        *,
        drawing: Drawing | None = None,
        latents: Float32[np.ndarray, "batch embed"] | None = None,
        policies: Float32[np.ndarray, "batch policy"] | None = None,
    ) -> None:
        """Point the engine to these environments; what it predicts is written to `latents` and `policies` if given.

        `drawing` is needed where nodes are evaluated and actions are continuous; only then are policies written.
        """
        rotary = engine.positions.table
        self._held = (engine, memory, rotary, _as_int64(envs), _as_int64(root_positions), latents, drawing, policies)
        self._choices = None if drawing is None else _point_to(drawing, policies)
        self._struct = _Search(
            engine=engine.address,
            arena=memory.arena.data_ptr(),
            table=memory.table.data_ptr(),
            rotary=rotary.data_ptr(),
            envs=self._held[3].ctypes.data,
            root_positions=self._held[4].ctypes.data,
            choices=None if self._choices is None else ctypes.addressof(self._choices),
            latents=None if latents is None else latents.ctypes.data,
            num_slots=memory.num_slots,
            num_nodes=memory.num_nodes,
            num_threads=torch.get_num_threads(),
        )

    @property
    def address(self) -> int:
        """Where the search is."""
        return ctypes.addressof(self._struct)


def _refuse_unfit(network: Network, dtype: torch.dtype) -> Rotary:
    """Refuse what the engine cannot serve; return the network's positions, which it can."""
    if network.device.type != "cpu":
        raise EngineError(f"the network is on {network.device}; the native engine runs on cpu")
    if (weights := network.action_table.weight.dtype) != torch.float32:
        raise EngineError(f"the weights are {weights}; the native engine takes in float32 and searches in either type")
    if dtype not in (torch.float32, torch.bfloat16):
        raise EngineError(f"the search is in {dtype}; the native engine has float32 and bfloat16")
    positions = network.transformer.positions
    if not isinstance(positions, Rotary):
        raise EngineError("the network's positions are learned; the native engine knows rotary ones")
    return positions


def _sizes(network: Network, dtype: torch.dtype, max_rows: int) -> _Sizes:
    config = network.config
    return _Sizes(
        embed=config.embed_dim,
        layers=config.num_layers,
        heads=config.num_heads,
        context=config.context_tokens,
        actions=network.policy_size,
        bins=config.support_size,
        hidden=config.embed_dim * config.head_expansion,
        is_simnorm=config.latent_norm == "simnorm",
        is_bf16=dtype == torch.bfloat16,
        max_rows=max_rows,
        action_dim=network.spec.action_dim,
    )


def _point_to(drawing: Drawing, policies: Float32[np.ndarray, "batch policy"] | None) -> _Choices:
    _, num_nodes, num_choices, _ = drawing.sets.shape
    return _Choices(
        noise=drawing.noise.data_ptr(),
        sets=drawing.sets.data_ptr(),
        bounds=BOUNDS.ctypes.data,
        policies=None if policies is None else policies.ctypes.data,
        num_nodes=num_nodes,
        num_choices=num_choices,
    )


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell ctypes the types of the library's functions, which stand in engine.c."""
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.kvzero_make.restype = pointer
    library.kvzero_make.argtypes = (ctypes.POINTER(_Sizes),)
    library.kvzero_free.restype = None
    library.kvzero_free.argtypes = (pointer,)
    library.kvzero_pack.restype = None
    library.kvzero_pack.argtypes = (pointer, pointer)
    library.kvzero_expand.restype = None
    library.kvzero_expand.argtypes = (pointer, number, number, number, *[pointer] * 6)
    library.kvzero_extend_roots.restype = None
    library.kvzero_extend_roots.argtypes = (pointer, number, *[pointer] * 5)
    return library


def _in_order(network: Network) -> Iterator[Tensor]:
    """Yield the weights in the order in which engine.c takes them."""
    weights = look_up_weights(network)
    for affine in chain(*weights.layers, [weights.final_norm], weights.action_head, weights.latent_head):
        yield from affine
    table = network.action_table
    if isinstance(table, ActionProjection):
        yield torch.cat([table.weight.detach().T, table.bias.detach()[None]])
    else:
        yield table.weight


def _as_int64(numbers: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
    return np.ascontiguousarray(numbers, np.int64)
