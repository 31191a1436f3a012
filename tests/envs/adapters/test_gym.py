"""Gymnasium environments played together: what steps report, and what failures say."""

import math
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box, Discrete

from kvzero.envs import EnvConfig, make_environments
from kvzero.envs.adapters import GymEnvironments
from kvzero.envs.environments import read_fps
from kvzero.errors import ConfigError, EnvError


def together(make, num_envs=3, *, render=False):
    return GymEnvironments(make, name="fake", num_envs=num_envs, render=render, reward_scale=1.0)


def in_turn(*makes):
    """Return a maker that makes another kind of environment each time."""
    queue = iter(makes)

    def make():
        return next(queue)()

    return make


def play(envs, num_steps, seed):
    rng = np.random.default_rng(0)
    start = envs.reset(seed=seed)
    steps = [envs.step(rng.integers(0, envs.spec.num_actions, envs.num_envs)) for _ in range(num_steps)]
    envs.close()
    return start, steps


def test_an_episode_end_keeps_the_final_observation_and_shows_the_next_start(scripted):
    envs = together(in_turn(partial(scripted, length=2), partial(scripted, length=3, ending="truncated")), 2)
    np.testing.assert_array_equal(envs.reset(seed=40).observations, [[1, 0, 40], [1, 0, 41]])
    actions = np.array([1, 0])
    first, second, third = (envs.step(actions) for _ in range(3))
    np.testing.assert_array_equal(first.observations, [[1, 1, 40], [1, 1, 41]])
    assert first.final_observations is first.observations
    assert not first.game_over.any()
    np.testing.assert_array_equal(second.observations, [[2, 0, 40], [1, 2, 41]])
    np.testing.assert_array_equal(second.final_observations, [[1, 2, 40], [1, 2, 41]])
    assert second.terminated.tolist() == second.game_over.tolist() == [True, False]
    assert not second.truncated.any()
    np.testing.assert_array_equal(third.observations, [[2, 1, 40], [2, 0, 41]])
    np.testing.assert_array_equal(third.final_observations, [[2, 1, 40], [1, 3, 41]])
    assert third.truncated.tolist() == third.game_over.tolist() == [False, True]
    assert not third.terminated.any()


def test_an_end_at_the_time_limit_is_a_termination(scripted):
    envs = together(partial(scripted, length=1, ending="both"), 1)
    envs.reset(seed=0)
    steps = envs.step(np.array([0]))
    assert (steps.terminated.all(), steps.truncated.any(), steps.game_over.all()) == (True, False, True)


def test_rewards_are_float32_beside_their_raw_values(scripted):
    envs = together(partial(scripted, answers={1: {1: 1000.1}}), 2)
    envs.reset(seed=0)
    steps = envs.step(np.array([0, 1]))
    assert steps.rewards.dtype == np.float32
    assert steps.raw_rewards.tolist() == [1000.1, 1000.1]
    assert envs.step(np.array([0, 1])).raw_rewards.tolist() == [0, 0.5]


def test_what_is_learnt_from_is_scaled_and_what_is_told_is_not(scripted):
    envs = GymEnvironments(scripted, name="fake", num_envs=2, render=False, reward_scale=48.0)
    envs.reset(seed=0)
    steps = envs.step(np.array([0, 1]))
    assert steps.rewards.tolist() == [0, 24]
    assert steps.raw_rewards.tolist() == [0, 0.5]


@pytest.mark.parametrize("reward", [np.array([2.0]), np.float32(2), 2, np.array(2)])
def test_a_reward_may_be_any_single_number(scripted, reward):
    envs = together(partial(scripted, answers={1: {1: reward}}), 1)
    envs.reset(seed=0)
    assert envs.step(np.array([0])).rewards.tolist() == [2]


def test_only_the_first_reset_is_seeded(scripted):
    made = [scripted(length=1), scripted(length=1)]
    envs = together(in_turn(*(lambda env=env: env for env in made)), 2)
    envs.reset(seed=7)
    envs.step(np.array([0, 0]))
    envs.reset()
    assert [env.seeds for env in made] == [[7, None, None], [8, None, None]]


def test_what_was_handed_out_does_not_change_later(scripted):
    envs = together(partial(scripted, length=2))
    start = envs.reset(seed=3)
    kept = [start.observations.copy()]
    handed = [start.observations]
    for _ in range(5):
        steps = envs.step(np.array([0, 1, 0]))
        handed += [steps.observations, steps.final_observations, steps.action_masks, steps.raw_rewards]
        kept += [array.copy() for array in handed[-4:]]
    for array, copy in zip(handed, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_actions_are_shifted_to_the_space_that_the_environment_has(scripted):
    env = scripted(action_space=Discrete(3, start=5))
    envs = together(lambda: env, 1)
    envs.reset(seed=0)
    for action in (0, 2):
        envs.step(np.array([action]))
    assert env.actions == [5, 7]
    assert envs.spec.num_actions == 3


def test_action_masks_are_passed_on_and_all_true_without(scripted):
    masked = partial(scripted, length=2, info={"action_mask": np.array([0, 1], np.int8)})
    envs = together(in_turn(masked, scripted), 2)
    expected = [[False, True], [True, True]]
    np.testing.assert_array_equal(envs.reset(seed=0).action_masks, expected)
    for _ in range(3):
        np.testing.assert_array_equal(envs.step(np.array([1, 0])).action_masks, expected)


@pytest.mark.parametrize(
    "mask", [[True, False, True], [1, 0, 1], np.array([1.0, 0.0, 1.0]), np.array([1, 0, 1], np.int8)]
)
def test_a_mask_holds_booleans_or_zeros_and_ones(scripted, mask):
    envs = together(partial(scripted, info={"action_mask": mask}, action_space=Discrete(3)), 1)
    assert envs.reset(seed=0).action_masks.tolist() == [[True, False, True]]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([0, -np.inf, 0], r"holds -inf; .* numbers == 0"),
        ([1, np.nan, 0], "holds nan"),
        ([0, 2, 1], "holds 2"),
        ([0, 2], "holds 2"),
        (["1", "0", "1"], "holds '1'"),
        ("101", "holds '101'"),
        (None, "holds None"),
        ([None, True, True], "holds None"),
        ([1, [0], 1], "is no array"),
        ([0, 1], r"shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("is_asked", [False, True])
def test_a_mask_of_anything_else_is_refused(scripted, monkeypatch, mask, words, is_asked):
    if is_asked:
        monkeypatch.setattr(scripted, "action_masks", lambda self: mask, raising=False)
    envs = together(partial(scripted, info={} if is_asked else {"action_mask": mask}, action_space=Discrete(3)), 1)
    with pytest.raises(EnvError, match=rf"environment 0 \(fake\), when reset .* returned an action_mask.* {words}"):
        envs.reset(seed=0)


def test_an_environment_that_has_action_masks_is_asked_after_every_step_through_its_wrappers(scripted, monkeypatch):
    monkeypatch.setattr(scripted, "action_masks", lambda self: [self.time == time for time in range(3)], raising=False)
    make = partial(scripted, length=3, action_space=Discrete(3))
    envs = together(lambda: gymnasium.wrappers.TimeLimit(gymnasium.wrappers.OrderEnforcing(make()), 9), 1)
    assert envs.reset(seed=0).action_masks.tolist() == [[True, False, False]]
    masks = [envs.step(np.array([0])).action_masks.tolist()[0] for _ in range(3)]
    assert masks == [[False, True, False], [False, False, True], [True, False, False]]


def test_a_wrapper_may_have_the_action_masks(scripted):
    class Masker(gymnasium.Wrapper):
        def action_masks(self):
            return np.array([False, True])

    envs = together(lambda: gymnasium.wrappers.TimeLimit(Masker(scripted()), 9), 1)
    assert envs.reset(seed=0).action_masks.tolist() == [[False, True]]


def test_the_mask_in_info_counts_where_there_are_two(scripted, monkeypatch):
    monkeypatch.setattr(scripted, "action_masks", lambda self: [False, True], raising=False)
    envs = together(partial(scripted, info={"action_mask": [True, False]}), 1)
    assert envs.reset(seed=0).action_masks.tolist() == [[True, False]]


@pytest.mark.parametrize(("name", "spaces"), [("no method", {}), ("continuous", {"action_space": Box(-1, 1, (2,))})])
def test_what_is_not_asked_for_masks_has_them_all_legal(scripted, monkeypatch, name, spaces):
    monkeypatch.setattr(scripted, "action_masks", [False] if name == "no method" else (lambda self: 1), raising=False)
    assert together(partial(scripted, **spaces), 1).reset(seed=0).action_masks.all()


def test_a_mask_without_actions_is_allowed_only_at_the_end(scripted):
    none = {4: {"action_mask": [False, False]}}
    envs = together(partial(scripted, length=2, answers={2: none}), 1)
    envs.reset(seed=0)
    envs.step(np.array([0]))
    assert envs.step(np.array([0])).action_masks.all()
    envs = together(partial(scripted, length=3, answers={2: none}), 1)
    envs.reset(seed=0)
    envs.step(np.array([0]))
    with pytest.raises(EnvError, match="allows no action"):
        envs.step(np.array([0]))


def test_infos_of_odd_shapes_do_no_harm(scripted):
    odd = [partial(scripted, info={"path": np.zeros(size), "final_obs": size}) for size in (2, 3)]
    envs = together(in_turn(*odd), 2)
    assert len(play(envs, 4, seed=0)[1]) == 4


def test_images_arrive_channel_first(scripted):
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    answers = {"reset": image} | {time: {0: image + time} for time in (1, 2)}
    envs = together(partial(scripted, length=2, answers=answers, observation_space=Box(0, 255, (4, 5, 3), np.uint8)), 2)
    start, (first, second) = play(envs, 2, seed=0)
    assert envs.spec.observation_shape == (3, 4, 5)
    for observations, expected in [
        (start.observations, image),
        (first.observations, image + 1),
        (second.observations, image),
        (second.final_observations, image + 2),
    ]:
        assert observations.dtype == np.uint8
        np.testing.assert_array_equal(observations[1], expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, np.array([0, np.nan, 0]), "returned an observation whose feature 1 is nan"),
        (0, np.zeros(4), r"returned an observation of shape \(4,\)"),
        (0, [0, [1], 2], "raised ValueError"),
        (1, np.inf, "returned a reward of inf"),
        (0, None, "returned None for an observation"),
        (1, np.nan, "returned a reward of nan"),
        (1, None, "returned a reward of None; return one number"),
        (1, "1.5", "returned a reward of '1.5'; return one number"),
        (1, 1e200, r"returned a reward of 1e\+200"),
        (1, np.zeros(2), r"returned a reward of shape \(2,\)"),
        (4, [], "returned an info of type list"),
        (4, {"action_mask": [True]}, r"returned an action_mask of shape \(1,\)"),
        (0, KeyError("boom"), "raised KeyError: 'boom'"),
    ],
)
def test_a_failing_environment_is_named_with_its_step(scripted, place, value, words):
    envs = together(in_turn(scripted, scripted, partial(scripted, answers={2: {place: value}})))
    envs.reset(seed=0)
    envs.step(np.array([0, 0, 0]))
    with pytest.raises(
        EnvError, match=rf"environment 2 \(fake\), at step 2 \(step 2 of its episode\), {words}"
    ) as caught:
        envs.step(np.array([0, 0, 0]))
    assert caught.value.__cause__ is not None


def test_steps_are_counted_over_all_episodes(scripted):
    env = scripted(length=2)
    envs = together(lambda: env, 1)
    envs.reset(seed=0)
    for _ in range(4):
        envs.step(np.array([0]))
    env.answers = {1: {1: np.nan}}
    with pytest.raises(EnvError, match=r"at step 5 \(step 1 of its episode\)"):
        envs.step(np.array([0]))


def test_a_bad_reset_is_named(scripted):
    envs = together(partial(scripted, answers={"reset": np.zeros(2)}), 1)
    with pytest.raises(EnvError, match=r"environment 0 \(fake\), when reset after step 0, returned an observation"):
        envs.reset(seed=0)


def test_a_package_missing_in_mid_run_is_named(scripted):
    envs = together(partial(scripted, answers={1: {0: DependencyNotInstalled("pygame is not installed")}}), 1)
    envs.reset(seed=0)
    with pytest.raises(ConfigError, match=r'pip install "kvzero\[video\]"'):
        envs.step(np.array([0]))


@pytest.mark.parametrize(
    ("actions", "words"),
    [([0, 1], "one for each of the 3"), ([0, 2, 1], "environment 1 was given action 2"), ([-1, 0, 0], "environment 0")],
)
def test_actions_that_cannot_be_are_refused(scripted, actions, words):
    envs = together(scripted)
    envs.reset(seed=0)
    with pytest.raises(EnvError, match=words):
        envs.step(np.array(actions))


@pytest.mark.parametrize(
    "change",
    [{"action_space": Discrete(4)}, {"action_space": Box(-1, 2, (1,))}, {"observation_space": Box(-1, 1, (4,))}],
)
def test_copies_that_are_not_alike_are_refused(scripted, change):
    first = Box(-1, 1, (1,)) if isinstance(change.get("action_space"), Box) else Discrete(2)
    alike = partial(scripted, action_space=first)
    with pytest.raises(EnvError, match=r"environment 2 has .*, but environment 0 has .*; make them"):
        together(in_turn(alike, alike, partial(scripted, **{"action_space": first} | change)))


def test_one_that_raises_when_it_is_closed_is_told_of_and_the_others_are_closed(scripted, caplog):
    closed = []

    class Slammed(scripted):
        def close(self):
            closed.append(self)
            raise OSError("the door is gone")

    together(partial(Slammed, length=2), 2).close()
    assert len(closed) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"environment {index} (fake) raised OSError when it was closed: the door is gone" for index in range(2)
    ]


def test_a_negative_seed_is_refused(scripted):
    with pytest.raises(ConfigError, match="seed is -1"):
        together(scripted).reset(seed=-1)


def test_rendering_shows_environment_0(scripted):
    envs = together(scripted, 2, render=True)
    envs.reset(seed=0)
    envs.step(np.array([0, 0]))
    np.testing.assert_array_equal(envs.render(), np.ones((4, 5, 3), np.uint8))


def test_rendering_needs_to_be_asked_for(scripted):
    with pytest.raises(ConfigError, match="without render=True"):
        together(scripted).render()


def test_a_frame_that_is_no_picture_is_refused(scripted, monkeypatch):
    monkeypatch.setattr(scripted, "render", lambda self: None)
    with pytest.raises(EnvError, match=r"when rendered after step 0, rendered object \(\)"):
        together(scripted, render=True).render()


def test_cartpole_is_truncated_at_500_and_terminated_when_it_falls():
    envs = make_environments(EnvConfig(), num_envs=2, training=False)
    observations = envs.reset(seed=0).observations
    for time in range(1, 501):
        balance = (observations[0] @ np.array([0.1, 0.5, 10, 3], np.float32) > 0).astype(np.int64)
        steps = envs.step(np.array([balance, time % 5 == 0], np.int64))
        observations = steps.observations
        assert steps.truncated.tolist() == [time == 500, False]
        assert not steps.terminated[0]
        if steps.terminated[1]:
            assert abs(steps.final_observations[1, 2]) > 0.2
            assert abs(steps.observations[1, 2]) < 0.06
    assert abs(steps.final_observations[0, 2]) < 0.2
    envs.close()


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "LunarLander-v3"])
def test_a_seed_and_actions_reproduce_everything(env_id):
    runs = [
        play(make_environments(EnvConfig(env_id=env_id), num_envs=3, training=True), 120, seed) for seed in (5, 5, 6)
    ]
    (start, steps), (start_again, steps_again), (other, _) = runs
    np.testing.assert_array_equal(start.observations, start_again.observations)
    for one, again in zip(steps, steps_again, strict=True):
        for field in one.__slots__:
            np.testing.assert_array_equal(getattr(one, field), getattr(again, field))
    np.testing.assert_array_equal(start.observations[1:], other.observations[:2])


@pytest.mark.parametrize("env_id", ["CartPole-v1", "LunarLander-v3"])
def test_classic_environments_render_frames(env_id):
    envs = make_environments(EnvConfig(env_id=env_id), num_envs=2, training=False, render=True)
    envs.reset(seed=0)
    assert envs.render().shape == (400, 600, 3)
    envs.close()


@pytest.mark.parametrize(
    ("metadata", "speed"),
    [
        ({"render_fps": 12}, 12.0),
        ({"render_fps": np.float32(2.5)}, 2.5),
        ({}, 30.0),
        ({"render_fps": None}, 30.0),
        ({"render_fps": 0}, 30.0),
        ({"render_fps": math.nan}, 30.0),
        ({"render_fps": True}, 30.0),
        ({"render_fps": "fast"}, 30.0),
        (None, 30.0),
    ],
)
def test_frames_have_the_speed_that_the_environment_names(metadata, speed):
    assert read_fps(metadata) == speed
