"""Every refusal of the network's configuration, by the name of what is wrong."""

import pytest

from kvzero.cache import ContextLayout
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig

FIELDS = [
    "embed_dim",
    "num_layers",
    "num_heads",
    "context_tokens",
    "head_expansion",
    "encoder_width",
    "encoder_channels",
    "encoder_blocks",
]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("size", [0, -16])
def test_sizes_below_one_are_refused(name, size):
    with pytest.raises(ConfigError, match=rf"{name} is {size};.* at least 1"):
        ModelConfig(**{name: size})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"embed_dim": 32, "num_heads": 5}, "embed_dim 32 is not divisible by num_heads 5"),
        ({"embed_dim": 24, "num_heads": 8}, "embed_dim 24 / num_heads 8 is odd"),
        ({"embed_dim": 20, "num_heads": 5}, "embed_dim 20 is not divisible by 8.*latent_norm=layernorm"),
        ({"support_size": 100}, "support_size is 100; give an odd number"),
        ({"support_size": 1}, "support_size is 1; .* at least 3"),
        ({"support_size": -3}, "support_size is -3; .* at least 3"),
        ({"encoder_channels": 24}, "encoder_channels is 24; give a multiple of 16"),
        ({"image_encoder": "strided", "encoder_blocks": 2}, "encoder_blocks is 2, .* with image_encoder=strided"),
        ({"image_encoder": "small", "encoder_blocks": 3}, "encoder_blocks is 3, .* with image_encoder=small"),
        (
            {"image_encoder": "strided", "encoder_width": 64},
            "encoder_width is 64, .* no effect with image_encoder=strided",
        ),
        ({"context_tokens": 7}, "context_tokens is 7; give an even number"),
    ],
)
def test_what_cannot_work_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        ModelConfig(**settings)


def test_an_unknown_norm_is_refused():
    config = ModelConfig()
    object.__setattr__(config, "latent_norm", "batchnorm")  # past the type checks of the test session
    with pytest.raises(ConfigError, match="latent_norm is 'batchnorm'; choose one of simnorm, layernorm"):
        config.__post_init__()


def test_a_layernorm_needs_no_groups():
    assert ModelConfig(embed_dim=20, num_heads=5, latent_norm="layernorm").layout.head_dim == 4


def test_the_layout_repeats_the_sizes():
    config = ModelConfig(embed_dim=48, num_layers=5, num_heads=3, context_tokens=14)
    assert config.layout == ContextLayout(num_layers=5, num_heads=3, head_dim=16, context_tokens=14)
