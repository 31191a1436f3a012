"""Runs are grouped by what was trained, and only different seeds may carry an interval."""

from tests.reports.results.runs import result

from kvzero.reports.results.groups import differing_settings, group_runs


def test_seeds_of_one_setting_are_one_group_wherever_and_under_whatever_name_they_ran():
    runs = [result(0.5, 3, num_threads=1, runs_dir="a"), result(0.25, 1, num_threads=2, runs_dir="b")]
    (group,) = group_runs(runs)
    assert [run.seed for run in group.runs] == [1, 3]
    assert (group.label, group.objection) == ("memory", None)


def test_another_task_and_another_setting_are_other_groups_named_by_what_differs():
    runs = [result(0.5, 0), result(0.5, 0, context_tokens=2), result(9.0, 0, task="CartPole-v1", preset="cartpole")]
    groups = group_runs(runs)
    assert [group.label for group in groups] == ["memory, context_tokens 32", "memory, context_tokens 2", "cartpole"]
    assert differing_settings(groups[:2]) == {"context_tokens": [32, 2]}


def test_groups_that_differ_in_much_are_numbered():
    others = {"batch_size": 2, "context_tokens": 2, "embed_dim": 8}
    assert [group.label for group in group_runs([result(0.5, 0), result(0.5, 0, **others)])] == [
        "memory (1)",
        "memory (2)",
    ]


def test_a_seed_that_was_run_twice_forbids_an_interval_and_is_named():
    (group,) = group_runs([result(0.5, 0), result(0.5, 4), result(0.75, 4)])
    assert "seed 4 was run 2 times (memory-4, memory-4)" in (group.objection or "")


def test_one_run_forbids_an_interval():
    (group,) = group_runs([result(0.5, 0)])
    assert "at least two seeds" in (group.objection or "")
