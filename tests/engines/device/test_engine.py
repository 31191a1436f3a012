"""A whole search on tensors, network and store included, against the planner's own; it runs here on the CPU."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from tests.equivalence.scenario import Engine, Life, random_network
from tests.equivalence.test_exactness import SHAPES
from tests.search.test_device_search import Listen

from kvzero.cache import ContextStore, TreeStore
from kvzero.engines import EngineKind, SamplingConfig, SearchNetwork, build_engine
from kvzero.engines.device import DeviceEngine
from kvzero.engines.device.expanders import ExpanderMemory, OnePassMemory, TwoPassMemory
from kvzero.engines.device.recordings import DirectRecorder, Recording, Recordings
from kvzero.errors import ConfigError, EngineError, SearchError, StaleContextError
from kvzero.model import Network
from kvzero.search import DeviceSearch, Outcome, RuleKind, SearchConfig

SHAPE = SHAPES["vector"]


def device_engine(life: Life) -> DeviceEngine:
    """Return an engine that searches below the roots of a life whose planner has another."""
    network = SearchNetwork(life.network, "float32")
    return DeviceEngine(network, life.planner.store, life.config.search, SamplingConfig())


def plan(
    engine: DeviceEngine, life: Life, envs: np.ndarray, seed: int | None, masks: np.ndarray | None = None
) -> Outcome:
    rng = None if seed is None else np.random.default_rng(seed)
    masks = np.ones((len(envs), life.shape.spec.num_actions), bool) if masks is None else masks
    engine.keep(envs, life.planner.engine.readings(envs))
    return engine.search(envs, masks, rng=rng)


def assert_alike(found: Outcome, wanted: Outcome) -> None:
    """Hold two searches against each other whose models round differently."""
    for name in ("parents", "actions", "depths", "visit_counts", "children", "tie_keys", "action_masks"):
        np.testing.assert_array_equal(getattr(found.tree, name), getattr(wanted.tree, name), err_msg=name)
    for name in ("rewards", "value_sums", "priors", "bounds"):
        np.testing.assert_allclose(getattr(found.tree, name), getattr(wanted.tree, name), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.visit_counts, wanted.visit_counts)
    np.testing.assert_array_equal(found.chosen, wanted.chosen)
    np.testing.assert_allclose(found.policy, wanted.policy, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *((name, "puct") for name in ("vector", "image", "three_layers_layernorm", "smallest_context")),
        *((name, "gumbel") for name in ("vector", "image")),
    ],
)
def test_trees_are_those_of_the_planners_own_search(name: str, rule: RuleKind) -> None:
    life = Life(replace(SHAPES[name], rule=rule), seed=8)
    engine = device_engine(life)
    num_actions = life.shape.spec.num_actions
    for step in range(20):
        envs = life.some_envs()
        life.observe(envs)
        masks = life.rng.random((len(envs), num_actions)) < 0.7
        masks[:, step % num_actions] = True
        seed = None if step % 3 == 0 else step
        rng = None if seed is None else np.random.default_rng(seed)
        wanted = life.planner.plan(envs, masks, rng=rng)
        envs, masks = envs[::-1].copy()[::-1], np.asfortranarray(masks)  # laid out unlike those that torch takes
        masks.flags.writeable = False
        assert_alike(plan(engine, life, envs, seed, masks), wanted)
        life.actions[envs] = life.rng.integers(num_actions, size=len(envs))
    assert life.roll_overs >= 3


@dataclass
class Shapes:
    """A recorder that records nothing and counts what it was asked to record."""

    made: int = 0
    direct: DirectRecorder = field(default_factory=DirectRecorder)

    def record(self, work: Callable[[], None]) -> Recording:
        self.made += 1
        return self.direct.record(work)


def test_subsets_share_recordings_by_powers_of_two_and_updates_need_no_other() -> None:
    life = Life(SHAPES["vector"], seed=1)
    engine, recorder = device_engine(life), Shapes()
    engine._recordings = Recordings(recorder)
    everyone = np.arange(3)
    for size, made in ((1, 1), (2, 2), (3, 3), (2, 3), (1, 3), (3, 3)):
        life.update_weights()
        life.observe(everyone)
        plan(engine, life, everyone[:size], None)
        assert recorder.made == made
    life.network.transformer.positions.reserve(10_000)
    plan(engine, life, everyone, None)
    assert recorder.made == 4


@pytest.mark.parametrize(("engine", "rule"), [("device", "puct"), ("one_pass", "puct"), ("one_pass", "gumbel")])
def test_what_runs_depends_on_no_number_and_nothing_is_copied_from_or_to_the_host(
    engine: Engine, rule: RuleKind
) -> None:
    life = Life(replace(SHAPES["vector"], rule=rule), seed=3, engine=engine)
    searched = life.planner.engine
    heard: list[list[tuple]] = []

    class Listening(DirectRecorder):
        def record(self, work: Callable[[], None]) -> Recording:
            def listen() -> None:
                with Listen() as ear:
                    work()
                heard.append(ear.heard)

            return super().record(listen)

    searched._recordings = Recordings(Listening())
    for step in range(4):
        life.observe(np.arange(3))
        life.planner.plan(np.array([2, 0]), np.ones((2, 3), bool), rng=np.random.default_rng(step))
    assert heard[0] == heard[1] == heard[2] == heard[3]
    names = {name for name, _, _ in heard[0]}
    assert "linear" in names or "addmm" in names
    assert not names & {"_local_scalar_dense", "lift_fresh", "nonzero", "equal", "masked_select", "scalar_tensor"}


@pytest.mark.parametrize(("dtype", "rule"), [(torch.float32, "puct"), (torch.bfloat16, "gumbel")])
@pytest.mark.parametrize(("tokens_per_node", "make_memory"), [(2, TwoPassMemory), (4, OnePassMemory)])
@torch.inference_mode()
def test_a_search_needs_no_numbers_at_all(
    tokens_per_node: int, make_memory: Callable[[TreeStore, int], ExpanderMemory], dtype: torch.dtype, rule: RuleKind
) -> None:
    """Tensors on the meta device have none, and refuse to be mixed with tensors on another."""
    meta, shape = torch.device("meta"), SHAPES["vector"]
    network = Network(shape.model, shape.spec).to(meta, dtype)
    store = TreeStore(
        shape.model.layout, num_envs=5, num_simulations=7, device=meta, dtype=dtype, tokens_per_node=tokens_per_node
    )
    config = SearchConfig(num_simulations=7, rule=rule)
    search = DeviceSearch(5, shape.spec.num_actions, config, device=meta)
    search.run(make_memory(store, 5).begin(network))
    assert search._work.tree.children.shape == (5, 8, 3)


def test_weights_that_are_not_finite_are_refused() -> None:
    life = Life(SHAPES["vector"], seed=2)
    engine = device_engine(life)
    life.observe(np.arange(3))
    with torch.no_grad():
        life.network.action_head.first.bias.fill_(torch.nan)
    with pytest.raises(StaleContextError, match="rebuild"):
        plan(engine, life, np.arange(3), None)
    life.planner._catch_up(np.arange(3))
    with pytest.raises(SearchError, match="of node 1 of environment 0 is not finite: reward nan"):
        plan(engine, life, np.arange(3), None)


def test_a_root_that_was_never_observed_is_refused() -> None:
    life = Life(SHAPES["vector"], seed=2)
    engine = device_engine(life)
    life.observe(np.array([1]))
    with pytest.raises(StaleContextError, match="have no root"):
        plan(engine, life, np.array([1, 2]), None)
    assert plan(engine, life, np.array([1]), None).visit_counts.sum() == life.shape.num_simulations


def other_store() -> ContextStore:
    """Return a store that is no tree store; nothing is asked of it."""
    return type("OtherStore", (), {name: print for name in vars(ContextStore) if not name.startswith("_")})()


def choose(kind: EngineKind, device: str, store: ContextStore | None = None) -> str:
    """Return the name of the engine that is built, if the network were there."""
    life = Life(SHAPE, seed=0)
    network = SearchNetwork(life.network, "float32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "device", property(lambda self: torch.device(device)))
        return build_engine(kind, network, store or life.planner.store, life.config.search, SamplingConfig()).name


@pytest.mark.parametrize(
    ("kind", "device", "name"),
    [
        ("device", "cpu", "device"),
        ("device", "cuda", "device"),
        ("auto", "cuda", "eager"),
        ("auto", "cpu", "native"),
        ("eager", "cuda", "eager"),
        ("eager", "cpu", "eager"),
    ],
)
def test_a_search_stays_on_the_device_only_where_asked_to(kind: EngineKind, device: str, name: str) -> None:
    assert choose(kind, device) == name


def test_another_store_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="only the tree store is read by indices on the device"):
        choose("device", "cpu", other_store())


def test_continuous_actions_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match="actions are continuous"):
        Life(SHAPES["continuous"], seed=0, engine="device")


def test_one_pass_is_refused_where_it_would_have_no_effect() -> None:
    config = Life(SHAPE, seed=0).config
    with pytest.raises(ConfigError, match="one_pass would have no effect with engine=eager; choose engine=device"):
        replace(config, one_pass=True)


@pytest.mark.parametrize(
    ("name", "rule"), [("vector", "puct"), ("three_layers_layernorm", "puct"), ("vector", "gumbel")]
)
@pytest.mark.parametrize("engine", ["device", "one_pass"])
def test_visit_counts_are_those_of_the_eager_engine(engine: Engine, name: str, rule: RuleKind) -> None:
    shape = replace(SHAPES[name], rule=rule)
    eager, device = Life(shape, seed=9, engine="eager"), Life(shape, seed=9, engine=engine)
    for step in range(20):
        envs = eager.some_envs()
        assert (device.some_envs() == envs).all()
        counts = []
        for life in (eager, device):
            life.observe(envs)
            counts.append(life.plan(envs, explore=step % 2 > 0).visit_counts)
        np.testing.assert_array_equal(*counts)


@pytest.mark.parametrize("engine", ["device", "one_pass"])
def test_bfloat16_searches_with_weights_that_follow(engine: Engine) -> None:
    life = Life(SHAPE, seed=4, engine=engine, dtype="bfloat16")
    for _ in range(3):
        life.update_weights()
        life.observe(np.arange(3))
        assert (life.plan(np.arange(3)).visit_counts.sum(axis=1) == SHAPE.num_simulations).all()
    assert life.planner.store.memory.arena.dtype == torch.bfloat16


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["device", "one_pass"])
def test_on_a_gpu_recorded_searches_visit_what_the_eager_engine_visits(engine: Engine) -> None:
    network = random_network(SHAPE, 9).cuda()
    eager, device = (Life(SHAPE, seed=9, network=network, engine=each) for each in ("eager", engine))
    for step in range(20):
        envs = eager.some_envs()
        assert (device.some_envs() == envs).all()
        counts = []
        for life in (eager, device):
            life.observe(envs)
            outcome = life.planner.plan(envs, np.ones((len(envs), 3), bool), rng=None)
            life.actions[envs] = step % 3
            counts.append(outcome.visit_counts)
        np.testing.assert_array_equal(*counts)
    assert all(isinstance(held, torch.cuda.CUDAGraph) for held in device.planner.engine._recordings._held.values())
