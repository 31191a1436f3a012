"""The native engine: equal to PyTorch, equal to itself however it is called, and done without where it cannot be."""

import ctypes
import logging
import platform
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.python_expander import search_in_python

from kvzero.agent import Agent, AgentConfig, Planner
from kvzero.engines import build as engines_module
from kvzero.errors import ConfigError, EngineError, SearchError
from kvzero.model import ModelConfig, Network
from kvzero.model.native import build as build_module
from kvzero.model.native import engine as engine_module
from kvzero.records import EnvSpec
from kvzero.search import Outcome, SearchConfig

MODEL = ModelConfig(embed_dim=16, num_heads=2, context_tokens=6, support_size=11)
NUM_ENVS = 5


def make_network(model: ModelConfig, num_actions: int = 3, *, seed: int = 0, noise: float = 0.15) -> Network:
    torch.manual_seed(seed)
    network = Network(model, EnvSpec(observation_shape=(4,), num_actions=num_actions))
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * noise)
    return network


def make_model(embed: tuple[int, int], **sizes: int) -> ModelConfig:
    norm = "layernorm" if embed[0] % 8 else "simnorm"
    return ModelConfig(embed_dim=embed[0], num_heads=embed[1], latent_norm=norm, **sizes)


def make_planner(network: Network, num_envs: int = NUM_ENVS, *, num_simulations: int = 9, **choices: str) -> Planner:
    config = AgentConfig(model=network.config, search=SearchConfig(num_simulations=num_simulations), **choices)
    return Planner(network, config, num_envs=num_envs)


def live(planner: Planner, network: Network, num_envs: int = NUM_ENVS, *, steps: int = 4, seed: int = 0) -> Outcome:
    """Observe a few random steps, environments starting one after the other; return the last search."""
    rng = np.random.default_rng(seed)
    everyone = np.arange(num_envs)
    masks = np.ones((num_envs, network.spec.num_actions), bool)
    for step in range(steps):
        observations = rng.normal(size=(num_envs, 4)).astype(np.float32)
        actions = rng.integers(network.spec.num_actions, size=num_envs)
        planner.observe(everyone, observations, actions=actions, starts=(everyone + step) % 3 == 0)
        outcome = planner.plan(everyone, masks, rng=np.random.default_rng(step))
    return outcome


def numbers_of(planner: Planner, envs: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    reading = planner.engine.readings(envs)
    return reading.values, reading.policy_logits


def pretend_threads(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let the engine have so many threads; PyTorch, whose results depend on their number, keeps one."""
    patch.setattr(torch, "get_num_threads", lambda: number)
    patch.setattr(torch, "set_num_threads", lambda _: None)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let the library be built anew, and the log speak anew."""
    monkeypatch.setattr(build_module, "load_library", build_module.load_library.__wrapped__)
    monkeypatch.setattr(engine_module, "load_library", build_module.load_library)
    engines_module._tell_once.cache_clear()
    yield monkeypatch
    engines_module._tell_once.cache_clear()


def assert_same_tree(one: Outcome, other: Outcome) -> None:
    for mine, theirs in zip(one.tree, other.tree, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_search_in_machine_code_grows_the_tree_of_a_search_from_python(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(MODEL)
    at_once = live(make_planner(network, engine="native", search_dtype=dtype), network)
    search_in_python(monkeypatch)
    assert_same_tree(at_once, live(make_planner(network, engine="native", search_dtype=dtype), network))


@pytest.mark.parametrize("embed_dim", [16, 256])  # threads share rows, and panels
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_number_of_threads_changes_nothing(embed_dim: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(replace(MODEL, embed_dim=embed_dim), noise=0.02)
    outcomes = []
    for num_threads in (1, 2, 3):
        pretend_threads(monkeypatch, num_threads)
        outcomes.append(live(make_planner(network, engine="native", search_dtype=dtype), network))
    assert_same_tree(outcomes[0], outcomes[1])
    assert_same_tree(outcomes[0], outcomes[2])


@settings(max_examples=40)
@given(
    model=st.builds(
        make_model,
        st.sampled_from([(4, 1), (8, 2), (20, 5), (24, 3), (30, 5), (34, 1), (48, 2), (64, 16)]),
        num_layers=st.integers(1, 3),
        context_tokens=st.sampled_from([2, 4, 10]),
        support_size=st.sampled_from([3, 5, 17, 33]),
        head_expansion=st.sampled_from([1, 3]),
    ),
    num_actions=st.sampled_from([1, 2, 18]),
    num_envs=st.sampled_from([1, 2, 7, 13, 21]),
    dtype=st.sampled_from(["float32", "bfloat16"]),
    seed=st.integers(0, 99),
)
def test_the_native_engine_says_what_pytorch_says(
    model: ModelConfig,
    num_actions: int,
    num_envs: int,
    dtype: str,
    seed: int,
) -> None:
    network = make_network(model, num_actions, seed=seed, noise=0.08)
    native, eager = (
        make_planner(network, num_envs, num_simulations=1, engine=engine, search_dtype=dtype)
        for engine in ("native", "eager")
    )
    ours, theirs = live(native, network, num_envs, seed=seed), live(eager, network, num_envs, seed=seed)
    same = ours.tree.actions[:, 1] == theirs.tree.actions[:, 1]
    assert dtype == "bfloat16" or same.all()
    atol, rtol = (2e-5, 0.0) if dtype == "float32" else (0.1, 0.05)  # float32: each may be 1e-5 from what is exact
    everyone = np.arange(num_envs)
    for mine, others in (
        *zip(*(numbers_of(planner, everyone) for planner in (native, eager)), strict=True),
        (ours.tree.rewards[same, 1], theirs.tree.rewards[same, 1]),
        (ours.tree.value_sums[same, 1], theirs.tree.value_sums[same, 1]),
        (ours.tree.priors[same, 1], theirs.tree.priors[same, 1]),
    ):
        np.testing.assert_allclose(mine, others, atol=atol, rtol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_an_environment_is_told_does_not_depend_on_how_many_others_there_are(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(replace(MODEL, embed_dim=48))
    observations = np.random.default_rng(1).normal(size=(21, 4)).astype(np.float32)
    with torch.inference_mode():
        latents = network.encode(torch.from_numpy(observations))

    def plan(num_envs: int) -> Outcome:
        planner, everyone = make_planner(network, num_envs, engine="native", search_dtype=dtype), np.arange(num_envs)
        nothing, starts = np.zeros(num_envs, np.int64), np.ones(num_envs, bool)
        monkeypatch.setattr(network, "encode", lambda _: latents[:num_envs])  # PyTorch's sums may depend on the batch
        planner.observe(everyone, observations[:num_envs], actions=nothing, starts=starts)
        return planner.plan(everyone, np.ones((num_envs, 3), bool), rng=None)

    most = plan(len(observations))
    for num_envs in range(1, len(observations)):
        for some, of_all in zip(plan(num_envs).tree, most.tree, strict=True):
            np.testing.assert_array_equal(some, of_all[:num_envs])


def test_changed_weights_are_packed_anew() -> None:
    network = make_network(MODEL)
    planner = make_planner(network, engine="native")
    before = live(planner, network)
    with torch.no_grad():
        network.latent_head.second.bias.add_(1.0 * torch.arange(3))
    after = live(planner, network)
    fresh = live(make_planner(network, engine="native"), network)
    assert not np.array_equal(before.tree.priors, after.tree.priors)
    np.testing.assert_array_equal(after.visit_counts, fresh.visit_counts)


def test_a_number_that_is_not_finite_is_refused_as_ever() -> None:
    network = make_network(MODEL)
    planner = make_planner(network, engine="native")
    live(planner, network)
    with torch.no_grad():
        network.action_head.first.bias[4] = torch.nan
    with pytest.raises(SearchError, match="node 1 of environment 0 is not finite: reward nan"):
        live(planner, network, steps=1)


def test_searching_again_and_again_takes_no_more_memory() -> None:
    network = make_network(MODEL)
    planner = make_planner(network, num_simulations=50, engine="native")
    live(planner, network, steps=20)
    before = psutil.Process().memory_info().rss
    live(planner, network, steps=300)
    assert psutil.Process().memory_info().rss - before < 2e6


def test_auto_takes_the_native_engine_here() -> None:
    assert make_planner(make_network(MODEL)).engine.name == "native"


def test_without_a_compiler_pytorch_searches_and_the_log_says_so_once(
    no_library: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = make_network(MODEL)
    wanted = live(make_planner(network, engine="eager"), network)
    no_library.setenv("PATH", "")
    no_library.delenv("CC", raising=False)
    with caplog.at_level(logging.INFO, logger="kvzero"):
        planner, again = make_planner(network), make_planner(network)
    assert again.engine.name == "eager"
    assert_same_tree(live(planner, network), wanted)
    assert ["there is no C compiler" in record.getMessage() for record in caplog.records] == [True]
    with pytest.raises(EngineError, match="there is no C compiler"):
        make_planner(network, engine="native")


def test_a_broken_compiler_is_done_without(
    no_library: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho no such target >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    no_library.setenv("CC", str(broken))
    no_library.setenv("KVZERO_CACHE_DIR", str(tmp_path / "cache"))
    assert make_planner(make_network(MODEL)).engine.name == "eager"
    assert ["no such target" in record.getMessage() for record in caplog.records] == [True]


def test_a_library_that_cannot_be_loaded_is_done_without(no_library: pytest.MonkeyPatch, tmp_path: Path) -> None:
    liar = tmp_path / "lying-cc"
    liar.write_text(
        '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && echo junk > "$2"; shift; done\n', encoding="utf-8"
    )
    liar.chmod(0o755)
    no_library.setenv("CC", str(liar))
    no_library.setenv("KVZERO_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EngineError, match="cannot be loaded"):
        make_planner(make_network(MODEL), engine="native")
    assert make_planner(make_network(MODEL)).engine.name == "eager"


def test_weights_in_another_type_are_refused_by_name() -> None:
    network = make_network(MODEL).to(torch.bfloat16)
    with pytest.raises(EngineError, match=r"weights are torch.bfloat16"):
        make_planner(network, engine="native")


def other_builds() -> list[tuple[str, ...]]:
    """Return flags for poorer machines than this one, which can run what they build."""
    info = Path("/proc/cpuinfo")
    has_avx2 = platform.machine() == "x86_64" and info.exists() and "avx2" in info.read_text(encoding="utf-8")
    return [(), ("-march=x86-64-v3",)] if has_avx2 else [()]


@pytest.mark.parametrize("flags", other_builds(), ids=str)
def test_builds_for_other_machines_say_what_pytorch_says(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "MACHINE_FLAGS", (flags,))
    library = ctypes.CDLL(str(build_module.build_library(tmp_path)))
    monkeypatch.setattr(engine_module, "load_library", lambda: library)
    for dtype, tolerance in (("float32", 1e-5), ("bfloat16", 0.1)):
        for num_envs, embed in ((1, (20, 5)), (3, (24, 3)), (13, (48, 1))):
            network = make_network(make_model(embed, support_size=17, context_tokens=6), noise=0.08)
            native, eager = (
                make_planner(network, num_envs, engine=engine, search_dtype=dtype) for engine in ("native", "eager")
            )
            live(native, network, num_envs)
            live(eager, network, num_envs)
            for mine, others in zip(*(numbers_of(each, np.arange(num_envs)) for each in (native, eager)), strict=True):
                np.testing.assert_allclose(mine, others, atol=tolerance)


def test_encoding_on_one_thread_leaves_the_number_of_threads_as_it_was() -> None:
    network = make_network(MODEL)
    torch.set_num_threads(2)
    live(make_planner(network, engine="native"), network)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_two_planners_search_at_once_as_they_do_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(MODEL)
    alone = [live(make_planner(network, engine="native"), network, seed=seed) for seed in range(4)]
    pretend_threads(monkeypatch, 2)
    planners = [make_planner(network, engine="native") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda seed: live(planners[seed], network, seed=seed), range(4)))
    for one, other in zip(alone, at_once, strict=True):
        assert_same_tree(one, other)


def test_a_forked_process_searches_with_helpers_of_its_own() -> None:
    program = """
import os, torch
torch.set_num_threads(1)
from tests.engines.test_native import MODEL, live, make_network, make_planner
torch.get_num_threads, torch.set_num_threads = lambda: 2, lambda _: None
network = make_network(MODEL)
planner = make_planner(network, engine="native")
before = live(planner, network)
child = os.fork()
after = live(planner, network)
is_same = (before.tree.value_sums == after.tree.value_sums).all()
if child == 0:
    os._exit(0 if is_same else 3)
assert os.waitpid(child, 0)[1] == 0 and is_same
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=300, check=False)
    assert done.returncode == 0


def test_weights_that_have_become_doubles_are_refused_rather_than_read_as_floats() -> None:
    network = make_network(MODEL)
    planner = make_planner(network, engine="native")
    live(planner, network)
    network.double()
    with pytest.raises(EngineError, match=r"the weights are torch.float64; the native engine takes in float32"):
        planner.plan(np.arange(NUM_ENVS), np.ones((NUM_ENVS, 3), bool), rng=None)
    network.float()
    planner.plan(np.arange(NUM_ENVS), np.ones((NUM_ENVS, 3), bool), rng=None)


@pytest.mark.parametrize("envs", [[1, 1], [0, 1, 2, 3, 4, 0], [5], [-1]], ids=str)
def test_no_row_leads_machine_code_beyond_its_memory(envs: list[int]) -> None:
    network, rows = make_network(MODEL), np.array(envs)
    engine, num_rows = make_planner(network, engine="native").engine, len(envs)
    engine.extend(np.arange(NUM_ENVS), np.zeros((NUM_ENVS, 4), np.float32), np.zeros(NUM_ENVS, int))
    lengths = engine.store.lengths(np.arange(NUM_ENVS))
    with pytest.raises(EngineError, match=r"were named; name each once, by 0 to 4"):
        engine.extend(rows, np.zeros((num_rows, 4), np.float32), np.zeros(num_rows, int))
    with pytest.raises(EngineError, match=r"were named; name each once, by 0 to 4"):
        engine.search(rows, np.ones((num_rows, 3), bool), rng=None)
    np.testing.assert_array_equal(engine.store.lengths(np.arange(NUM_ENVS)), lengths)


@pytest.mark.parametrize("action", [3, 1000, -1])
def test_no_action_leads_machine_code_beyond_its_table(action: int) -> None:
    engine, one = make_planner(make_network(MODEL), engine="native").engine, np.zeros(1, int)
    engine.extend(one, np.zeros((1, 4), np.float32), one)
    with pytest.raises(ConfigError, match=rf"actions \[{action}\] were to be taken, and they are numbered from 0 to 2"):
        engine.extend(one, np.zeros((1, 4), np.float32), np.array([action]))
    assert engine.store.lengths(one) == [1]


def test_bfloat16_visits_nearly_what_float32_visits() -> None:
    """Random networks are the hard case: their priors are flat and their values close together."""
    network = make_network(make_model((64, 4), support_size=101, context_tokens=8), num_actions=6, noise=0.02)
    counts = [
        live(make_planner(network, 16, num_simulations=50, engine="native", search_dtype=dtype), network, 16)
        for dtype in ("float32", "bfloat16")
    ]
    moved = np.abs(counts[0].visit_counts - counts[1].visit_counts).sum(axis=1) / 2
    assert moved.mean() / 50 < 0.05


def test_an_agent_acts_alike_with_either_engine() -> None:
    network = make_network(MODEL)
    observations = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    acts = [
        [agent.act(observation) for observation in observations]
        for agent in (
            Agent(network, AgentConfig(model=MODEL, engine=engine, search=SearchConfig(num_simulations=20)))
            for engine in ("native", "eager")
        )
    ]
    assert acts[0] == acts[1]
