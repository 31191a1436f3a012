"""The memory of a pool: tensors of one shape, one to a slot, kept as a codec writes them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kvzero.cache.codecs import CodecName, read_codec

__all__ = ["CodedSlots"]


class CodedSlots:
    """Tensors of one shape and type, allocated once; what is taken out never shares memory with what stays."""

    def __init__(
        self, num_slots: int, shape: Sequence[int], codec: CodecName, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Fill all slots with zeros.

        Raises:
            ConfigError: if there is no such codec, or it would make nothing smaller.
        """
        self.shape, self.dtype = tuple(shape), dtype
        self._codec = read_codec(codec, dtype)
        with torch.inference_mode(mode=False):
            self.parts = tuple(
                torch.zeros(num_slots, *part.shape, dtype=part.dtype, device=device)
                for part in self._codec.parts(self.shape, dtype)
            )

    @property
    def device(self) -> torch.device:
        """Where the slots are."""
        return self.parts[0].device

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return sum(part.nbytes for part in self.parts)

    def read(self, slot: int) -> Float[Tensor, "*shape"]:
        """Return a copy of what is in one slot."""
        return self._codec.decode([part[slot].clone() for part in self.parts], self.dtype)

    def read_many(self, slots: Int[Tensor, " slot"]) -> Float[Tensor, "slot *shape"]:
        """Return a copy of what is in these slots."""
        return self._codec.decode([part.index_select(0, slots) for part in self.parts], self.dtype)

    def copy_to(self, slot: int, target: Float[Tensor, "*shape"]) -> None:
        """Copy what is in one slot into a tensor."""
        target.copy_(self._codec.decode([part[slot] for part in self.parts], self.dtype))

    def write(self, slot: int, numbers: Float[Tensor, "*shape"]) -> None:
        """Copy a tensor into one slot."""
        for part, written in zip(self.parts, self._codec.encode(numbers.detach()), strict=True):
            part[slot] = written

    def write_many(self, slots: Int[Tensor, " slot"], numbers: Float[Tensor, "slot *shape"]) -> None:
        """Copy tensors into these slots, all of them different."""
        for part, written in zip(self.parts, self._codec.encode(numbers.detach()), strict=True):
            part.index_copy_(0, slots, written)

    def take_over(self, others: "CodedSlots", slots: Int[Tensor, " slot"]) -> None:
        """Copy what is in these slots of others, of the same shape and codec, into the first slots, bit for bit."""
        for part, other in zip(self.parts, others.parts, strict=True):
            part[: len(slots)] = other[slots]
