"""Images as PNG files, small enough to stand in a page by the hundred."""

import struct
import zlib

import numpy as np
from jaxtyping import Shaped, UInt8

from kvzero.envs import EnvConfig
from kvzero.records import EnvSpec

__all__ = ["draw_image", "encode_png"]

PLANES = np.array(
    [(0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66)]
)
"""Colours of planes that are no colours themselves (Okabe and Ito), told apart by the colour-blind too."""

FAINTER = 0.6
"""What is left of a colour's brightness each time that all have been used."""


def draw_image(image: Shaped[np.ndarray, "channel height width"], env: EnvConfig, spec: EnvSpec) -> bytes:
    """Return an observation that is an image as a PNG.

    Of frames that are stacked it shows the newest one. Channels that are neither grey nor RGB, such as the planes of
    small worlds, get a colour each; of the highest planes at a place the first is seen. MiniGrid, whose planes have
    columns first, is drawn upright.
    """
    pixels = _to_bytes(image, spec)
    if env.is_minigrid:
        pixels = pixels.swapaxes(1, 2)
    if env.is_atari:
        pixels = pixels[-(1 if env.grayscale else 3) :]
    if len(pixels) in (1, 3):
        return encode_png(np.moveaxis(pixels, 0, -1))
    rounds, places = np.divmod(np.arange(len(pixels)), len(PLANES))
    top, colours = pixels.argmax(0), PLANES[places] * FAINTER ** rounds[:, None]
    return encode_png((colours[top] * (pixels.max(0) / 255)[..., None]).astype(np.uint8))


def encode_png(pixels: UInt8[np.ndarray, "height width colour"]) -> bytes:
    """Return a PNG of grey (one colour) or RGB pixels (W3C, Portable Network Graphics, third edition)."""
    height, width, num_colours = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if num_colours == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each begins with the number of its filter: none
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _to_bytes(
    image: Shaped[np.ndarray, "channel height width"], spec: EnvSpec
) -> UInt8[np.ndarray, "channel height width"]:
    """Return numbers, flags or bytes as brightness."""
    if spec.pixels == "flags":
        return image.astype(np.uint8) * 255
    if spec.pixels == "floats":
        low, high = np.array(spec.pixel_bounds, np.float32).T[:, :, None, None]
        shades: np.ndarray = ((image - low) / (high - low) * 255).round().astype(np.uint8)
        return shades
    return image
