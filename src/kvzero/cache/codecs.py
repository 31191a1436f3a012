"""How keys and values are written smaller: in half the bytes, or as bytes with one scale per token and head."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from kvzero.cache.layout import ContextLayout
from kvzero.errors import CacheError, ConfigError

__all__ = ["Codec", "CodecName", "Part", "coded_context_bytes", "from_bytes", "is_lossy", "read_codec", "to_bytes"]

CodecName = Literal["none", "float16", "int8"]

LARGEST_BYTE = 127


@dataclass(frozen=True, slots=True)
class Part:
    """One of the tensors that a codec makes of one tensor."""

    shape: tuple[int, ...]
    """Its shape."""

    dtype: torch.dtype
    """Its number type."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return prod(self.shape) * self.dtype.itemsize


@runtime_checkable  # the shape checks of the test session ask isinstance
class Codec(Protocol):
    """Writes tensors as other, smaller ones, and reads them back; along the last axis lies what has one scale.

    What was written is never quietly another number: what a codec cannot write comes back as NaN or as infinity.
    """

    def parts(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Part, ...]:
        """Return what a tensor of this shape and type is written as."""

    def encode(self, numbers: Float[Tensor, "*shape"]) -> tuple[Tensor, ...]:
        """Write a tensor; the parts may share its memory."""

    def decode(self, parts: Sequence[Tensor], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
        """Read a tensor of this type; it may share memory with the parts."""


class AsItIs:
    """Writes every bit."""

    def parts(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Part, ...]:
        """Return the tensor's own shape and type."""
        return (Part(tuple(shape), dtype),)

    def encode(self, numbers: Float[Tensor, "*shape"]) -> tuple[Tensor, ...]:
        """Return the tensor."""
        return (numbers,)

    def decode(self, parts: Sequence[Tensor], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
        """Return the tensor."""
        return parts[0].to(dtype)


class Halves:
    """Writes float16: off by at most 1 part in 2,048, or by 3e-8 where numbers are below 6e-5.

    NaN and infinities stay what they are; what is beyond 65,504 comes back infinite.
    """

    def parts(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Part, ...]:
        """Return the same shape in float16."""
        del dtype  # whatever it was
        return (Part(tuple(shape), torch.float16),)

    def encode(self, numbers: Float[Tensor, "*shape"]) -> tuple[Tensor, ...]:
        """Round every number."""
        return (numbers.to(torch.float16),)

    def decode(self, parts: Sequence[Tensor], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
        """Return the rounded numbers."""
        return parts[0].to(dtype)


class ScaledBytes:
    """Writes whole numbers from -127 to 127, and for each vector along the last axis a scale in bfloat16.

    A scale is the vector's largest magnitude over 127, so that the largest is always written as 127 or -127, and what
    was read is written the same again. Numbers are off by at most half a scale, 1 part in 253 of the largest; those
    that are read as bfloat16, which rounds once more, by at most a whole one, 1 part in 126. A vector of zeros, or of
    nothing above 1.4e-36, for which bfloat16 has no whole scale, comes back as zeros; one with NaN or an infinity in
    it, or with what float32 cannot hold, comes back as NaN throughout.
    """

    def parts(self, shape: Sequence[int], dtype: torch.dtype) -> tuple[Part, ...]:
        """Return bytes of the same shape, and one scale per vector."""
        del dtype  # whatever it was
        return Part(tuple(shape), torch.int8), Part(tuple(shape[:-1]), torch.bfloat16)

    def encode(self, numbers: Float[Tensor, "*shape"]) -> tuple[Tensor, ...]:
        """Divide each vector by its scale, and round."""
        largest = numbers.abs().amax(-1).float()
        scales = torch.where(largest.isfinite(), largest / LARGEST_BYTE, torch.nan).to(torch.bfloat16)
        scales = torch.where(scales < torch.finfo(torch.bfloat16).tiny, 0.0, scales)
        steps = (numbers.float() / scales.float()[..., None]).round().clamp(-LARGEST_BYTE, LARGEST_BYTE)
        steps = torch.where(scales[..., None] == 0, 0.0, steps)
        return steps.nan_to_num(0).to(torch.int8), scales  # of what has scale NaN

    def decode(self, parts: Sequence[Tensor], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
        """Multiply each vector by its scale."""
        steps, scales = parts
        return steps.to(dtype) * scales.to(dtype)[..., None]


CODECS: dict[str, Codec] = {"none": AsItIs(), "float16": Halves(), "int8": ScaledBytes()}


def is_lossy(codec: CodecName) -> bool:
    """Tell whether what comes back differs from what was written."""
    return codec != "none"


def read_codec(codec: Any, dtype: torch.dtype) -> Codec:
    """Return the codec of this name, for numbers of this type.

    Raises:
        ConfigError: if there is none, or it would make nothing smaller.
    """
    if codec not in CODECS:
        raise ConfigError(f"codec is {codec!r}; choose one of {', '.join(get_args(CodecName))}")
    if codec == "float16" and dtype.itemsize <= torch.float16.itemsize:
        raise ConfigError(f"codec is float16, which makes nothing of {dtype} smaller; choose int8, or none")
    return CODECS[codec]


def coded_context_bytes(codec: CodecName, layout: ContextLayout, dtype: torch.dtype) -> int:
    """Return the bytes that one whole context takes, with its raw tokens where the layout is sliding."""
    shapes = [layout.context_shape, (layout.context_tokens, layout.embed_dim)][: 2 if layout.is_sliding else 1]
    return sum(part.nbytes for shape in shapes for part in read_codec(codec, dtype).parts(shape, dtype))


def to_bytes(codec: CodecName, numbers: Float[Tensor, "*shape"]) -> bytes:
    """Return a tensor as bytes: its parts one after the other, each number in the order of this machine."""
    parts = read_codec(codec, numbers.dtype).encode(numbers.detach())
    return b"".join(part.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes() for part in parts)


def from_bytes(codec: CodecName, data: bytes, shape: Sequence[int], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
    """Return the tensor of this shape and type that `to_bytes` wrote, with memory of its own.

    Raises:
        CacheError: if it takes more or fewer bytes.
        ConfigError: if there is no such codec for this type.
    """
    reader = read_codec(codec, dtype)
    wanted = reader.parts(shape, dtype)
    num_bytes = sum(part.nbytes for part in wanted)
    if len(data) != num_bytes:
        raise CacheError(f"{len(data)} bytes were given for {tuple(shape)} in {dtype} as {codec}; it takes {num_bytes}")
    return reader.decode(_cut(np.frombuffer(data, np.uint8), wanted), dtype)


def _cut(data: Shaped[np.ndarray, " byte"], parts: Sequence[Part]) -> list[Tensor]:
    """Return copies of what lies one after the other."""
    ends = np.cumsum([part.nbytes for part in parts])
    pieces = np.split(data, ends[:-1])
    return [
        torch.from_numpy(piece.copy()).view(part.dtype).view(part.shape)
        for piece, part in zip(pieces, parts, strict=True)
    ]
