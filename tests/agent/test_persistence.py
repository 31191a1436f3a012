"""Actions last as long as was drawn, and end with their game or where they are forbidden."""

import numpy as np

from kvzero.agent import Persistence
from kvzero.agent.persistence import MAX_REPEATS

EVERY_ACTION = np.ones((2, 3), bool)


def runs_of(actions):
    """Return how many times in a row each action was played."""
    edges = np.flatnonzero(np.diff(actions)) + 1
    return np.diff([0, *edges, len(actions)])


def played(persistence, steps):
    """Return what two environments play whose searches choose what never comes again."""
    rng, no_masks = np.random.default_rng(0), np.ones((2, 0), bool)
    return np.array([persistence.choose(np.array([step, -step]), no_masks, rng=rng) for step in range(1, steps)])


def test_without_persistence_searches_are_obeyed_and_no_number_is_drawn():
    persistence, rng = Persistence(0.0, num_envs=2), np.random.default_rng(3)
    chosen = np.array([2, 1])
    assert persistence.choose(chosen, EVERY_ACTION, rng=rng) is chosen
    assert rng.bit_generator.state == np.random.default_rng(3).bit_generator.state


def test_each_action_is_repeated_at_least_once_and_seldom_long():
    lengths = np.concatenate([runs_of(column)[:-1] for column in played(Persistence(1.0, num_envs=2), 2000).T])
    assert (lengths.min(), lengths.max()) == (2, MAX_REPEATS + 1)
    assert 0.5 < np.mean(lengths == 2) < 0.7  # 6 / pi^2 of a zeta distribution are 1


def test_the_probability_is_that_of_beginning():
    lengths = np.concatenate([runs_of(column)[:-1] for column in played(Persistence(0.25, num_envs=2), 8000).T])
    assert 0.22 < np.mean(lengths > 1) < 0.28


def test_environments_repeat_their_own_actions():
    steps = played(Persistence(1.0, num_envs=2), 50)
    assert (steps[:, 0] > 0).all()
    assert (steps[:, 1] < 0).all()
    assert (runs_of(steps[:, 0])[:5] != runs_of(steps[:, 1])[:5]).any()


def test_nothing_lasts_beyond_its_game():
    persistence, rng = Persistence(1.0, num_envs=2), np.random.default_rng(0)
    for step in range(40):
        chosen = np.array([step % 3, (step + 1) % 3])
        found = persistence.choose(chosen, EVERY_ACTION, rng=rng)
        np.testing.assert_array_equal(found, chosen)
        persistence.end(np.ones(2, bool))


def test_nothing_lasts_where_it_is_forbidden():
    persistence, rng = Persistence(1.0, num_envs=2), np.random.default_rng(0)
    first = persistence.choose(np.array([2, 2]), EVERY_ACTION, rng=rng)
    masks = np.array([[True, True, False], [True, True, True]])
    then = persistence.choose(np.array([0, 0]), masks, rng=rng)
    assert (first.tolist(), then.tolist()) == ([2, 2], [0, 2])


def test_actions_that_are_vectors_are_repeated_whole():
    persistence, rng = Persistence(1.0, num_envs=2), np.random.default_rng(0)
    first = rng.uniform(-1, 1, (2, 4)).astype(np.float32)
    persistence.choose(first, np.ones((2, 0), bool), rng=rng)
    then = persistence.choose(-first, np.ones((2, 0), bool), rng=rng)
    np.testing.assert_array_equal(then, first)
