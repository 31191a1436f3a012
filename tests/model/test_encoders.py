"""Encoders: one latent per observation, of the right shape, each by itself."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.samples import scatter

from kvzero.errors import ConfigError
from kvzero.model import ModelConfig
from kvzero.model.encoders import ResidualBlock, SimNorm, build_encoder, build_latent_norm
from kvzero.records import EnvSpec

CONFIG = ModelConfig(embed_dim=24, num_heads=3, encoder_channels=32, encoder_width=13)
LAYERNORM = ModelConfig(embed_dim=20, num_heads=5, encoder_channels=16, latent_norm="layernorm")
SHAPES = [(7,), (1,), (3, 17, 20), (1, 16, 16), (2, 33, 19), (4, 24, 41)]


def make_encoder(shape, config=CONFIG):
    torch.manual_seed(0)
    return scatter(build_encoder(EnvSpec(observation_shape=shape, num_actions=2), config))


def group_norm(channels: int) -> torch.nn.Module:
    return torch.nn.GroupNorm(channels // 8, channels)


def observe(num: int, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 3:
        return torch.randint(256, (num, *shape), generator=generator, dtype=torch.uint8)
    return torch.randn(num, *shape, generator=generator)


@settings(deadline=None)
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


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("config", [CONFIG, LAYERNORM], ids=["simnorm", "layernorm"])
def test_latents_of_any_observation_are_normed(shape, config):
    latents = make_encoder(shape, config)(observe(2, shape))
    assert latents.shape == (2, config.embed_dim)
    total = latents.sum(-1)
    torch.testing.assert_close(total, torch.full((2,), 3.0 if config is CONFIG else 0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_observation_is_encoded_alike_alone_and_in_any_batch(shape):
    encoder, observations = make_encoder(shape), observe(5, shape)
    together = encoder(observations)
    for index in range(5):
        torch.testing.assert_close(encoder(observations[index : index + 1])[0], together[index], atol=1e-6, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_bytes_are_read_as_numbers_from_0_to_1():
    encoder, observations = make_encoder((3, 17, 20)), observe(2, (3, 17, 20))
    assert torch.equal(encoder(observations), encoder(observations.float()))
    wanted = encoder.project(encoder.stages(observations.float() / 255).flatten(1))
    assert torch.equal(encoder(observations), wanted)


@pytest.mark.parametrize("shape", [(3, 15, 40), (3, 40, 15), (1, 1, 1)])
def test_images_too_small_are_refused(shape):
    with pytest.raises(ConfigError, match=f"images are {shape[1]}x{shape[2]}; the image encoder needs at least 16"):
        make_encoder(shape)


@pytest.mark.parametrize("shape", [(7,), (3, 17, 20)])
def test_a_bfloat16_encoder_takes_observations_as_they_come(shape):
    assert make_encoder(shape).to(torch.bfloat16)(observe(2, shape)).dtype == torch.bfloat16


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


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) == 3])
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


def test_a_norm_of_images_is_refused_for_vectors():
    with pytest.raises(ConfigError, match="image_norm is layer, which has no effect on vectors"):
        make_encoder((5,), replace(CONFIG, image_norm="layer"))
