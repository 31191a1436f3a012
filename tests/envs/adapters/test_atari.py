"""Atari games against a slow, obvious player of the same emulator, frame by frame."""

import subprocess
import sys
from dataclasses import replace
from functools import cache

import ale_py
import numpy as np
import pytest

from kvzero.envs import EnvConfig, make_environments
from kvzero.errors import ConfigError, EnvError

BREAKOUT = EnvConfig(env_id="ALE/Breakout-v5", noop_max=0, num_env_threads=1)
PONG = replace(BREAKOUT, env_id="ALE/Pong-v5")


class SlowGame:
    """One game in one emulator: actions held for four frames, the last two frames pooled, lives counted."""

    def __init__(self, game, seed, *, is_grey=False):
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.setInt("random_seed", seed)
        self.ale.loadROM(ale_py.roms.get_rom_path(game))
        self.actions = self.ale.getMinimalActionSet()
        self.is_grey = is_grey
        self.begin()

    def begin(self):
        self.ale.reset_game()
        self.frames, self.time = [self.look()], 0
        return self.picture()

    def look(self):
        return self.ale.getScreenGrayscale()[..., None] if self.is_grey else self.ale.getScreenRGB()

    def picture(self):
        return np.max(self.frames[-2:], axis=0)

    def step(self, action):
        lives, reward = self.ale.lives(), 0
        self.frames, self.time = [], self.time + 1
        for _ in range(4):
            reward += self.ale.act(self.actions[action])
            self.frames.append(self.look())
            if self.ale.game_over():
                break
        return reward, self.ale.lives() < lives, self.ale.game_over()


@cache
def overlaps(length, size):
    """Return which share of each of `length` pixels lies in each of `size` equal parts."""
    edges = np.linspace(0, length, size + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) * size / length


def shrunk(picture, size=64):
    """Average a picture over areas: [height, width, channel] -> [channel, size, size]."""
    height, width, _ = picture.shape
    return overlaps(height, size) @ np.moveaxis(picture, -1, 0) @ overlaps(width, size).T


def assert_shows(observation, picture):
    assert np.abs(observation - shrunk(picture)).max() <= 1  # the emulator's library rounds


def play(envs, num_steps, seed):
    rng = np.random.default_rng(0)
    start = envs.reset(seed=seed)
    steps = [envs.step(rng.integers(0, envs.spec.num_actions, envs.num_envs)) for _ in range(num_steps)]
    envs.close()
    return start, steps


def assert_same(one, other, environments=slice(None), other_environments=slice(None)):
    np.testing.assert_array_equal(one[0].observations[environments], other[0].observations[other_environments])
    for step, again in zip(one[1], other[1], strict=True):
        for field in step.__slots__:
            np.testing.assert_array_equal(
                getattr(step, field)[environments], getattr(again, field)[other_environments], err_msg=field
            )


@pytest.mark.parametrize(
    ("training", "num_steps", "max_frames", "max_steps"),
    [(True, 190, 108_000, 27_000), (False, 40, 120, 30)],
)
def test_breakout_is_played_as_by_hand(training, num_steps, max_frames, max_steps):
    envs = make_environments(replace(BREAKOUT, max_frames=max_frames), num_envs=2, training=training)
    games = [SlowGame("breakout", seed) for seed in (21, 22)]
    observations = envs.reset(seed=21).observations
    rng = np.random.default_rng(4)
    counts = np.zeros(4, int)
    for _ in range(num_steps):
        for observation, game in zip(observations, games, strict=True):
            assert_shows(observation, game.picture())
        last_pictures = [game.picture() for game in games]
        actions = rng.integers(0, 4, 2)
        steps = envs.step(actions)
        for env, game in enumerate(games):
            reward, is_life_lost, is_over = game.step(actions[env])
            is_capped = game.time == max_steps and not is_over
            is_terminated = is_over or (is_life_lost and training)
            assert steps.raw_rewards[env] == reward
            assert steps.rewards[env] == (np.sign(reward) if training else reward)
            assert steps.terminated[env] == is_terminated
            assert steps.truncated[env] == (is_capped and not is_terminated)
            assert steps.game_over[env] == (is_over or is_capped)
            if is_over:  # ALE captures no frame of a game's last step
                assert np.abs(steps.final_observations[env] - shrunk(last_pictures[env])).mean() < 1
            else:
                assert_shows(steps.final_observations[env], game.picture())
            if is_over or is_capped:
                game.begin()
            counts += [reward != 0, is_life_lost, is_over, is_capped]
        observations = steps.observations
    expected = [False, True, False, True] if max_steps < num_steps else [True, True, True, False]
    assert (counts > 0).tolist() == expected


@pytest.mark.parametrize(
    ("is_grey", "num_stacked", "training", "num_steps", "max_frames"),
    [(True, 1, False, 15, 48), (False, 3, True, 70, 108_000), (True, 4, True, 70, 108_000), (True, 4, False, 15, 48)],
)
def test_grey_and_stacked_images_are_the_newest_frames_of_the_episode(
    is_grey, num_stacked, training, num_steps, max_frames
):
    config = replace(BREAKOUT, grayscale=is_grey, frame_stack=num_stacked, max_frames=max_frames)
    envs = make_environments(config, num_envs=2, training=training)
    assert envs.spec.observation_shape == ((1 if is_grey else 3) * num_stacked, 64, 64)
    games = [SlowGame("breakout", seed, is_grey=is_grey) for seed in (21, 22)]
    stacks = [[game.picture()] * num_stacked for game in games]
    observations, num_episodes = envs.reset(seed=21).observations, 0
    rng = np.random.default_rng(4)
    for _ in range(num_steps):
        for observation, stack in zip(observations, stacks, strict=True):
            assert observation.dtype == np.uint8
            assert_shows(observation, np.concatenate(stack, axis=-1))
        actions = rng.integers(0, 4, 2)
        steps = envs.step(actions)
        for env, game in enumerate(games):
            _, _, is_over = game.step(actions[env])
            led_to = [*stacks[env], game.picture()][-num_stacked:]
            if not is_over:  # ALE captures no frame of a game's last step
                assert_shows(steps.final_observations[env], np.concatenate(led_to, axis=-1))
            if steps.game_over[env]:
                game.begin()
            has_ended = steps.terminated[env] or steps.truncated[env]
            num_episodes += has_ended
            stacks[env] = [game.picture()] * num_stacked if has_ended else led_to
        observations = steps.observations
    assert num_episodes > 1


def test_a_video_of_grey_images_is_in_colour():
    envs = make_environments(replace(PONG, grayscale=True), num_envs=1, training=False, render=True)
    envs.reset(seed=0)
    envs.step(np.array([2]))
    assert envs.render().shape == (210, 160, 3)
    assert np.ptp(envs.render(), axis=-1).max() > 0


def test_a_game_of_pong_is_lost_by_21_points_without_moving():
    envs = make_environments(PONG, num_envs=1, training=True)
    envs.reset(seed=0)
    points = []
    for _ in range(1500):
        steps = envs.step(np.array([0]))
        points.append(steps.raw_rewards[0])
        if steps.game_over[0]:
            break
    assert sum(points) == -21
    assert set(points) == {-1, 0}
    assert steps.terminated[0]
    assert not steps.truncated[0]
    assert envs.spec.observation_shape == (3, 64, 64)
    assert envs.spec.num_actions == 6


def test_rewards_are_clipped_then_scaled_and_raw_ones_are_not():
    config = EnvConfig(env_id="ALE/MsPacman-v5", reward_scale=3.0)
    _, steps = play(make_environments(config, num_envs=1, training=True), 90, seed=0)
    assert {step.rewards[0] for step in steps} == {0, 3}
    assert {step.raw_rewards[0] for step in steps} == {0, 10}


def test_a_seed_and_actions_reproduce_everything():
    config = replace(BREAKOUT, noop_max=30, sticky_action_probability=0.25, max_frames=80)

    def run(seed, **changes):
        return play(make_environments(replace(config, **changes), num_envs=2, training=True), 25, seed)

    first = run(5)
    assert_same(first, run(5, num_env_threads=2))
    np.testing.assert_array_equal(first[0].observations[1:], run(6)[0].observations[:1])


def test_seeds_beyond_31_bits_come_round_again():
    envs = make_environments(replace(PONG, noop_max=30), num_envs=2, training=True)
    one, other = (envs.reset(seed=seed).observations for seed in (4, 4 + 5 * (2**31 - 1 - 2)))
    np.testing.assert_array_equal(one, other)


def test_sticky_actions_change_the_game():
    plain, sticky = (
        play(make_environments(replace(PONG, sticky_action_probability=chance), num_envs=1, training=True), 60, seed=0)[
            1
        ]
        for chance in (0.0, 0.5)
    )
    assert any((one.observations != other.observations).any() for one, other in zip(plain, sticky, strict=True))


def test_a_truncated_game_leaves_the_others_alone():
    def run(max_frames):
        envs = make_environments(replace(PONG, max_frames=max_frames, noop_max=30), num_envs=3, training=True)
        envs.reset(seed=9)
        return envs

    capped, free = run(24), run(108_000)
    actions = np.array([2, 3, 4])
    capped._ages[:] = [0, 2, 0]  # so that one game reaches its cap before the others
    for time in range(1, 6):
        one, other = capped.step(actions), free.step(actions)
        assert one.truncated.tolist() == [False, time == 4, False]
        np.testing.assert_array_equal(one.observations[[0, 2]], other.observations[[0, 2]])
        if time == 4:
            np.testing.assert_array_equal(one.final_observations, other.observations)
            assert (one.observations[1] != other.observations[1]).any()


def test_no_op_starts_leave_out_fewer_frames_than_asked():
    num_envs = 4
    observations = make_environments(replace(PONG, noop_max=5), num_envs=num_envs, training=True).reset(3).observations
    waits = set()
    for env in range(num_envs):
        game = SlowGame("pong", 3 + env)
        near = []
        for wait in range(6):
            near += [wait] * bool(np.abs(observations[env] - shrunk(game.picture())).max() <= 1)
            game.ale.act(game.actions[0])
            game.frames = [game.ale.getScreenRGB()]
        assert near
        assert near[0] < 5
        waits |= {near[0]}
    assert len(waits) > 1


@pytest.mark.parametrize("frame_skip", [1, 3])
def test_frame_skip_and_image_size_are_as_configured(frame_skip):
    config = replace(PONG, frame_skip=frame_skip, image_size=32)
    envs = make_environments(config, num_envs=1, training=True)
    assert envs.reset(seed=0).observations.shape == (1, 3, 32, 32)
    game = SlowGame("pong", 0)
    for action in (2, 2, 3, 1):
        frames = []
        for _ in range(frame_skip):
            game.ale.act(game.actions[action])
            frames.append(game.ale.getScreenRGB())
        observation = envs.step(np.array([action])).observations[0]
        assert np.abs(observation - shrunk(np.max(frames[-2:], axis=0), 32)).max() <= 1


@pytest.mark.parametrize(("max_frames", "num_steps"), [(108_000, 190), (80, 25)])
def test_the_frames_shown_are_those_of_environment_0(max_frames, num_steps):
    config = replace(BREAKOUT, noop_max=30, sticky_action_probability=0.25, max_frames=max_frames)
    envs = make_environments(config, num_envs=1, training=False, render=True)
    assert_shows(envs.reset(seed=3).observations[0], envs.render())
    num_games = 0
    rng = np.random.default_rng(0)
    for _ in range(num_steps):
        steps = envs.step(rng.integers(0, 4, 1))
        assert_shows(steps.observations[0], envs.render())
        num_games += steps.game_over[0]
    assert num_games > 0
    assert (envs.render().shape, envs.render().dtype) == ((210, 160, 3), np.uint8)
    assert envs.frames_per_second == 60 / config.frame_skip


def test_the_frames_shown_follow_without_a_seed_too():
    config = replace(PONG, noop_max=30, sticky_action_probability=0.5)
    envs = make_environments(config, num_envs=1, training=False, render=True)
    for _ in range(2):
        assert_shows(envs.reset().observations[0], envs.render())
        for action in [2, 3, 5, 4] * 5:
            assert_shows(envs.step(np.array([action])).observations[0], envs.render())


def test_rendering_needs_to_be_asked_for():
    envs = make_environments(PONG, num_envs=1, training=False)
    with pytest.raises(ConfigError, match="without render=True"):
        envs.render()


def test_what_was_handed_out_does_not_change_later():
    envs = make_environments(replace(BREAKOUT, max_frames=20), num_envs=1, training=True)
    handed = [envs.reset(seed=0).observations]
    kept = [handed[0].copy()]
    for _ in range(12):
        steps = envs.step(np.array([1]))
        handed += [getattr(steps, field) for field in steps.__slots__]
        kept += [getattr(steps, field).copy() for field in steps.__slots__]
    for array, copy in zip(handed, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_actions_that_cannot_be_are_refused_and_do_not_hang():
    envs = make_environments(PONG, num_envs=2, training=True)
    envs.reset(seed=0)
    for actions in ([0, 6], [-1, 0], [0]):
        with pytest.raises(EnvError, match="action"):
            envs.step(np.array(actions))
    envs.step(np.array([0, 1]))


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="seed is -3"):
        make_environments(PONG, num_envs=1, training=True).reset(seed=-3)


def test_the_emulator_is_imported_only_for_atari():
    code = (
        "import sys; from kvzero.envs import EnvConfig, make_environments; "
        "make_environments(EnvConfig(), num_envs=1, training=True).reset(0); sys.exit('ale_py' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
