"""What stands around a value outside this process, by which a reader knows that it is whole and whose it is.

A frame is a header of fixed length, a checksum over all the rest, and the payload. Nothing of it is used before all of
it was checked, and nothing is decoded here.
"""

from hashlib import blake2b
from hmac import compare_digest
from math import isfinite
from struct import Struct

from kvzero.cache.tiers.stats import MissReason
from kvzero.cache.tiers.tier import MAX_CODEC_BYTES, MAX_SIZES, Entry

__all__ = ["FRAME_BYTES", "Framer"]

_MAGIC = b"kvzero"
_FORMAT = 1
_HEADER = Struct(f"<6sH8s32s32s{MAX_CODEC_BYTES}sB{MAX_SIZES}QdQ")
"""Magic, format, who signed, namespace, key, codec, number of sizes, sizes, seconds, length of the payload."""
_CHECKSUM_BYTES = 32

FRAME_BYTES = _HEADER.size + _CHECKSUM_BYTES
"""Bytes of a frame beside its payload."""


class Framer:
    """Puts values into frames and takes them out again.

    With a secret, checksums are signatures: whoever does not have it can neither make a frame nor change one, and the
    frames of another secret are foreign.
    """

    def __init__(self, *, max_payload_bytes: int, secret: bytes = b"") -> None:
        self.max_payload_bytes = max_payload_bytes
        self._key = blake2b(secret, person=b"tier checksum").digest() if secret else b""
        self._signer = blake2b(secret, digest_size=8, person=b"tier signer").digest() if secret else bytes(8)

    @property
    def max_bytes(self) -> int:
        """Bytes of the longest frame that is taken."""
        return FRAME_BYTES + self.max_payload_bytes

    def seal(self, namespace: bytes, key: bytes, entry: Entry) -> bytes:
        """Return the frame of an entry."""
        sizes = entry.shape + (0,) * (MAX_SIZES - len(entry.shape))
        header = _HEADER.pack(
            _MAGIC,
            _FORMAT,
            self._signer,
            namespace,
            key,
            entry.codec.encode(),
            len(entry.shape),
            *sizes,
            entry.seconds,
            len(entry.payload),
        )
        return b"".join((header, self._checksum(header, entry.payload), entry.payload))

    def unseal(self, namespace: bytes, key: bytes, frame: bytes) -> Entry | MissReason:
        """Return the entry in a frame, or why there is none to be had under this namespace and key."""
        if not FRAME_BYTES <= len(frame) <= self.max_bytes:
            return "corrupt" if len(frame) < FRAME_BYTES else "oversize"
        magic, form, signer, its_namespace, its_key, codec, num_sizes, *sizes, seconds, length = _HEADER.unpack_from(
            frame
        )
        if (magic, form, signer, its_namespace, its_key) != (_MAGIC, _FORMAT, self._signer, namespace, key):
            return "foreign"
        if length != len(frame) - FRAME_BYTES:
            return "corrupt" if length <= self.max_payload_bytes else "oversize"
        header, checksum, payload = frame[: _HEADER.size], frame[_HEADER.size : FRAME_BYTES], frame[FRAME_BYTES:]
        is_whole = compare_digest(checksum, self._checksum(header, payload))
        name = codec.rstrip(b"\0")
        is_name = name.isascii() and b"\0" not in name
        if not (is_whole and is_name and num_sizes <= MAX_SIZES and isfinite(seconds)):
            return "corrupt"
        return Entry(payload, name.decode(), tuple(sizes[:num_sizes]), seconds)

    def _checksum(self, header: bytes, payload: bytes) -> bytes:
        checksum = blake2b(header, digest_size=_CHECKSUM_BYTES, key=self._key)
        checksum.update(payload)
        return checksum.digest()
