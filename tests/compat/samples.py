"""LightZero configs in small: one that says next to nothing, by dotted name, and the files under `configs`."""

from pathlib import Path
from typing import Any

from kvzero.compat import load_config
from kvzero.training import RunConfig

CONFIGS = Path(__file__).parent / "configs"
WORLD = "policy.model.world_model_cfg"
SILENT = {"env.env_id": "CartPole-v1", "policy.num_segments": 3, "policy.game_segment_length": 7}
"""A config that nothing is to be told of, for a run of `STEPS`."""

STEPS = 9_000


def nested(given: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, value in given.items():
        *rooms, last = name.split(".")
        place = config
        for room in rooms:
            place = place.setdefault(room, {})
        place[last] = value
    return config


def loaded(given: dict[str, Any] | None = None, **options: Any) -> RunConfig:
    """Return what `SILENT`, changed by `given`, is read as; names below `create_config` go into the second dict."""
    config = nested(SILENT | (given or {}))
    create_config = config.pop("create_config", None)
    return load_config(config, create_config, **({"max_env_step": STEPS} | options))


def value_at(record: object, path: str) -> Any:
    for name in path.split("."):
        record = getattr(record, name)
    return record
