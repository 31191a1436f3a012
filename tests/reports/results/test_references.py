"""Facts that results are held against are whole, and each has its source."""

import tomllib

import numpy as np
import pytest

from kvzero.reports.results.references import FILE, published_of, reference_of

FACTS = tomllib.loads(FILE.read_text(encoding="utf-8"))


def test_every_fact_has_a_source_and_every_task_one_reference():
    assert set(FACTS) == {"reference", "published"}
    assert all(found["source"] for kind in FACTS.values() for found in kind)
    tasks = [found["task"] for found in FACTS["reference"]]
    assert len(set(tasks)) == len(tasks)
    assert all(found["random"] < found["best"] for found in FACTS["reference"])


def test_a_person_scores_1_in_a_game_and_random_actions_0():
    reference = reference_of("ALE/Pong-v5")
    assert reference is not None
    assert reference.kind == "human"
    assert reference.normalise(np.array([-20.7, 14.6])) == pytest.approx([0.0, 1.0])


def test_a_task_that_nobody_published_on_has_nothing():
    assert reference_of("my_package:Mine") is None
    assert published_of("my_package:Mine") == []


def test_what_others_published_comes_best_first():
    scores = [found.score for found in published_of("ALE/Pong-v5")]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 5
