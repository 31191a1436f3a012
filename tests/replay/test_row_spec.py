"""The table of fields: what it holds for each kind of environment."""

import numpy as np
import pytest

from kvzero.errors import ConfigError
from kvzero.records import EnvSpec
from kvzero.replay import build_row_spec

VECTOR = EnvSpec(observation_shape=(4,), num_actions=3)
IMAGE = EnvSpec(observation_shape=(2, 6, 7), num_actions=5)
FLAGS = EnvSpec(observation_shape=(2, 6, 7), pixels="flags", num_actions=5)
FLOATS = EnvSpec(observation_shape=(1, 6, 7), pixels="floats", pixel_bounds=((0.0, 1.0),), num_actions=5)
REACH = EnvSpec(observation_shape=(4,), action_dim=2)


@pytest.mark.parametrize(
    ("spec", "num_sampled", "forms"),
    [
        (VECTOR, 0, {"observations": ("float32", (4,)), "actions": ("int32", ()), "policies": ("float32", (3,))}),
        (IMAGE, 0, {"observations": ("uint8", (2, 6, 7)), "actions": ("int32", ()), "policies": ("float32", (5,))}),
        (FLAGS, 0, {"observations": ("bool", (2, 6, 7)), "actions": ("int32", ()), "policies": ("float32", (5,))}),
        (FLOATS, 0, {"observations": ("float32", (1, 6, 7)), "actions": ("int32", ()), "policies": ("float32", (5,))}),
        (
            REACH,
            6,
            {
                "observations": ("float32", (4,)),
                "actions": ("float32", (2,)),
                "policies": ("float32", (6,)),
                "action_sets": ("float32", (6, 2)),
            },
        ),
    ],
    ids=["vector", "image", "flags", "floats", "continuous"],
)
def test_fields_have_the_forms_of_the_environment(
    spec: EnvSpec, num_sampled: int, forms: dict[str, tuple[str, tuple[int, ...]]]
) -> None:
    found = build_row_spec(spec, num_sampled_actions=num_sampled)
    assert {name: (np.dtype(field.dtype).name, field.shape) for name, field in found.items()} == {
        **forms,
        "rewards": ("float32", ()),
    }


@pytest.mark.parametrize(("spec", "num"), [(REACH, 0), (VECTOR, 6)])
def test_the_number_of_sampled_actions_fits_the_kind_of_actions(spec: EnvSpec, num: int) -> None:
    with pytest.raises(ConfigError, match=f"num_sampled_actions is {num}"):
        build_row_spec(spec, num_sampled_actions=num)
