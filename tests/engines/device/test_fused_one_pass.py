"""Triton's kernels expand nodes as PyTorch's operations do: interpreted on the CPU, and compiled for a GPU."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tests.equivalence.scenario import Life
from tests.equivalence.test_exactness import SHAPES
from torch.utils._python_dispatch import TorchDispatchMode

from kvzero.cache import TreeStore
from kvzero.engines import SearchDtype
from kvzero.engines.device import DeviceEngine
from kvzero.engines.device.choose_memory import choose_memory
from kvzero.engines.device.expanders import ExpanderMemory, OnePassMemory
from kvzero.search import DeviceEvaluation, DeviceLeaves, DeviceSearch, Outcome, RuleKind, SearchConfig

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
needs_interpreter = pytest.mark.skipif(
    find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") != "1",
    reason="needs Triton and TRITON_INTERPRET=1",
)

COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from kvzero.engines.device import triton_kernels as kernels, triton_products as products

def pad(name, size):
    return {name: size, f"{name}_lanes": 1 << (size - 1).bit_length()}

edges = {"num_nodes": 51, "num_actions": 6}
heads = {"num_layers": 2, "num_heads": 8, "scale": 96 ** -0.5, **pad("half", 48), **pad("context", 8)}
norm = {"epsilon": 1e-5, **pad("embed", 768)}
finish = {"num_values": 8, "width": 1408, "second": 640, "num_bins": 601, "bin_lanes": 1024, "embed": 768}
finish["epsilon"] = 1e-5
places = ("parents", "actions", "depths", "lengths", "table_rows", "table", "positions", "arena_rows")
floats = ("rewards", "values", "found_rewards", "rotations", "answers", "sums")
numbers = ("node", "num_first", "num_rows")
types = dict.fromkeys(places, "*i64") | dict.fromkeys(floats, "*fp32") | dict.fromkeys(numbers, "i32")
tile = {"block_rows": 64, "block_columns": 32, "block_depth": 64, "depth": 768}
for number in ("fp32", "bf16"):
    for kernel, sizes in (
        (kernels.open_nodes, edges | {"tree_stride": 51} | pad("context", 8) | pad("embed", 768)),
        (kernels.normalise, norm | {"num_sums": 4, "is_sorted": True, "tokens_per_row": 7}),
        (kernels.attend, heads | {"layer": 1, "first_token": 0, "num_actions": 6}),
        (kernels.attend, heads | {"layer": 0, "first_token": 1, "num_actions": 6}),
        (kernels.finish, edges | finish | {"group": 8, "num_groups": 96, "group_lanes": 128, "is_simplex": True}),
        (kernels.finish, edges | finish | {"group": 1, "num_groups": 768, "group_lanes": 1024, "is_simplex": False}),
        (products.apply, tile | {"num_columns": 3072, "has_gelu": True}),
        (products.sum_up, tile | {"num_columns": 768, "num_slices": 4, "depth": 3072}),
        (products.answer, tile | {"num_bins": 601, "num_actions": 6, "embed": 768}),
    ):
        names = kernel.arg_names
        signature = {name: "constexpr" if name in sizes else types.get(name, "*" + number) for name in names}
        fixed = {(names.index(name),): size for name, size in sizes.items()}
        source = ASTSource(fn=kernel, signature=signature, constexprs=fixed)
        options = {"num_warps": 4 if "block_rows" in sizes else 1, "enable_fp_fusion": True}
        code = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        print(len(code.asm["cubin"]) > 1000, code.asm["ptx"].count("ld.local"))
"""


def fused() -> Callable[[TreeStore, int], ExpanderMemory]:
    from kvzero.engines.device.fused_one_pass import FusedMemory  # noqa: PLC0415  # optional

    return FusedMemory


def plain_life(name: str, seed: int, dtype: SearchDtype, *, rule: RuleKind = "puct") -> Life:
    """Return a few environments, and few simulations: every program of a kernel is interpreted by itself."""
    shape = replace(SHAPES[name], num_envs=2, num_simulations=4, rule=rule)
    return Life(shape, seed=seed, engine="one_pass", dtype=dtype)


def fused_life(name: str, seed: int, dtype: SearchDtype, *, rule: RuleKind = "puct") -> Life:
    """Return environments that are planned for with kernels."""
    life = plain_life(name, seed, dtype, rule=rule)
    engine_of(life)._make_memory = fused()
    return life


def engine_of(life: Life) -> DeviceEngine:
    engine = life.planner.engine
    assert isinstance(engine, DeviceEngine)
    return engine


def assert_same_trees(found: Outcome, wanted: Outcome, *, tolerance: float) -> None:
    for name in ("parents", "actions", "depths", "visit_counts", "children"):
        np.testing.assert_array_equal(getattr(found.tree, name), getattr(wanted.tree, name), err_msg=name)
    for name in ("rewards", "value_sums", "priors"):
        numbers = getattr(wanted.tree, name)
        np.testing.assert_allclose(
            getattr(found.tree, name), numbers, atol=tolerance * max(1.0, np.abs(numbers).max()), err_msg=name
        )


@needs_interpreter
@pytest.mark.parametrize("name", ["vector", "three_layers_layernorm", "smallest_context"])
def test_searches_with_kernels_grow_the_trees_of_those_without(name: str) -> None:
    plain, life = plain_life(name, 6, "float32"), fused_life(name, 6, "float32")
    for step, envs in enumerate(map(np.array, ([0, 1], [1], [1, 0], [0], [0, 1]))):
        outcomes = []
        for each in (plain, life):
            if step == 3:
                torch.manual_seed(step)
                each.update_weights()
            each.observe(envs)
            outcomes.append(each.plan(envs, explore=step % 2 > 0))
        assert_same_trees(*outcomes[::-1], tolerance=1e-5)
    kept, wanted = (each.planner.store.memory.arena for each in (life, plain))
    torch.testing.assert_close(kept, wanted, atol=1e-5, rtol=1e-5)


@needs_interpreter
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_every_node_that_kernels_expand_equals_one_uncached_forward(rule: RuleKind) -> None:
    life = fused_life("vector", 3, "float32", rule=rule)
    for step, envs in enumerate(map(np.array, ([0, 1], [1], [1, 0]))):
        life.observe(envs)
        outcome = life.plan(envs, explore=step > 0)
        assert len(life.expansions) == life.shape.num_simulations
        life.check(envs, outcome)


@needs_interpreter
def test_in_bfloat16_kernels_round_like_the_operations() -> None:
    """The first node of a tree is the same one for both, whatever they round."""
    plain, life = plain_life("vector", 2, "bfloat16"), fused_life("vector", 2, "bfloat16")
    for _ in range(3):
        outcomes = []
        for each in (plain, life):
            each.observe(np.arange(2))
            outcomes.append(each.plan(np.arange(2), explore=False))
        found, wanted = (np.stack([outcome.tree.rewards[:, 1], outcome.tree.priors[:, 1, 0]]) for outcome in outcomes)
        np.testing.assert_allclose(found, wanted, atol=0.1, rtol=0.05)
    assert life.planner.store.memory.arena.dtype == torch.bfloat16


class CountLaunches(TorchDispatchMode):
    """Counts the operations that would be a launch on a GPU: those that compute or copy."""

    NO_LAUNCHES = frozenset(
        {
            "alias",
            "chunk",
            "empty_like",
            "expand",
            "flatten",
            "new_empty",
            "reshape",
            "select",
            "slice",
            "t",
            "to",
            "transpose",
        }
        | {"unbind", "unflatten", "unsqueeze", "view", "view_as"}
    )
    """Views and memory; `to` computes nothing where the number type is float32 already."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name not in self.NO_LAUNCHES:
            self.counted[name] += 1
        return operation(*args, **(kwargs or {}))


class Launcher:
    """Takes a kernel's place and counts how often it is launched."""

    def __init__(self, counted: Counter[str], name: str) -> None:
        self._counted, self._name = counted, name

    def __getitem__(self, grid: tuple[int, ...]) -> "Launcher":
        assert all(size > 0 for size in grid)
        return self

    def __call__(self, *args: object, **options: object) -> None:
        self._counted[self._name] += 1


@needs_triton
@pytest.mark.parametrize(
    ("dtype", "products"),
    [("bfloat16", {"apply": 5, "sum_up": 4}), ("float32", {"apply": 1, "linear": 4, "gelu": 2, "matmul": 4})],
    ids=["bfloat16", "float32"],
)
def test_a_simulation_is_nineteen_launches_of_the_network_or_twenty_one(
    dtype: SearchDtype, products: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kvzero.engines.device import fused_one_pass, triton_products  # noqa: PLC0415  # optional

    life = fused_life("vector", 1, dtype)
    life.observe(np.arange(2))
    memory = engine_of(life)._sized(2).memory
    memory.rows.begin(np.arange(2), life.network.version)
    counter = CountLaunches()
    for kernels in (fused_one_pass.kernels, triton_products):
        for name in kernels.__all__:
            monkeypatch.setattr(kernels, name, Launcher(counter.counted, name))
    with torch.inference_mode():
        expander = memory.begin(engine_of(life)._network.current)
        counter.counted.clear()
        first, depths = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
        with counter:
            expander.expand(DeviceLeaves(1, first, first, depths))
    rest = {"open_nodes": 1, "normalise": 5, "attend": 2, "answer": 1, "finish": 1}
    assert counter.counted == rest | products


def test_without_kernels_two_passes_are_one_hundred_and_seven_launches() -> None:
    life = Life(replace(SHAPES["vector"], num_envs=2, num_simulations=4), seed=1, engine="device")
    life.observe(np.arange(2))
    memory = engine_of(life)._sized(2).memory
    memory.rows.begin(np.arange(2), life.network.version)
    first, depths = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
    with torch.inference_mode():
        expander = memory.begin(life.network)
        with CountLaunches() as counter:
            expander.expand(DeviceLeaves(1, first, first, depths))
    assert sum(counter.counted.values()) == 107


@pytest.mark.parametrize(("rule", "num_launches"), [("puct", 37), ("gumbel", 66)])
def test_without_kernels_selecting_is_so_many_launches_and_one_for_each_doubling(
    rule: RuleKind, num_launches: int
) -> None:
    searching = DeviceSearch(2, 3, SearchConfig(num_simulations=16, rule=rule), device=torch.device("cpu"))
    searching.load(torch.zeros(2, 3), torch.zeros(2), np.ones((2, 3), bool), rng=None)
    operations = searching._operations
    operations.plant()
    for node in (1, 16):
        with CountLaunches() as counter:
            operations.select(node)
        doublings = (node - 1).bit_length()
        assert sum(counter.counted.values()) == num_launches + doublings, counter.counted


@needs_triton
def test_the_kernels_compile_for_a_gpu_and_keep_to_its_registers() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "0"] * 18


@needs_interpreter
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kernels_are_used_where_they_agree(dtype: SearchDtype) -> None:
    from kvzero.engines.device.fused_one_pass import try_fused_memory  # noqa: PLC0415  # optional

    life = plain_life("vector", 3, dtype)
    network = engine_of(life)._network.current
    before = [weights.clone() for weights in network.parameters()]
    assert try_fused_memory(network, life.planner.store) is fused()
    assert all(torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))


def shift_the_answer(evaluation: DeviceEvaluation) -> DeviceEvaluation:
    return DeviceEvaluation(evaluation.rewards, evaluation.values, evaluation.logits + 3.0)


def cannot_be_built(evaluation: DeviceEvaluation) -> DeviceEvaluation:
    raise RuntimeError("Failed to find C compiler.")


def is_not_finite(evaluation: DeviceEvaluation) -> DeviceEvaluation:
    return DeviceEvaluation(evaluation.rewards * torch.nan, evaluation.values, evaluation.logits)


@needs_interpreter
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (shift_the_answer, "which differ by"),
        (cannot_be_built, "Failed to find C compiler"),
        (is_not_finite, "which differ by nan"),
    ],
)
def test_kernels_that_fail_or_disagree_are_done_without_and_the_log_says_so(
    fault: Callable[[DeviceEvaluation], DeviceEvaluation],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from kvzero.engines.device.fused_one_pass import FusedExpander, try_fused_memory  # noqa: PLC0415  # optional

    life = plain_life("vector", 3, "float32")
    expand = FusedExpander.expand
    monkeypatch.setattr(FusedExpander, "expand", lambda self, leaves: fault(expand(self, leaves)))
    assert try_fused_memory(life.network, life.planner.store) is OnePassMemory
    assert message in caplog.text
    assert "not with Triton's kernels" in caplog.text


@needs_interpreter
def test_a_number_type_without_kernels_is_expanded_without(caplog: pytest.LogCaptureFixture) -> None:
    from kvzero.engines.device.fused_one_pass import try_fused_memory  # noqa: PLC0415  # optional

    life = Life(SHAPES["vector"], seed=3)
    network = life.network.double()
    store = TreeStore(
        life.shape.model.layout,
        num_envs=3,
        num_simulations=2,
        device=torch.device("cpu"),
        dtype=torch.float64,
        tokens_per_node=4,
    )
    assert try_fused_memory(network, store) is OnePassMemory
    assert "have no torch.float64" in caplog.text


def test_on_a_cpu_there_are_no_kernels() -> None:
    life = plain_life("vector", 3, "float32")
    assert choose_memory(life.network, life.planner.store) is OnePassMemory


@pytest.mark.gpu
def test_on_a_gpu_the_kernels_agree_and_are_used() -> None:
    life = Life(SHAPES["vector"], seed=3)
    network = life.network.cuda()
    store = TreeStore(life.shape.model.layout, num_envs=3, num_simulations=2, device=network.device, tokens_per_node=4)
    assert choose_memory(network, store) is fused()
