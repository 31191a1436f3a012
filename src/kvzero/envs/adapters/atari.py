"""Atari games through ALE's vector environment: how they are shown, started, cut into episodes and rewarded."""

import importlib
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from jaxtyping import Bool, Float32, Int, Int64, Shaped, UInt8

from kvzero.envs.config import EnvConfig
from kvzero.envs.environments import Frame, Start, Steps, check_actions, check_seed
from kvzero.envs.lookup import find_registration
from kvzero.envs.spaces import read_action_space
from kvzero.errors import ConfigError
from kvzero.records import EnvSpec

__all__ = ["AtariEnvironments"]

Frames: TypeAlias = UInt8[np.ndarray, "env colour height width"]
Images: TypeAlias = UInt8[np.ndarray, "env channel height width"]

_SCREEN_SIZE = (210, 160)
_CONSOLE_FPS = 60.0
_MAX_SEED = 2**31 - 1


class AtariEnvironments:
    """Atari games stepped in threads, shown as images `[channel, image_size, image_size]` of bytes.

    A frame is RGB, or grey; an image holds the newest `frame_stack` frames of an episode, the oldest first, and begins
    with the first one in every place.

    ALE resets the emulator where its own life-loss episodes end, and shows a mixture of old frames where its own frame
    cap strikes; so both, and the clipping of rewards, are done here, and ALE begins anew only when a game is over. On
    that one step ALE captures no frame: the final observation of a finished game shows the frames before its last step.
    """

    def __init__(self, config: EnvConfig, *, num_envs: int, training: bool, render: bool) -> None:
        self._reward_scale = config.reward_scale
        self._should_clip = config.clip_rewards
        self._ends_with_life = training and config.episodic_life
        self._max_steps = config.max_frames // config.frame_skip
        self._games = _make_games(config, num_envs, (config.image_size, config.image_size))
        # ALE keeps no full-size picture, so one more game follows environment 0: same seed, same actions.
        self._screen = _make_games(replace(config, grayscale=False), 1, _SCREEN_SIZE) if render else None
        self._picture: UInt8[np.ndarray, "1 1 height width 3"] = np.zeros((1, 1, *_SCREEN_SIZE, 3), dtype=np.uint8)
        self._lives: Int[np.ndarray, " env"] = np.zeros(num_envs, dtype=np.int32)
        self._ages = np.zeros(num_envs, dtype=np.int64)  # steps since the game began
        self.num_envs = num_envs
        self._num_colours, self._num_stacked = 1 if config.grayscale else 3, config.frame_stack
        shape = (config.num_channels, config.image_size, config.image_size)
        self._images: Images = np.zeros((num_envs, *shape), dtype=np.uint8)  # as last shown
        self.frames_per_second = _CONSOLE_FPS / config.frame_skip
        self.spec = EnvSpec(
            observation_shape=shape,
            num_actions=read_action_space(self._games.single_action_space, config.env_id).num_actions,
        )

    def reset(self, seed: int | None = None) -> Start:
        """Begin a new game everywhere; ALE's seeds have 31 bits, so larger ones come round again."""
        check_seed(seed)
        if seed is None and self._screen is not None:
            seed = int(np.random.default_rng().integers(_MAX_SEED))  # the screen has to share it
        if seed is not None:
            seed %= _MAX_SEED - self.num_envs
        screens, info = self._games.reset(seed=seed)
        if self._screen is not None:
            self._picture = self._screen.reset(seed=seed)[0]
        self._lives = info["lives"]
        self._ages[:] = 0
        self._images = self._first_images(_channel_first(screens))
        return Start(self._images, self._all_legal())

    def step(self, actions: Int64[np.ndarray, " env"]) -> Steps:
        """Take one action, held for `frame_skip` frames, in each game."""
        check_actions(actions, self.num_envs, self.spec)
        screens, rewards, over, _, info = self._games.step(actions)
        terminated, capped = self._find_ends(over, info["lives"])
        frames = finals = _channel_first(screens)
        if over.any():
            finals = np.where(over[:, None, None, None], _channel_first(info["final_obs"]), frames)
        finals = self._next_images(finals)
        if capped.any():
            screens, info = self._games.reset(options={"reset_mask": capped})
            frames = _channel_first(screens)
        has_begun = (terminated | capped)[:, None, None, None]
        self._images = np.where(has_begun, self._first_images(frames), finals) if has_begun.any() else finals
        self._follow(actions, is_capped=bool(capped[0]))
        self._lives = info["lives"]
        return Steps(
            observations=self._images,
            action_masks=self._all_legal(),
            rewards=self._to_learn_from(rewards),
            raw_rewards=rewards.astype(np.float64),
            terminated=terminated,
            truncated=capped & ~terminated,
            final_observations=finals,
            game_over=over | capped,
        )

    def render(self) -> Frame:
        """Return the full-size picture of environment 0, one for each step."""
        if self._screen is None:
            raise ConfigError("these games were made without render=True; make them with it to see frames")
        frame: Frame = self._picture[0, 0]
        return frame

    def close(self) -> None:
        """Close the games."""
        self._games.close()
        if self._screen is not None:
            self._screen.close()

    def _find_ends(
        self, over: Bool[np.ndarray, " env"], lives: Int[np.ndarray, " env"]
    ) -> tuple[Bool[np.ndarray, " env"], Bool[np.ndarray, " env"]]:
        """Count the step, and return which episodes terminated and which games have had all their frames."""
        self._ages += 1
        capped = ~over & (self._ages >= self._max_steps)
        self._ages[over | capped] = 0
        # As usual, the last life is not lost before the game is over: some games show 0 lives while they go on.
        life_lost = ~over & (lives < self._lives) & (lives > 0)
        return (over | life_lost if self._ends_with_life else over), capped

    def _to_learn_from(self, rewards: Shaped[np.ndarray, " env"]) -> Float32[np.ndarray, " env"]:
        clipped = np.clip(rewards, -1, 1) if self._should_clip else rewards
        return (clipped * self._reward_scale).astype(np.float32)

    def _follow(self, actions: Int64[np.ndarray, " env"], *, is_capped: bool) -> None:
        if self._screen is not None:
            self._picture = self._screen.step(actions[:1])[0]
            if is_capped:
                self._picture = self._screen.reset(options={"reset_mask": np.ones(1, dtype=np.bool_)})[0]

    def _first_images(self, frames: Frames) -> Images:
        """Return what is shown when an episode begins."""
        return np.tile(frames, (1, self._num_stacked, 1, 1))

    def _next_images(self, frames: Frames) -> Images:
        """Return what is shown when an episode goes on."""
        return np.concatenate([self._images[:, self._num_colours :], frames], axis=1)

    def _all_legal(self) -> Bool[np.ndarray, "env action"]:
        return np.ones((self.num_envs, self.spec.num_actions), dtype=np.bool_)


def _make_games(config: EnvConfig, num_envs: int, size: tuple[int, int]) -> VectorEnv[Any, Any, Any]:
    height, width = size
    game = find_registration(config.env_id).kwargs["game"]
    return importlib.import_module("ale_py.vector_env").AtariVectorEnv(  # type: ignore[no-any-return]
        game,
        num_envs,
        num_threads=config.num_env_threads,
        max_num_frames_per_episode=2 * config.max_frames,  # never reached
        repeat_action_probability=config.sticky_action_probability,
        autoreset_mode=AutoresetMode.SAME_STEP,
        img_height=height,
        img_width=width,
        grayscale=config.grayscale,
        stack_num=1,
        frameskip=config.frame_skip,
        maxpool=True,
        noop_max=config.noop_max,
        episodic_life=False,
        life_loss_info=False,
        reward_clipping=False,
        use_fire_reset=False,
    )


def _channel_first(screens: UInt8[np.ndarray, "env 1 height width *colours"]) -> Frames:
    return screens if screens.ndim == 4 else np.ascontiguousarray(np.moveaxis(screens[:, 0], -1, 1))
