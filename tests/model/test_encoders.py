"""Encoders: one latent per observation, of the right shape, each by itself."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.model.samples import scatter
from torch.utils.flop_counter import FlopCounterMode

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.model.config import ImageEncoderKind
from kvzero.model.encoders import SimNorm, build_encoder, build_latent_norm
from kvzero.model.encoders.pixels import FloatPixels
from kvzero.model.encoders.resnet import ResidualBlock
from kvzero.records import EnvSpec

CONFIG = ModelConfig(embed_dim=24, num_heads=3, encoder_channels=32)
LAYERNORM = ModelConfig(embed_dim=20, num_heads=5, encoder_channels=16, latent_norm="layernorm")
SHAPES = [(7,), (1,), (3, 17, 20), (1, 16, 16), (2, 33, 19), (4, 24, 41), (6, 10, 11), (70, 5, 7), (512, 15, 32)]
STRIDED = [(3, 64, 64), (4, 32, 35), (1, 47, 84)]


def make_encoder(shape, config=CONFIG, **pixels):
    torch.manual_seed(0)
    return scatter(build_encoder(EnvSpec(observation_shape=shape, num_actions=2, **pixels), config))


def group_norm(channels: int) -> torch.nn.Module:
    return torch.nn.GroupNorm(channels // 8, channels)


def observe(num: int, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 3:
        return torch.randint(256, (num, *shape), generator=generator, dtype=torch.uint8)
    return torch.randn(num, *shape, generator=generator)


@given(groups=st.integers(1, 5), scale=st.floats(0, 50))
def test_every_group_of_a_simnorm_sums_to_one(groups, scale):
    features = scale * torch.randn(2, 3, 8 * groups, generator=torch.Generator().manual_seed(groups))
    normed = SimNorm()(features)
    assert normed.shape == features.shape
    for group in range(groups):
        mine = slice(8 * group, 8 * group + 8)
        torch.testing.assert_close(normed[..., mine], features[..., mine].softmax(-1))
        torch.testing.assert_close(normed[..., mine].sum(-1), torch.ones(2, 3))


def test_a_layernorm_latent_is_centred_and_has_no_weights():
    norm = build_latent_norm("layernorm", 20)
    normed = norm(3 + 5 * torch.randn(2, 20))
    torch.testing.assert_close(normed.mean(-1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var(-1, correction=0), torch.ones(2), atol=1e-3, rtol=0)
    assert not list(norm.parameters())


def kinds_and_shapes() -> list[tuple[ImageEncoderKind, tuple[int, ...]]]:
    return [*[("auto", shape) for shape in SHAPES], *[("strided", shape) for shape in STRIDED], ("small", (3, 17, 20))]


@pytest.mark.parametrize(("kind", "shape"), kinds_and_shapes())
@pytest.mark.parametrize("config", [CONFIG, LAYERNORM], ids=["simnorm", "layernorm"])
def test_latents_of_any_observation_are_normed(kind, shape, config):
    latents = make_encoder(shape, replace(config, image_encoder=kind))(observe(2, shape))
    assert latents.shape == (2, config.embed_dim)
    total = latents.sum(-1)
    torch.testing.assert_close(total, torch.full((2,), 3.0 if config is CONFIG else 0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "shape"), kinds_and_shapes())
def test_an_observation_is_encoded_alike_alone_and_in_any_batch(kind, shape):
    encoder, observations = make_encoder(shape, replace(CONFIG, image_encoder=kind)), observe(5, shape)
    together = encoder(observations)
    for index in range(5):
        torch.testing.assert_close(encoder(observations[index : index + 1])[0], together[index], atol=1e-6, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_bytes_are_read_as_numbers_from_0_to_1():
    encoder, observations = make_encoder((3, 17, 20)), observe(2, (3, 17, 20))
    assert torch.equal(encoder(observations), encoder(observations.float()))
    wanted = encoder.project(encoder.stages(observations.float() / 255).flatten(1))
    assert torch.equal(encoder(observations), wanted)


@pytest.mark.parametrize("kind", ["auto", "strided"])
@pytest.mark.parametrize("shape", [(3, 33, 34), (5, 32, 47)])
def test_flags_are_read_as_0_and_1(kind, shape):
    config, flags = replace(CONFIG, image_encoder=kind), observe(2, shape) > 99
    assert torch.equal(
        make_encoder(shape, config, pixels="flags")(flags), make_encoder(shape, config)(255 * flags.to(torch.uint8))
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_floats_are_read_from_bound_to_bound_of_their_channel(dtype):
    shape, bounds = (2, 9, 8), ((-3.0, 5.0), (1000.0, 1001.0))
    shares = torch.rand(4, *shape, generator=torch.Generator().manual_seed(3))
    low, high = torch.tensor(bounds).T[:, None, :, None, None]
    encoder = make_encoder(shape, pixels="floats", pixel_bounds=bounds).to(dtype)
    seen = encoder.pixels(low + shares * (high - low), dtype)
    assert seen.dtype == dtype
    torch.testing.assert_close(seen.float(), shares, atol=1e-4 if dtype == torch.float32 else 4e-3, rtol=0)
    assert encoder(low + shares * (high - low)).shape == (4, CONFIG.embed_dim)


def test_the_bounds_of_pixels_are_not_among_the_weights():
    floats = make_encoder((1, 9, 8), pixels="floats", pixel_bounds=((0.0, 2.0),))
    assert floats.state_dict().keys() == make_encoder((1, 9, 8)).state_dict().keys()


def test_small_images_have_the_small_encoder_and_others_the_resnet_unless_told_otherwise():
    spec = EnvSpec(observation_shape=(4, 16, 16), num_actions=2)
    small = spec.observation_shape[0], 15, 16

    def names(shape, kind):
        config = replace(CONFIG, image_encoder=kind)
        return list(build_encoder(replace(spec, observation_shape=shape), config).state_dict())

    assert names((4, 16, 16), "auto") == names((4, 16, 16), "resnet") != names((4, 16, 16), "small")
    assert names(small, "auto") == names(small, "small")


@pytest.mark.parametrize(("kind", "shape"), [case for case in kinds_and_shapes() if len(case[1]) == 3])
def test_no_pixel_is_overlooked(kind, shape):
    encoder = make_encoder(shape, replace(CONFIG, image_encoder=kind))
    pixels = observe(1, shape).float().requires_grad_()
    encoder(pixels)[0, 0].backward()
    assert (pixels.grad.abs().sum((0, 1)) > 0).all()


@pytest.mark.parametrize(("channels", "most"), [(3, 8e6), (1, 8e6), (4, 8e6)])
def test_a_strided_encoder_costs_little(channels, most):
    shape = channels, 64, 64
    config = ModelConfig(embed_dim=128, image_encoder="strided")
    with FlopCounterMode(display=False) as counter:
        make_encoder(shape, config)(observe(1, shape))
    assert 4e6 < counter.get_total_flops() < most


def test_a_small_image_keeps_its_places():
    encoder = make_encoder((6, 10, 11), replace(CONFIG, image_encoder="small"))
    assert encoder.stages(torch.rand(1, 6, 10, 11)).shape == (1, 32, 10, 11)


def test_many_channels_are_mixed_place_by_place_first():
    kernels = {channels: make_encoder((channels, 7, 7)).stages[0].kernel_size for channels in (32, 33)}
    assert kernels == {32: (3, 3), 33: (1, 1)}


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        ("auto", (3, 4, 4), "images are 4x4, and image_encoder=small reads 5 to 32 pixels a side; give Atari games"),
        ("auto", (3, 15, 40), "images are 15x40, and image_encoder=small reads 5 to 32 pixels a side; give Atari"),
        ("resnet", (3, 15, 30), "15x30, and image_encoder=resnet reads 16 or more .* choose image_encoder=small, or"),
        ("strided", (1, 64, 31), "64x31, and image_encoder=strided reads 32 or more .* choose image_encoder=resnet"),
        ("small", (1, 32, 33), "32x33, and image_encoder=small reads 5 to 32 .* image_encoder=resnet or strided, or"),
        ("auto", (1000, 9, 9), "images have 1,000 channels, and encoders take at most 512, .*FlattenObservation"),
        ("strided", (513, 64, 64), "images have 513 channels"),
    ],
)
def test_images_that_do_not_fit_are_refused(kind, shape, words):
    with pytest.raises(ConfigError, match=words):
        make_encoder(shape, replace(CONFIG, image_encoder=kind))


@pytest.mark.parametrize("shape", [(7,), (3, 17, 20), (2, 9, 8)])
def test_a_bfloat16_encoder_takes_observations_as_they_come(shape):
    assert make_encoder(shape).to(torch.bfloat16)(observe(2, shape)).dtype == torch.bfloat16


def test_bounds_of_floats_stay_exact_in_a_bfloat16_encoder():
    """In bfloat16 the lower of them would be 1,000."""
    pixels = FloatPixels(((1_001.0, 1_002.0),)).to(torch.bfloat16)
    assert pixels(torch.full((2, 1, 3, 4), 1_001.75), torch.bfloat16).unique().tolist() == [0.75]


@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (16, 1), (8, 2)])
def test_a_residual_block_adds_to_what_came_in(channels, stride):
    block, image = ResidualBlock(8, channels, stride=stride, make_norm=group_norm), torch.randn(2, 8, 5, 7)
    torch.nn.init.zeros_(block.body[-1].weight)
    assert torch.equal(block(image), block.skip(image).relu())
    assert isinstance(block.skip, torch.nn.Identity) == ((channels, stride) == (8, 1))


def test_blocks_and_channels_are_those_configured():
    spec = EnvSpec(observation_shape=(3, 17, 20), num_actions=2)
    blocks = [
        len(build_encoder(spec, ModelConfig(encoder_blocks=number, encoder_channels=16)).stages) for number in (1, 2)
    ]
    assert blocks[1] == blocks[0] + 3
    assert build_encoder(spec, CONFIG).project[0].in_features == 32 * 3 * 3


@pytest.mark.parametrize(("name", "value"), [("encoder_blocks", 2), ("encoder_width", 13)])
def test_settings_are_refused_where_a_small_image_makes_them_useless(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}.*, which has no effect with image_encoder=small"):
        make_encoder((2, 9, 8), replace(CONFIG, **{name: value}))


def test_the_width_of_the_mlp_is_that_configured():
    assert make_encoder((5,), replace(CONFIG, encoder_width=13)).layers[0].out_features == 13


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) == 3 and min(shape[1:]) >= 16])
def test_a_layer_norm_takes_the_whole_of_an_image_together(shape):
    encoder = make_encoder(shape, replace(CONFIG, image_norm="layer"))
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm | torch.nn.GroupNorm)]
    seen = []
    for norm in norms:
        assert isinstance(norm, torch.nn.LayerNorm)
        torch.nn.init.ones_(norm.weight)
        torch.nn.init.zeros_(norm.bias)
        norm.register_forward_hook(lambda module, passed, output: seen.append(output))
    assert encoder(observe(2, shape)).shape == (2, CONFIG.embed_dim)
    assert len(seen) == len(norms) == 1 + 2 * 4
    for features in seen:
        torch.testing.assert_close(features.flatten(1).mean(1), torch.zeros(2), atol=1e-4, rtol=0)
        torch.testing.assert_close(features.flatten(1).var(1, correction=0), torch.ones(2), atol=1e-2, rtol=0)


def test_settings_of_images_are_refused_for_vectors():
    with pytest.raises(ConfigError, match="image_encoder is strided, which has no effect on vectors"):
        make_encoder((5,), replace(CONFIG, image_encoder="strided"))
    with pytest.raises(ConfigError, match="image_norm is layer, which has no effect on vectors"):
        make_encoder((5,), replace(CONFIG, image_norm="layer"))
