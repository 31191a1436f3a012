"""Contexts and results are kept under all that decides what they are."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import torch

from kvzero import AgentConfig, CacheConfig, EnvSpec, ModelConfig, Network, SearchConfig
from kvzero.agent import context_namespace, namespaces, result_namespace
from kvzero.engines import SamplingConfig
from kvzero.errors import ConfigError

MODEL = ModelConfig(embed_dim=16, num_layers=1, num_heads=2, context_tokens=4, support_size=11, encoder_width=8)
SPEC = EnvSpec(observation_shape=(3,), num_actions=2)
CONFIG = AgentConfig(model=MODEL)
CHANGES = [
    {"search": SearchConfig(num_simulations=24)},
    {"search": SearchConfig(discount=0.9)},
    {"search": SearchConfig().without_noise()},
    {"search": SearchConfig(rule="gumbel")},
    {"sampling": SamplingConfig(num_sampled_actions=7)},
    {"store": "pooled"},
    {"one_pass": True, "engine": "device"},
    {"search_dtype": "bfloat16"},
]


def network_of(model: ModelConfig = MODEL, spec: EnvSpec = SPEC, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network(model, spec)


def test_whatever_decides_what_a_search_finds_changes_the_namespace():
    network = network_of()
    spaces = [
        result_namespace(network, replace(CONFIG, **change), "eager", is_drawn=False) for change in [{}, *CHANGES]
    ]
    spaces.append(result_namespace(network, CONFIG, "native", is_drawn=False))
    spaces.append(result_namespace(network, CONFIG, "eager", is_drawn=True))
    spaces.append(result_namespace(network_of(seed=1), CONFIG, "eager", is_drawn=False))
    spaces.append(result_namespace(network_of().double(), CONFIG, "eager", is_drawn=False))
    spaces.append(context_namespace(network, CONFIG, "eager"))
    assert len({space.digest for space in spaces}) == len(spaces)


def test_searches_and_stores_do_not_change_where_contexts_are_kept():
    network = network_of()
    wanted = context_namespace(network, CONFIG, "eager").digest
    assert {context_namespace(network, replace(CONFIG, **change), "eager").digest for change in CHANGES[:6]} == {wanted}
    assert context_namespace(network, CONFIG, "native").digest != wanted
    assert context_namespace(network, CONFIG, "eager", codec="int8").digest != wanted


def test_equal_weights_of_other_networks_are_told_apart():
    """What has no weights of its own, as the positions, is told from the config."""
    narrow, wide = network_of(), network_of(replace(MODEL, context_tokens=6))
    assert narrow.digest == wide.digest
    spaces = [context_namespace(network, replace(CONFIG, model=network.config), "eager") for network in (narrow, wide)]
    assert spaces[0].digest != spaces[1].digest


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of the package, which namespaces are then told to be made by."""
    copy = shutil.copytree(namespaces.PACKAGE, tmp_path / "kvzero", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(namespaces, "PACKAGE", copy)
    namespaces._describe_software.cache_clear()
    yield copy
    namespaces._describe_software.cache_clear()


def both_namespaces() -> set[bytes]:
    """Return what a new process would name contexts and results."""
    namespaces._describe_software.cache_clear()
    network = network_of()
    spaces = context_namespace(network, CONFIG, "eager"), result_namespace(network, CONFIG, "eager", is_drawn=False)
    return {space.digest for space in spaces}


@pytest.mark.parametrize(
    "changed",
    [
        "agent/history.py",
        "cache/tree/store.py",
        "engines/device/triton_kernels.py",
        "model/native/engine.c",
        "model/native/vector.h",
        "model/transformer.py",
        "search/rules/puct.py",
    ],
)
def test_nothing_is_found_again_that_other_code_of_the_same_version_made(sources, changed):
    before = both_namespaces()
    assert both_namespaces() == before
    with (sources / changed).open("ab") as file:
        file.write(b"\n")
    assert not both_namespaces() & before


def test_code_that_decides_nothing_of_a_search_leaves_results_to_be_found(sources):
    before = both_namespaces()
    (sources / "training" / "new.py").write_text("", encoding="utf-8")
    assert both_namespaces() == before


@pytest.mark.parametrize("library", ["numpy", "numba", "kvzero"])
def test_other_libraries_than_made_it_find_nothing(sources, library, monkeypatch):
    before = both_namespaces()
    monkeypatch.setattr(namespaces, "version", lambda name: "0.0.0" if name == library else metadata.version(name))
    assert not both_namespaces() & before


def test_a_normaliser_and_a_single_weight_count():
    network = network_of(replace(MODEL, normalize_observations=True))
    config = replace(CONFIG, model=network.config)
    before = context_namespace(network, config, "eager").digest
    assert network.normaliser is not None
    network.normaliser.take_in(torch.ones(2, 3))
    network.mark_changed()
    normalised = context_namespace(network, config, "eager").digest
    with torch.no_grad():
        network.action_table.weight[0, 0] += 1e-7
    assert len({before, normalised, context_namespace(network, config, "eager").digest}) == 3


def test_two_networks_of_one_version_have_nothing_in_common():
    first, second = network_of(), network_of(seed=1)
    assert first.version == second.version
    assert context_namespace(first, CONFIG, "eager").digest != context_namespace(second, CONFIG, "eager").digest


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            replace(CONFIG, model=replace(MODEL, positions="learned", window="shift"), store="pooled"),
            "window is shift, .* choose window=rebuild",
        ),
        (replace(CONFIG, store="pooled", cache=CacheConfig(key_mode="latent")), "key_mode is latent, .* key_mode=path"),
        (
            replace(CONFIG, store="pooled", cache=CacheConfig(pool_codec="int8")),
            "pool_codec is int8, .* pool_codec=none",
        ),
    ],
    ids=["shift", "latent", "int8"],
)
def test_roots_that_are_no_function_of_history_are_refused(config, says):
    network = network_of(config.model)
    for make in (
        lambda: context_namespace(network, config, "eager"),
        lambda: result_namespace(network, config, "eager", is_drawn=False),
    ):
        with pytest.raises(ConfigError, match=says):
            make()
