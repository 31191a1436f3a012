"""On a GPU auto is what is fastest and finds the same; elsewhere, and where an engine is named, nothing is tried."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES

from kvzero.agent import Planner
from kvzero.agent import planner as planner_module
from kvzero.engines import EnginePlan, SearchDtype, SearchNetwork, StoreKind, settle_engine
from kvzero.engines.device.expanders import OnePassExpander, TwoPassExpander
from kvzero.engines.trials import Trial, settle
from kvzero.engines.trials.settle import choose_engine, measure_seconds
from kvzero.model import Network
from kvzero.search import DeviceEvaluation, RuleKind, SearchConfig

AUTO, DEVICE, ONE_PASS = EnginePlan("auto"), EnginePlan("device"), EnginePlan("device", one_pass=True)


def network_of(name: str = "vector", dtype: SearchDtype = "float32") -> SearchNetwork:
    return SearchNetwork(Life(SHAPES[name], seed=0).network, dtype)


def later_is_faster() -> Callable[[Trial], float]:
    """Return a measure by which each trial is faster than those before."""
    seconds = iter((3.0, 2.0, 1.0))
    return lambda trial: next(seconds)


@pytest.mark.parametrize(("name", "dtype"), [("vector", "float32"), ("image", "float32"), ("vector", "bfloat16")])
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_all_engines_find_the_same_and_one_line_says_which_is_taken(
    name: str, dtype: SearchDtype, rule: RuleKind, caplog: pytest.LogCaptureFixture
) -> None:
    network, search = network_of(name, dtype), SearchConfig(num_simulations=50, rule=rule)
    before = [weights.clone() for weights in network.source.parameters()]
    with caplog.at_level(logging.INFO, logger="kvzero.engines"):
        assert choose_engine(network, search, num_envs=5, measure=later_is_faster()) == ONE_PASS
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "searching 5 roots on cpu with device, one_pass (eager: 3000.00 ms; device: 2000.00 ms; "
        "device, one_pass: 1000.00 ms)"
    )
    assert all(torch.equal(*pair) for pair in zip(before, network.source.parameters(), strict=True))


def test_an_engine_that_finds_something_else_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look_up = OnePassExpander.look_up
    monkeypatch.setattr(
        OnePassExpander,
        "look_up",
        lambda self, leaves: replace(look_up(self, leaves), rewards=look_up(self, leaves).rewards + 0.1),
    )
    assert choose_engine(network_of(), SearchConfig(), num_envs=3, measure=later_is_faster()) == DEVICE
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "device, one_pass: differs by" in record.getMessage()


def test_engines_are_told_apart_by_new_networks_too_whose_heads_answer_nothing_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look_up = OnePassExpander.look_up
    monkeypatch.setattr(
        OnePassExpander,
        "look_up",
        lambda self, leaves: replace(look_up(self, leaves), rewards=1.5 * look_up(self, leaves).rewards),
    )
    new = SearchNetwork(Network(network_of().source.config, network_of().source.spec), "float32")
    assert choose_engine(new, SearchConfig(), num_envs=3, measure=later_is_faster()) == DEVICE


def test_a_trial_is_short_however_long_searches_are() -> None:
    sizes: list[int] = []

    def measure(trial: Trial) -> float:
        sizes.extend(trial.search().visit_counts.sum(axis=1))
        return 1.0

    choose_engine(network_of(), SearchConfig(num_simulations=50), num_envs=2, measure=measure)
    choose_engine(network_of(), SearchConfig(num_simulations=3), num_envs=2, measure=measure)
    assert sizes == [8] * 6 + [3] * 6


def test_where_no_other_engine_can_serve_it_is_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> DeviceEvaluation:
        raise RuntimeError("no kernel image is available for execution on the device")

    for expander in (OnePassExpander, TwoPassExpander):
        monkeypatch.setattr(expander, "expand", fail)
    assert choose_engine(network_of(), SearchConfig(), num_envs=3).kind == "eager"


def test_seconds_are_those_of_a_search() -> None:
    class Counting:
        searches = 0

        def search(self) -> None:
            self.searches += 1

    trial = Counting()
    assert measure_seconds(trial) >= 0.0
    assert trial.searches == settle.NUM_SEARCHES


def settled(asked: EnginePlan, name: str, store: StoreKind, device: str, patch: pytest.MonkeyPatch) -> EnginePlan:
    """Return what is settled on where trials would choose one pass, if the network were on a device."""
    network = network_of(name)
    patch.setattr(settle, "choose_engine", lambda *arguments, **sizes: ONE_PASS)
    patch.setattr(settle, "_settled", {})
    patch.setattr(Network, "device", property(lambda self: torch.device(device)))
    return settle_engine(asked, network, store, SearchConfig(), num_envs=3)


@pytest.mark.parametrize(
    ("asked", "name", "store", "device", "wanted"),
    [
        (AUTO, "vector", "tree", "cuda", ONE_PASS),
        (AUTO, "vector", "tree", "cpu", AUTO),
        (AUTO, "vector", "pooled", "cuda", AUTO),
        (AUTO, "continuous", "tree", "cuda", AUTO),
        (EnginePlan("eager"), "vector", "tree", "cuda", EnginePlan("eager")),
        (DEVICE, "vector", "tree", "cuda", DEVICE),
    ],
)
def test_trials_are_held_for_auto_on_a_gpu_over_a_tree_of_numbered_actions_only(
    asked: EnginePlan, name: str, store: StoreKind, device: str, wanted: EnginePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settled(asked, name, store, device, monkeypatch) == wanted


def test_a_process_tries_once_what_it_is_asked_again_and_anew_what_is_another_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search, places, trials = SearchConfig(num_simulations=50), ["cuda:0"], [ONE_PASS]
    network, again, narrow, double = network_of(), network_of(), network_of(dtype="bfloat16"), network_of()
    double = SearchNetwork(double.source.double(), "float32")
    encoder = torch.nn.Linear(*network.source.spec.observation_shape, network.source.config.embed_dim)
    seen = SearchNetwork(Network(network.source.config, network.source.spec, encoder=encoder), "float32")
    deep, image = network_of("three_layers_layernorm"), network_of("image")

    def choose(network: SearchNetwork, search: SearchConfig, *, num_envs: int) -> EnginePlan:
        trials.append(DEVICE if trials[-1] == ONE_PASS else ONE_PASS)
        return trials[-1]

    monkeypatch.setattr(settle, "choose_engine", choose)
    monkeypatch.setattr(settle, "_settled", {})
    monkeypatch.setattr(Network, "device", property(lambda self: torch.device(places[-1])))

    def tries(network: SearchNetwork, search: SearchConfig = search, num_envs: int = 3) -> bool:
        """Return whether that takes a trial, which is not held again and whose end is kept."""
        before = len(trials)
        plan = settle_engine(AUTO, network, "tree", search, num_envs=num_envs)
        is_new = len(trials) > before
        assert settle_engine(AUTO, network, "tree", search, num_envs=num_envs) == plan
        assert len(trials) == before + is_new
        return is_new

    assert tries(network)
    assert not tries(again)
    assert not tries(network, replace(search, num_simulations=25))  # no trial is as long
    assert not tries(network, replace(search, discount=0.9))  # which may move during a run
    assert tries(network, replace(search, num_simulations=5))
    assert tries(network, replace(search, rule="gumbel"))
    assert tries(network, num_envs=4)
    assert [tries(each) for each in (narrow, double, seen, deep, image)] == [True] * 5
    places.append("cuda:1")
    assert tries(network)


def test_a_trial_searches_alike_whatever_the_discount() -> None:
    """A discount that moves during a run is no part of a case."""
    found: list[float] = []

    def measure(trial: Trial) -> float:
        found.append(float(trial.search().values.sum()))
        return 1.0

    for discount in (0.9, 0.997):
        choose_engine(network_of(), SearchConfig(discount=discount), num_envs=2, measure=measure)
    assert found[:3] == found[3:]


def test_a_planner_has_the_engine_that_was_settled_on_and_the_store_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(SHAPES["vector"], seed=0, engine="auto")
    monkeypatch.setattr(planner_module, "settle_engine", lambda *arguments, **sizes: ONE_PASS)
    planner = Planner(life.network, life.config, num_envs=3)
    assert planner.engine.name == "device"
    assert planner.store.memory.tokens_per_node == 1 + life.shape.spec.num_actions
    named = Planner(life.network, replace(life.config, engine="device", one_pass=True), num_envs=3)
    assert planner._namespace() == named._namespace()  # so results of other engines, which round otherwise, stay apart
