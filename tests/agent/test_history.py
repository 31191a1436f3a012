"""The ring of raw steps against lists."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kvzero.agent.history import History
from kvzero.cache import digest_history, digest_rows
from kvzero.records import EnvSpec

NUM_ENVS, NUM_STEPS = 3, 4
SPEC = EnvSpec(observation_shape=(2,), num_actions=7)
LEGAL = np.tri(NUM_ENVS, 7, dtype=bool)


class Lists:
    """The past of every environment as a list of observations and one of the actions between them."""

    def __init__(self):
        self.observations = [[] for _ in range(NUM_ENVS)]
        self.actions = [[] for _ in range(NUM_ENVS)]

    def reset(self, env):
        self.observations[env], self.actions[env] = [], []

    def append(self, env, action, observation):
        if self.observations[env]:
            self.actions[env].append(action)
        self.observations[env].append(observation)


def check(history: History, lists: Lists, envs: np.ndarray) -> None:
    past = history.read(envs)
    lengths = [min(len(lists.observations[env]), NUM_STEPS + 1) for env in envs]
    assert past.is_valid.shape == (len(envs), max(lengths))
    assert past.observations.shape[:2] == past.is_valid.shape
    for row, (env, length) in enumerate(zip(envs, lengths, strict=True)):
        assert past.is_valid[row].tolist() == [False] * (max(lengths) - length) + [True] * length
        np.testing.assert_array_equal(past.observations[row, -length:], lists.observations[env][-length:])
        if length > 1:
            assert past.actions[row, 1 - length :].tolist() == lists.actions[env][1 - length :]
        assert history.counts(envs)[row] == len(lists.observations[env])
    assert history.digests(envs, LEGAL[envs]) == [digest(lists, env) for env in envs]


def digest(lists: Lists, env: int) -> bytes:
    """Return the digest of what is held, taken of all of it at once."""
    seen, actions = np.array(lists.observations[env], np.float32), np.array(lists.actions[env], np.int64)
    first = max(0, len(seen) - NUM_STEPS - 1)
    return digest_history(
        first_token=2 * first, seen=digest_rows(seen[first:]), actions=actions[first:], legal=LEGAL[env]
    )


@settings(max_examples=80)
@given(
    moves=st.lists(
        st.tuples(st.permutations(range(NUM_ENVS)), st.integers(1, NUM_ENVS), st.booleans()), min_size=1, max_size=30
    ),
    seed=st.integers(0, 99),
)
def test_any_life_of_a_history_equals_that_of_lists(moves, seed):
    rng = np.random.default_rng(seed)
    history, lists = History(SPEC, num_envs=NUM_ENVS, num_steps=NUM_STEPS), Lists()
    for order, number, has_ended in moves:
        envs = np.array(order[:number])
        if has_ended:
            history.reset(envs[:1])
            lists.reset(envs[0])
        actions = rng.integers(7, size=number)
        observations = rng.normal(size=(number, 2)).astype(np.float32)
        history.append(envs, actions, observations)
        for env, action, observation in zip(envs, actions, observations, strict=True):
            lists.append(env, action, observation)
        check(history, lists, envs)


def test_images_are_kept_as_bytes():
    spec = EnvSpec(observation_shape=(1, 3, 2), num_actions=2)
    history = History(spec, num_envs=1, num_steps=2)
    image = np.arange(6, dtype=np.uint8).reshape(1, 1, 3, 2)
    history.append(np.array([0]), np.array([0]), image)
    past = history.read(np.array([0]))
    assert past.observations.dtype == np.uint8
    np.testing.assert_array_equal(past.observations[0], image)


def test_a_loaded_history_has_the_digests_of_the_one_that_was_saved():
    everyone, rng = np.arange(NUM_ENVS), np.random.default_rng(0)
    histories = [History(SPEC, num_envs=NUM_ENVS, num_steps=NUM_STEPS) for _ in range(2)]
    for history in histories:
        for _ in range(NUM_STEPS + 3):
            seen = rng.normal(size=(NUM_ENVS, 2)).astype(np.float32)
            history.append(everyone, rng.integers(7, size=NUM_ENVS), seen)
    saved, other = histories
    assert saved.digests(everyone, LEGAL) != other.digests(everyone, LEGAL)
    other.load(saved.read(everyone), saved.counts(everyone))
    assert saved.digests(everyone, LEGAL) == other.digests(everyone, LEGAL)
