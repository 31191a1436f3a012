"""Two ranks that share each batch are one rank on the whole of it."""

from pathlib import Path

import pytest
import torch
from tests.training.ranks.cases import CASES, learn
from tests.training.ranks.processes import run_ranks

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, torch.Tensor]]]:
    """Return what each of two ranks has of each case in the end; rank 1 is given it by rank 0."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    ended = run_ranks(["-m", "tests.training.ranks.cases", str(folder)])
    assert [process.returncode for process in ended] == [0, 0], [process.stdout for process in ended]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_equal_one_on_the_whole_batch(learnt, name):
    found, other = (each[name] for each in learnt)
    alone = learn(CASES[name])
    assert found.keys() == other.keys() == alone.keys()
    for what, wanted in alone.items():
        assert torch.equal(found[what], other[what])
        if what.startswith("figures."):  # losses are sums over thousands of numbers
            torch.testing.assert_close(found[what], wanted, rtol=1e-4, atol=1e-5, msg=what)
        else:
            difference = (found[what].double() - wanted.double()).abs().max()
            assert difference <= TOLERANCE, (what, float(difference))
