"""What turns amount to is what a person would work out by hand."""

from dataclasses import replace
from operator import attrgetter

import pytest
from tests.reports.comparison.measured import MEGABYTE, comparison, run, turn

from kvzero.reports.comparison import ratios, spread, summarise
from kvzero.reports.comparison.tables import memory_table


def test_a_spread_is_the_median_between_the_tenths() -> None:
    found = spread([5.0, 1.0, 2.0, 4.0, 3.0, 6.0, 11.0, 8.0, 9.0, 10.0, 7.0])
    assert found is not None
    assert (found.low, found.median, found.high, found.num) == (2.0, 6.0, 10.0, 11)
    assert spread([]) is None


def test_speeds_leave_out_the_lap_in_which_code_is_compiled() -> None:
    (tree,) = summarise(comparison({"tree": [50.0, 2.0, 4.0, 5.0]}))
    assert tree.env_steps_per_second is not None
    assert tree.env_steps_per_second.median == 100 / 4
    assert tree.updates_per_second is not None
    assert tree.updates_per_second.median == 20 / 4
    assert tree.collect_milliseconds is not None
    assert tree.collect_milliseconds.median == 0.75 * 4 / 100 * 1000
    assert tree.update_milliseconds is not None
    assert tree.update_milliseconds.median == 0.25 * 4 / 20 * 1000


def test_the_only_lap_counts() -> None:
    (tree,) = summarise(comparison({"tree": [50.0]}))
    assert tree.env_steps_per_second is not None
    assert tree.env_steps_per_second.median == 2


def test_the_time_of_a_game_is_that_of_all_turns_over_the_games_that_ended_meanwhile() -> None:
    runs = [run("tree", [9.0, 2.0, 4.0], seed=0), run("tree", [9.0, 3.0, 7.0], seed=1)]
    (tree,) = summarise(comparison({"tree": []}, runs=runs))
    assert tree.seconds_per_game is not None
    assert (tree.seconds_per_game.median, tree.seconds_per_game.num) == (4.0, 2)
    assert tree.num_games == 6


def test_memory_is_the_highest_peak_the_mean_and_what_came_after_the_warm_up() -> None:
    (tree,) = summarise(comparison({"tree": [1.0, 1.0, 1.0, 1.0]}))
    assert tree.peak_rss_bytes == 350 * MEGABYTE
    assert tree.rss_bytes_mean == 302 * MEGABYTE
    assert tree.growth_bytes is not None
    assert tree.growth_bytes.median == 3 * MEGABYTE


def test_the_highest_peak_is_that_of_any_process_those_of_warm_up_laps_too() -> None:
    cold = replace(run("tree", []), turns=(turn(0, 50.0, rss=900 * MEGABYTE, on_device=7 * MEGABYTE), turn(1, 2.0)))
    (tree,) = summarise(comparison({"tree": []}, runs=[cold]))
    assert (tree.peak_rss_bytes, tree.peak_device_bytes) == (950 * MEGABYTE, 7 * MEGABYTE)


def test_memory_on_a_gpu_has_a_column_where_one_was_used() -> None:
    on_card = replace(run("tree", []), turns=(turn(0, 50.0), turn(1, 2.0, on_device=7 * MEGABYTE)))
    without = memory_table(summarise(comparison({"tree": [1.0, 2.0]})))
    table = memory_table(summarise(comparison({"tree": []}, runs=[on_card])))
    assert table.titles == (*without.titles, "peak MB on the GPU")
    assert table.rows[0][-1].startswith("7")


def test_the_first_lap_of_each_process_of_a_comparison_taken_up_again_counts_for_nothing() -> None:
    (tree,) = summarise(comparison({"tree": [50.0, 2.0, 40.0, 4.0, 6.0]}, resumed_after=(2,)))
    assert tree.env_steps_per_second is not None
    assert (tree.env_steps_per_second.median, tree.env_steps_per_second.num) == (100 / 4, 3)
    assert tree.seconds_per_game is not None
    assert tree.seconds_per_game.median == 4.0
    assert tree.growth_bytes is not None
    assert tree.growth_bytes.median == 2 * MEGABYTE


def test_cache_figures_are_the_last_ones() -> None:
    (tree,) = summarise(comparison({"tree": [1.0, 1.0, 1.0]}))
    assert tree.cache == {"recur/hit_rate": pytest.approx(0.7), "global/regenerate_seconds": 0.2}


def test_time_lost_to_misses_is_a_share_of_all_collecting() -> None:
    (tree,) = summarise(comparison({"tree": [2.0, 1.0, 1.0]}))
    assert tree.miss_seconds is not None
    assert tree.miss_share is not None
    assert tree.miss_seconds.median == 0.2
    assert tree.miss_share.median == pytest.approx(0.2 / 3)
    without = replace(run("tree", [1.0]), curve=({"env_steps": 100.0, "loss": 1.0},))
    (tree,) = summarise(comparison({"tree": []}, runs=[without]))
    assert tree.miss_seconds is tree.miss_share is None


def test_ratios_pair_turns_of_one_lap_and_seed_only() -> None:
    runs = [
        run("tree", [1.0, 2.0, 4.0, 8.0], seed=0),
        run("tree", [1.0, 10.0], seed=1),
        run("pooled", [9.0, 3.0, 4.0], seed=0),
        run("pooled", [9.0, 5.0, 7.0], seed=1),
    ]
    found = comparison({"tree": [], "pooled": []}, runs=runs)
    assert ratios(found, "pooled", "tree") == [1.5, 1.0, 0.5]


def test_ratios_of_collecting_leave_updates_out() -> None:
    found = comparison({"tree": [1.0, 2.0], "pooled": [1.0, 4.0]})
    slow = found.runs[1]
    turns = tuple(replace(turn, update_seconds=0.0) for turn in slow.turns)
    found = replace(found, runs=(found.runs[0], replace(slow, turns=turns)))
    assert ratios(found, "pooled", "tree") == [1.5]
    assert ratios(found, "pooled", "tree", seconds=attrgetter("collect_seconds")) == [2.0]


def test_a_run_that_never_began_has_no_figures() -> None:
    runs = [run("tree", [1.0, 2.0]), run("pooled", [], failure="no memory")]
    tree, pooled = summarise(comparison({"tree": [], "pooled": []}, runs=runs))
    assert tree.env_steps_per_second is not None
    assert pooled.env_steps_per_second is None
    assert pooled.peak_rss_bytes is None
    assert pooled.cache == {}
