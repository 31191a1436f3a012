"""Where two training curves part is found, and told apart from rounding."""

from tests.reports.comparison.measured import comparison, run

from kvzero.reports.comparison import compare_curves


def parted(first: list[float | None], second: list[float | None]) -> tuple[int | None, int | None]:
    times = [1.0] * len(first)
    runs = [run("tree", times, losses=first), run("pooled", [1.0] * len(second), losses=second)]
    (found,) = compare_curves(comparison({"tree": [], "pooled": []}, runs=runs))
    assert (found.variant, found.reference, found.seed) == ("pooled", "tree", 0)
    assert found.env_steps == 100 * min(len(first), len(second))
    return found.differs_from, found.visible_from


def test_equal_curves_never_part() -> None:
    assert parted([None, 2.0, 1.0], [None, 2.0, 1.0]) == (None, None)


def test_rounding_is_seen_and_told_apart_from_what_can_be_seen() -> None:
    assert parted([2.0, 2.0, 1.0], [2.0, 2.0 + 1e-7, 1.1]) == (200, 300)
    assert parted([2.0, 2.0], [2.0, 2.0 + 1e-7]) == (200, None)


def test_a_loss_that_only_one_has_differs() -> None:
    assert parted([None, 2.0], [3.0, 2.0]) == (100, 100)


def test_only_what_both_have_made_is_compared() -> None:
    assert parted([2.0, 1.0, 5.0], [2.0, 1.0]) == (None, None)


def test_memory_and_cache_do_not_part_curves() -> None:
    first, second = run("tree", [1.0, 1.0]), run("pooled", [1.0, 1.0])
    for line in second.curve:
        line["rss_bytes"], line["cache/recur/hit_rate"] = 1.0, 0.0
    (found,) = compare_curves(comparison({"tree": [], "pooled": []}, runs=[first, second]))
    assert found.differs_from is None


def test_a_run_that_never_began_is_not_compared() -> None:
    runs = [run("tree", []), run("pooled", [1.0])]
    assert compare_curves(comparison({"tree": [], "pooled": []}, runs=runs)) == ()
