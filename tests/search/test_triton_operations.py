"""The kernels grow the trees of the compiled search: interpreted on the CPU, compiled for a GPU, and run where one is.

Triton comes with CUDA builds of PyTorch on Linux. Elsewhere `make kernels` installs it and runs these tests.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tests.search.models import PathModel, flat_roots, hashed_answers
from tests.search.test_device_search import TensorModel, assert_same_outcome, broken_at, device_search, load

from kvzero.errors import SearchError
from kvzero.search import DeviceSearch, RuleKind, SearchConfig, search
from kvzero.search.device_rules import make_tensor_half

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
needs_interpreter = pytest.mark.skipif(
    find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") != "1",
    reason="needs Triton and TRITON_INTERPRET=1",
)

COMPILE = r"""
import re
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from kvzero.search import triton_operations, triton_selection

numbers = dict.fromkeys(["parents", "actions", "depths", "children", "visit_counts", "failures"], "*i64")
sizes = {"num_nodes": 51, "num_actions": 6, "num_lanes": 8}
for kernel in (triton_selection.select_puct, triton_selection.select_gumbel, triton_operations._back_up):
    names = kernel.arg_names
    types = {name: numbers.get(name, "*fp64") for name in names} | {"node": "i32", "evaluations": "*fp32"}
    types = {name: "constexpr" if name in sizes else types[name] for name in names}
    fixed = {(names.index(name),): size for name, size in sizes.items()}
    source = ASTSource(fn=kernel, signature=types, constexprs=fixed)
    options = {"num_warps": 1, "enable_fp_fusion": False}
    code = compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm
    print(code["ptx"].count("bar.sync"), len(re.findall(r"tt\.store %\w+, %c", code["ttir"])))
"""


ON_THE_CPU = """
import torch
from kvzero.search import SearchConfig
from kvzero.search.device_tree import allocate_workspace
from kvzero.search.device_rules import make_tensor_half
from kvzero.search.triton_operations import try_triton_operations

config = SearchConfig(num_simulations=3)
workspace = allocate_workspace(2, 3, config, device=torch.device("cpu"))
print(try_triton_operations(workspace, "puct", make_tensor_half("puct", workspace)))
"""


def run_without_interpreter(program: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)


def steps() -> type:
    from kvzero.search.triton_operations import TritonOperations  # noqa: PLC0415  # optional

    return TritonOperations


@needs_interpreter
@pytest.mark.parametrize("grain", [None, 0.5, 100.0])
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize(("num_actions", "is_collecting"), [(1, True), (4, True), (5, False)])
def test_interpreted_kernels_grow_the_trees_of_the_compiled_search(
    grain: float | None, num_actions: int, is_collecting: bool, rule: RuleKind
) -> None:
    config = SearchConfig(num_simulations=17, rule=rule)
    asks = [hashed_answers(4, env, num_actions, grain=grain) for env in range(3)]
    roots = flat_roots(3, num_actions, value=0.5)
    roots.action_masks[1, 1:] = False
    rngs = [np.random.default_rng(2) if is_collecting else None for _ in range(2)]
    wanted = search(roots, PathModel(asks), config, rng=rngs[0])
    assert_same_outcome(device_search(roots, asks, config, rngs[1], spare=2, steps=steps()), wanted)


@needs_interpreter
@pytest.mark.parametrize("answer", [(np.inf, 0.0, [0.0, 0.0]), (0.0, np.nan, [0.0, 0.0]), (0.5, 0.5, [np.nan, 0.0])])
def test_interpreted_kernels_note_what_is_not_finite(answer: tuple) -> None:
    asks = [hashed_answers(3, 0, 2), broken_at((1,), answer), broken_at((1,), answer)]
    with pytest.raises(SearchError, match="of node 2 of environment 1 is not finite"):
        device_search(flat_roots(3, 2), asks, SearchConfig(num_simulations=9), None, steps=steps())


@needs_triton
def test_the_kernels_compile_for_a_gpu_need_no_barrier_and_store_what_they_found() -> None:
    done = run_without_interpreter(COMPILE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["0 0"] * 3, "barriers, and stores of constants: a variable of a loop was lost"


@needs_triton
def test_kernels_that_cannot_run_are_done_without_and_the_log_says_why() -> None:
    done = run_without_interpreter(ON_THE_CPU)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None"]
    assert "not with Triton's kernels" in done.stderr


@needs_interpreter
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_steps_that_were_tried_leave_nothing_behind(rule: RuleKind) -> None:
    from kvzero.search.triton_operations import try_triton_operations  # noqa: PLC0415  # optional

    config, asks = SearchConfig(num_simulations=9, rule=rule), [hashed_answers(7, env, 3) for env in range(2)]
    searching = DeviceSearch(2, 3, config, device=torch.device("cpu"))
    searching._operations = try_triton_operations(searching._work, rule, make_tensor_half(rule, searching._work))
    load(searching, flat_roots(2, 3), None)
    searching.run(TensorModel(asks))
    assert_same_outcome(searching.read(2), search(flat_roots(2, 3), PathModel(asks), config, rng=None))


class CudaModel(TensorModel):
    """The path model, asked and answering on a GPU."""

    def expand(self, leaves):
        found = super().expand(
            type(leaves)(leaves.node, leaves.parents.cpu(), leaves.actions.cpu(), leaves.depths.cpu())
        )
        return type(found)(found.rewards.cuda(), found.values.cuda(), found.logits.cuda())


@pytest.mark.gpu
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_on_a_gpu_the_trees_are_those_of_the_compiled_search(rule: RuleKind) -> None:
    config = SearchConfig(num_simulations=60, rule=rule)
    asks = [hashed_answers(4, env, 6) for env in range(3)]
    searching = DeviceSearch(3, 6, config, device=torch.device("cuda"))
    load(searching, flat_roots(3, 6), np.random.default_rng(0))
    searching.run(CudaModel(asks))
    wanted = search(flat_roots(3, 6), PathModel(asks), config, rng=np.random.default_rng(0))
    assert_same_outcome(searching.read(3), wanted)
