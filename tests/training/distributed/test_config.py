"""What cannot work in a run with collectors is refused at once, and by name."""

from dataclasses import replace

import pytest
from tests.training.samples import tiny_config

from kvzero import ReanalysisConfig
from kvzero.cache import TierConfig
from kvzero.errors import ConfigError
from kvzero.records import structure, unstructure
from kvzero.training import RunConfig
from kvzero.training.distributed import DistributedConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"collectors": 0}, "collectors is 0; give at least 1, or nothing"),
        ({"collectors": 1, "lag": -1}, "lag is -1; give 0 or more"),
        ({"collectors": 1, "cluster": "moon"}, "cluster is 'moon'"),
        ({"collectors": 1, "silent_seconds": 0.0}, "silent_seconds is 0.0; give a positive number"),
        ({"collectors": 1, "object_store_bytes": 1_000}, "object_store_bytes is 1000; give at least 80 million"),
        ({"reanalysers": 0}, "reanalysers is 0; give at least 1, or nothing"),
        ({"lag": 2, "cluster": "auto"}, "cluster, lag would have no effect, as this process does all by itself"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        DistributedConfig(**settings)


def test_a_replay_too_small_for_all_environments_is_refused_before_anything_starts(tmp_path):
    config = tiny_config(tmp_path)
    with pytest.raises(ConfigError, match="replay_capacity 60 leaves 1 rows for each of 40 environments"):
        replace(config, distributed=DistributedConfig(collectors=20))


@pytest.mark.parametrize(
    ("reanalysis", "said"),
    [
        ({}, "reanalysers is 2, but no rows are to be searched again; give reanalysed_rows"),
        ({"reanalysed_rows": 5, "max_age_updates": 9}, "reanalysers is 2, .* leave max_age_updates out"),
    ],
)
def test_reanalysers_with_nothing_to_search_or_with_results_to_look_for_are_refused(tmp_path, reanalysis, said):
    with pytest.raises(ConfigError, match=said):
        replace(
            tiny_config(tmp_path),
            reanalysis=ReanalysisConfig(**reanalysis),
            distributed=DistributedConfig(reanalysers=2),
        )


def test_reanalysers_with_a_tier_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"reanalysers is 1, .* leave tier out"):
        replace(
            tiny_config(tmp_path),
            reanalysis=ReanalysisConfig(reanalysed_rows=5),
            tiers=TierConfig(tier=(f"lmdb:{tmp_path / 'tier'}",)),
            distributed=DistributedConfig(reanalysers=1),
        )


def test_a_config_from_before_there_were_collectors_is_read(tmp_path):
    config = tiny_config(tmp_path)
    found = unstructure(config)
    del found["distributed"]
    assert structure(found, RunConfig) == config


def test_every_collector_and_every_one_in_its_place_has_a_seed_of_its_own(tmp_path):
    config = tiny_config(tmp_path)
    seeds = [config.seed_for("collect", 100, *salt) for salt in [(), (0, 1), (1, 1), (0, 2), (1, 2)]]
    assert len(set(seeds)) == len(seeds)
    assert config.seed_for("collect", 100) == config.seed_for("collect", salt=100)
