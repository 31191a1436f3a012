"""Observations that are images become PNG files with their own pixels."""

import io

import matplotlib.image
import numpy as np
import pytest

from kvzero.envs import EnvConfig
from kvzero.inspector.pictures import PLANES, draw_image, encode_png
from kvzero.records import EnvSpec

WORLD = EnvConfig(env_id="MinAtar/Breakout-v1")
HEIGHT, WIDTH = 4, 7


def read(png: bytes) -> np.ndarray:
    """Return the pixels of a PNG, as a reader of another hand has them."""
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
    return (pixels * 255).round().astype(np.uint8)


def random_bytes(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize("num_colours", [1, 3])
def test_a_png_has_the_pixels_that_it_was_made_of(num_colours: int) -> None:
    pixels = random_bytes(HEIGHT, WIDTH, num_colours)
    found = read(encode_png(pixels))
    np.testing.assert_array_equal(found, pixels if num_colours == 3 else pixels[..., 0])


@pytest.mark.parametrize(("grayscale", "num_colours"), [(True, 1), (False, 3)])
def test_of_stacked_frames_the_newest_is_shown(grayscale: bool, num_colours: int) -> None:
    image = random_bytes(2 * num_colours, HEIGHT, WIDTH)
    env = EnvConfig(env_id="ALE/Pong-v5", grayscale=grayscale, frame_stack=2)
    found = read(draw_image(image, env, EnvSpec(observation_shape=image.shape, num_actions=2)))
    np.testing.assert_array_equal(found, np.moveaxis(image[-num_colours:], 0, -1).squeeze())


def test_planes_of_flags_have_a_colour_each_and_the_first_of_the_highest_is_seen() -> None:
    image = np.zeros((9, HEIGHT, WIDTH), bool)
    image[1, 0, 0] = image[8, 0, 0] = image[8, 2, 3] = True
    spec = EnvSpec(observation_shape=image.shape, pixels="flags", num_actions=2)
    found = read(draw_image(image, WORLD, spec))
    assert found.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(found[0, 0], PLANES[1])
    np.testing.assert_allclose(found[2, 3], 0.6 * PLANES[1], atol=1)  # 8 comes after 7 colours
    assert (found.sum(-1) > 0).sum() == 2


def test_each_thing_of_minigrid_has_a_colour_of_its_own_and_stands_where_it_stands_in_the_world() -> None:
    image = np.zeros((24, WIDTH, HEIGHT), bool)
    for thing in range(11):
        image[thing, thing % WIDTH, thing // WIDTH] = image[17, thing % WIDTH, thing // WIDTH] = True
    spec = EnvSpec(observation_shape=image.shape, pixels="flags", num_actions=7)
    found = read(draw_image(image, EnvConfig(env_id="MiniGrid-Empty-5x5-v0"), spec))
    assert found.shape == (HEIGHT, WIDTH, 3)
    colours = found.reshape(-1, 3)[:11].astype(int)
    distances = np.abs(colours[:, None] - colours).sum(-1)
    assert distances[~np.eye(11, dtype=bool)].min() > 60
    assert not found.reshape(-1, 3)[11:].any()


def test_bounded_numbers_are_as_bright_as_they_lie_between_their_bounds() -> None:
    image = np.full((1, HEIGHT, WIDTH), -3, np.float32)
    image[0, 1, 2], image[0, 0, 3] = 5, 1
    spec = EnvSpec(observation_shape=image.shape, pixels="floats", pixel_bounds=((-3.0, 5.0),), num_actions=2)
    found = read(draw_image(image, WORLD, spec))
    assert (found[1, 2], found[0, 3], found[3, 6]) == (255, 128, 0)
