"""Keys that mean the same in every process: digests of all that made something, and of the history it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from itertools import chain
from typing import Literal

import numpy as np
from jaxtyping import Bool, Shaped

from kvzero.checks import check_field, read_fields
from kvzero.errors import CacheError

__all__ = ["KEY_BYTES", "Namespace", "NamespaceKind", "digest_history", "digest_parts", "digest_rows"]

KEY_BYTES = 32
"""Length of a key, and of every digest that goes into one."""
KEY_FORMAT = b"kvzero keys 1"
"""To be changed with whatever a key is made of, so that no older one is found again."""
NamespaceKind = Literal["context", "result"]
"""What stands under a key: the keys and values of a root, or what a search below it found."""


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """All that decides, beside the history, what keys and values are or what a search finds.

    What two processes keep under one key was made by the same weights in the same way: each field is hashed under its
    name and behind its length, so that no two namespaces share their keys. `kvzero.agent` fills them in.
    """

    kind: NamespaceKind
    """What stands under its keys."""

    software: str
    """Version and sources of kvzero, and versions of what it computes with."""

    model: str
    """The network's config."""

    spec: str
    """What the environment shows and accepts."""

    engine: str
    """Who computes, and in which store."""

    device: str
    """The kind of device that it computes on; others round otherwise."""

    number_type: str
    """The number type of weights, keys and values in search."""

    codec: str
    """How numbers are coded under the keys."""

    search: str
    """Results only: the whole search, and whether chance has a part in it; empty for contexts."""

    weights: bytes
    """SHA-256 of the weights, a normaliser's numbers included; see `kvzero.model.digest_weights`."""

    def __post_init__(self) -> None:
        read_fields(self)
        check_field(self, "weights", lambda weights: len(weights) == KEY_BYTES, f"give the {KEY_BYTES} of a SHA-256")
        for_results = self.kind == "result"
        wanted = "say what searched" if for_results else "a context depends on no search, so leave it empty"
        check_field(self, "search", lambda search: bool(search) == for_results, wanted)

    @cached_property
    def digest(self) -> bytes:
        """The namespace in 32 bytes."""
        return digest_parts({each.name: getattr(self, each.name) for each in fields(self)})

    def key(self, history: bytes) -> bytes:
        """Return the key, 32 bytes, of what stands at the end of a history, given as its digest."""
        return digest_parts({"namespace": self.digest, "history": history})


def digest_history(
    *,
    first_token: int,
    seen: Sequence[bytes],
    actions: Shaped[np.ndarray, "step *action"],
    legal: Bool[np.ndarray, " action"] | None = None,
) -> bytes:
    """Return a digest, 32 bytes, of a raw history.

    Args:
        first_token: index, within the episode, of the first observation's token.
        seen: the raw observations, as `digest_rows` returns them, the newest last; as many as the network's receptive
            field asks for, or all.
        actions: the raw actions between them, so one fewer.
        legal: for results only: which actions a search is allowed at the root.

    Raises:
        CacheError: if there is not one action between each two observations, or the index is negative.
    """
    if len(seen) != len(actions) + 1 or first_token < 0:
        raise CacheError(
            f"a history of {len(seen)} observations and {len(actions)} actions from token {first_token} on was to get "
            "a key; give an action between each two observations, and an index of 0 or more"
        )
    parts: dict[str, bytes | np.ndarray] = {"first_token": first_token.to_bytes(8, "little"), "seen": b"".join(seen)}
    parts["actions"] = actions
    if legal is not None:
        parts["legal"] = legal
    return digest_parts(parts)


def digest_rows(rows: Shaped[np.ndarray, "time ..."]) -> list[bytes]:
    """Return a digest of 32 bytes for each row, over its number type, its shape and its raw bits."""
    head = _head(rows.dtype, rows.shape[1:])
    return [sha256(head + row.tobytes()).digest() for row in rows]


def digest_parts(parts: Mapping[str, str | bytes | np.ndarray]) -> bytes:
    """Return the SHA-256 of named parts in their order, each of its name and its bytes behind its own length.

    Of arrays, number type and shape count, too.
    """
    digest = sha256(KEY_FORMAT)
    for part in chain.from_iterable(parts.items()):
        raw = _raw(part)
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.digest()


def _raw(part: str | bytes | np.ndarray) -> bytes:
    if isinstance(part, np.ndarray):
        return _head(part.dtype, part.shape) + part.tobytes()
    return part if isinstance(part, bytes) else part.encode()


def _head(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return what tells arrays of the same bits apart, behind its length."""
    told = f"{dtype.str} {shape}".encode()
    return len(told).to_bytes(8, "little") + told
