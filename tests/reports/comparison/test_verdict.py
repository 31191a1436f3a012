"""The verdict names what failed, what differs and what is over 5 % slower, and nothing else."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reports.comparison.measured import comparison, identity, run

from kvzero.reports.comparison import Comparison, Identity, judge, summarise

STEADY = [1.0, 2.0, 1.5, 3.0, 2.5]


def slower_by(share: float) -> Comparison:
    return comparison({"tree": STEADY, "pooled": [seconds * (1 + share) for seconds in STEADY]})


def kinds(found: Comparison) -> list[tuple[str, str]]:
    return [(finding.kind, finding.variant) for finding in judge(found).findings]


def test_4_9_percent_are_not_named_and_5_1_are() -> None:
    assert kinds(slower_by(0.049)) == []
    assert kinds(slower_by(0.051)) == [("slower", "pooled")]
    assert judge(slower_by(0.049)).sentence == (
        "None failed, none is over 5 % slower than another, and no results differ."
    )
    assert judge(slower_by(0.051)).sentence == "Over 5 % slower than another: pooled."
    (finding,) = judge(slower_by(0.051)).findings
    assert finding.text == (
        "5.1 % slower than tree by the median of 4 laps and seeds (from +5.1 to +5.1 % between the tenths); "
        "collecting alone, where stores work, took 5.1 % more; "
        "each was one process, and processes that do the same differ too: give more seeds to be sure"
    )


def test_it_is_told_that_what_slowed_a_run_down_was_not_its_store() -> None:
    runs = [
        run(name, [seconds] * 4, seed=seed) for name, seconds in (("tree", 1.0), ("pooled", 1.2)) for seed in (0, 1)
    ]
    quick = [replace(each, collect_seconds=0.6, update_seconds=0.6) for each in runs[2].turns]
    runs[2:] = [replace(each, turns=tuple(quick)) for each in runs[2:]]
    (finding,) = judge(comparison({"tree": [], "pooled": []}, runs=runs)).findings
    assert finding.text.startswith("20.0 % slower than tree by the median of 6 laps and seeds")
    assert finding.text.endswith("; collecting alone, where stores work, took 20.0 % less")


def test_the_first_variant_is_named_where_it_is_the_slower_one() -> None:
    assert kinds(comparison({"tree": [2.0] * 4, "pooled": [1.0] * 4})) == [("slower", "tree")]


def test_a_slow_lap_hits_nobody_that_was_slow_in_it_together_with_the_others() -> None:
    found = comparison({"tree": [1.0, 1.0, 9.0, 9.0, 9.0], "pooled": [1.0, 1.0, 9.0, 9.0, 9.0]})
    assert kinds(found) == []


def test_one_slow_lap_of_five_names_nobody() -> None:
    assert kinds(comparison({"tree": [1.0] * 6, "pooled": [1.0, 1.0, 5.0, 1.0, 1.0, 1.0]})) == []


def test_the_warm_up_lap_names_nobody() -> None:
    assert kinds(comparison({"tree": [1.0, 1.0, 1.0], "pooled": [60.0, 1.0, 1.0]})) == []


def test_a_variant_is_held_against_the_one_that_beats_it_most() -> None:
    found = comparison({"tree": [1.0] * 4, "pooled": [1.2] * 4, "legacy": [3.0] * 4})
    slow, slowest = judge(found).findings
    assert (slow.variant, slowest.variant) == ("pooled", "legacy")
    assert "20.0 % slower than tree" in slow.text
    assert "200.0 % slower than tree" in slowest.text


def test_doubt_is_told_where_some_laps_say_otherwise() -> None:
    (finding,) = judge(comparison({"tree": [1.0] * 6, "pooled": [1.0, 0.8, 1.1, 1.2, 1.3, 1.1]})).findings
    assert "some laps say otherwise" in finding.text


def test_a_failed_run_is_named_with_its_reason_and_how_far_it_came() -> None:
    runs = [run("tree", STEADY), run("pooled", STEADY[:2], failure="the pool is full")]
    (finding,) = judge(comparison({"tree": [], "pooled": []}, runs=runs)).findings
    assert (finding.kind, finding.variant) == ("failed", "pooled")
    assert finding.text == "seed 0 failed after 200 steps: the pool is full"


def judged(*identities: Identity) -> list[tuple[str, str]]:
    return kinds(comparison({"tree": STEADY, "pooled": STEADY}, identities=identities))


def test_plans_that_differ_by_rounding_are_the_same() -> None:
    assert judged(identity("pooled", logits=9e-6, values=9e-6)) == []


def test_plans_that_differ_by_more_are_named_with_the_size() -> None:
    assert judged(identity("pooled", logits=1.1e-5)) == [("differs", "pooled")]
    assert judged(identity("pooled", values=1.1e-5)) == [("differs", "pooled")]
    assert judged(identity("pooled", num_differing=1)) == [("differs", "pooled")]
    found = comparison({"tree": STEADY, "pooled": STEADY}, identities=[identity("pooled", logits=0.25)])
    assert "root logits by up to 0.25" in judge(found).findings[0].text


def test_a_search_that_rounding_turned_is_no_difference_where_float64_shows_none() -> None:
    turned = identity("pooled", precision="float32", values=0.01, num_differing=3)
    assert judged(turned, identity("pooled")) == []
    assert judged(turned) == [("differs", "pooled")]
    assert judged(turned, identity("legacy")) == [("differs", "pooled")]


def test_rounding_turns_few_searches() -> None:
    for num, found in ((16, []), (17, [("differs", "pooled")])):
        turned = identity("pooled", precision="float32", num_differing=num)
        assert judged(turned, identity("pooled")) == found


def test_roots_must_agree_in_float32_whatever_float64_shows() -> None:
    assert judged(identity("pooled", precision="float32", logits=2e-5), identity("pooled")) == [("differs", "pooled")]


def test_what_was_not_measured_is_said() -> None:
    found = comparison({"tree": STEADY, "pooled": STEADY}, unprobed={"pooled": "stopped before"})
    assert kinds(found) == [("unknown", "pooled")]
    assert judge(found).sentence.endswith("no results differ, as far as was measured.")
    assert kinds(comparison({"tree": [1.0], "pooled": [1.01]})) == [("unknown", "tree"), ("unknown", "pooled")]


def test_a_speed_that_only_idle_laps_follow_is_that_of_the_warm_up() -> None:
    idle = {"num_env_steps": 0, "num_updates": 0, "collect_seconds": 0.0, "update_seconds": 0.0}
    runs = [
        replace(each, turns=(each.turns[0], replace(each.turns[1], **idle)))
        for each in (run("tree", [1.0, 1.0]), run("pooled", [1.5, 1.0]))
    ]
    found = comparison({"tree": [], "pooled": []}, runs=runs)
    assert kinds(found) == [("slower", "pooled"), ("unknown", "tree"), ("unknown", "pooled")]
    assert summarise(found)[0].env_steps_per_second is not None


def test_a_comparison_that_was_stopped_says_so() -> None:
    assert judge(comparison({"tree": STEADY}, is_stopped=True)).sentence.endswith("Stopped by hand before its end.")


def test_the_gravest_comes_first_and_all_are_in_the_sentence() -> None:
    runs = [run("tree", [1.0] * 3), run("pooled", [2.0] * 3), run("legacy", [1.0], failure="killed")]
    found = comparison({"tree": [], "pooled": [], "legacy": []}, runs=runs, identities=[identity("pooled", logits=1.0)])
    assert [kind for kind, _ in kinds(found)] == ["failed", "differs", "slower"]
    assert judge(found).sentence == ("Failed: legacy. Different results: pooled. Over 5 % slower than another: pooled.")


@settings(max_examples=60, derandomize=True)
@given(
    times=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=8),
    drift=st.lists(st.floats(0.2, 5.0), min_size=8, max_size=8),
    share=st.floats(0.0, 1.0),
)
def test_drift_that_hits_all_alike_changes_no_verdict(times: list[float], drift: list[float], share: float) -> None:
    if abs(share - 0.05) < 1e-6:
        return
    drifted = [seconds * factor for seconds, factor in zip(times, drift, strict=False)]
    found = comparison({"tree": drifted, "pooled": [seconds * (1 + share) for seconds in drifted]})
    assert kinds(found) == ([("slower", "pooled")] if share > 0.05 else [])
