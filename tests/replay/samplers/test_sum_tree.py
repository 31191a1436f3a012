"""The sum tree equals masses laid side by side, and finds nothing that has no mass."""

from itertools import accumulate

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.replay.samplers.sum_tree import SumTree

SIZES = st.integers(1, 40)


def slow_find(masses: list[float], point: float) -> int:
    """Return the first mass that reaches beyond the point."""
    return next(place for place, end in enumerate(accumulate(masses)) if point < end)


@settings(derandomize=True)
@given(size=SIZES, data=st.data())
def test_a_point_falls_on_the_mass_that_lies_there(size: int, data: st.DataObject) -> None:
    tree, masses = SumTree(size), [0.0] * size
    changes = st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 5)), min_size=1, max_size=6)
    for change in data.draw(st.lists(changes, max_size=5)):
        for place, mass in change:  # the last one stays
            masses[place] = float(mass)
        places, new = np.array(change).T
        tree.put(places, new.astype(np.float64))
    assert tree.masses.tolist() == masses
    assert tree.total == sum(masses)
    points = np.arange(0, tree.total, 0.5)  # whole masses: no sum is rounded
    assert tree.find(points).tolist() == [slow_find(masses, point) for point in points]


@settings(derandomize=True)
@given(
    masses=st.lists(st.one_of(st.just(0.0), st.floats(1e-300, 1e300)), min_size=1, max_size=40).filter(any),
    seed=st.integers(0, 99),
)
def test_however_sums_are_rounded_nothing_without_mass_is_found(masses: list[float], seed: int) -> None:
    tree = SumTree(len(masses))
    tree.put(np.arange(len(masses)), np.array(masses))
    points = np.concatenate([np.random.default_rng(seed).random(50) * tree.total, [0.0, tree.total]])
    assert (tree.masses[tree.find(points)] > 0).all()


def test_sums_depend_on_the_masses_and_not_on_how_they_came_about() -> None:
    rng = np.random.default_rng(0)
    changed, anew = SumTree(23), SumTree(23)
    for _ in range(200):
        changed.put(rng.integers(23, size=4), rng.random(4) * 10.0 ** rng.integers(-9, 9))
    anew.put(np.arange(23), changed.masses.copy())
    np.testing.assert_array_equal(changed._nodes, anew._nodes)
