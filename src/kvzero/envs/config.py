"""Which environment is played, how many of it at once, and what only Atari or DeepMind Control have settings for."""

from dataclasses import dataclass, field, fields
from math import isfinite

from kvzero.checks import changed_fields, read_fields
from kvzero.envs.arguments import EnvArguments, read_arguments
from kvzero.envs.ids import ATARI_PREFIX, DMC_ID, MINIGRID_PREFIX, canonical_id
from kvzero.errors import ConfigError

__all__ = ["EnvConfig"]

_GENERAL_FIELDS = frozenset({"env_id", "num_envs", "env_kwargs", "reward_scale"})
_NOT_ATARI_FIELDS = frozenset({"num_env_workers", "action_bins_per_dim"})
_DMC_FIELDS = frozenset({"task", "action_repeat", "from_pixels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvConfig:
    """An environment by name, and how many of it are played at once to collect experience."""

    env_id: str = "CartPole-v1"
    """Gymnasium id ("CartPole-v1", "ALE/Pong-v5"), your own as "package.module:Class", or "dmc" and a task."""

    env_kwargs: EnvArguments = field(default_factory=dict, hash=False)
    """Arguments for the constructor of a Gymnasium id or your own class; as words, key=value with values as in JSON."""

    num_envs: int = 8
    """Environments played at once while collecting."""

    reward_scale: float = 1.0
    """What rewards are multiplied by before anything is learnt from them; the returns that are told are not."""

    num_env_workers: int = 0
    """Not for Atari: processes that step the environments, where that is slow; 0 steps them in this process."""

    action_bins_per_dim: int = 0
    """Not for Atari: play continuous actions as numbered ones, which are all combinations of so many evenly spaced
    values, from bound to bound, of each number of an action; 0 leaves actions as they are."""

    task: str = ""
    """DeepMind Control only: the task as domain-task, such as "cartpole-swingup"."""

    action_repeat: int = 1
    """DeepMind Control only: steps of the task that one action is held for; together they make one environment step."""

    from_pixels: bool = False
    """DeepMind Control only: show RGB images of `image_size` instead of states."""

    frame_skip: int = 4
    """Atari only: frames that one action is held for; the last two are max-pooled into the observation."""

    noop_max: int = 30
    """Atari only: a game starts after a random number of frames without action, fewer than this; 0 for none."""

    sticky_action_probability: float = 0.0
    """Atari only: probability, in each frame, that the game repeats the last action instead of taking the new one."""

    clip_rewards: bool = True
    """Atari only: learn from, and predict, the reward of each step clipped to [-1, 1]; returns are of raw rewards."""

    episodic_life: bool = True
    """Atari only: in training, end the episode (not the game) when a life is lost; evaluation plays whole games."""

    max_frames: int = 108_000
    """Atari only: frames after which a game is truncated (108,000 frames are 30 minutes of play)."""

    image_size: int = 64
    """Atari, and DeepMind Control from pixels: height and width of the images that are shown."""

    grayscale: bool = False
    """Atari only: show grey images, of one channel, instead of RGB ones, of three."""

    frame_stack: int = 1
    """Atari only: show the newest frames together as channels of one image, the oldest first; 1 shows the newest alone.
    An episode begins with its first frame in every place."""

    num_env_threads: int = 2
    """Atari only: threads that step the games; results do not depend on it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "env_kwargs", read_arguments(self.env_kwargs))  # which says more than read_fields
        read_fields(self)
        object.__setattr__(self, "env_id", canonical_id(self.env_id))
        self._check_ranges()
        if self.is_dmc and not self.task:
            raise ConfigError('env_id is "dmc" and task is empty; give --task, such as cartpole-swingup')
        self._refuse_settings_without_effect()

    @property
    def name(self) -> str:
        """What the environment is called in messages."""
        return f"{self.env_id} {self.task}" if self.is_dmc else self.env_id

    @property
    def is_atari(self) -> bool:
        """Whether this is an Atari game."""
        return self.env_id.startswith(ATARI_PREFIX)

    @property
    def is_minigrid(self) -> bool:
        """Whether this is a room of MiniGrid, shown as planes."""
        return self.env_id.startswith(MINIGRID_PREFIX)

    @property
    def is_dmc(self) -> bool:
        """Whether this is a task of DeepMind Control."""
        return self.env_id == DMC_ID

    @property
    def num_channels(self) -> int:
        """Channels of one image, where these settings say it: of all frames that it shows together."""
        return (1 if self.grayscale else 3) * self.frame_stack

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Shape `(channel, height, width)` of the images that are shown; None where only the environment knows it."""
        is_known = self.is_atari or self.from_pixels
        return (self.num_channels, self.image_size, self.image_size) if is_known else None

    def _check_ranges(self) -> None:
        if not self.env_id:
            raise ConfigError('env_id is empty; give a Gymnasium id such as "CartPole-v1", or "package.module:Class"')
        smallest = {
            "num_envs": (self.num_envs, 1),
            "action_repeat": (self.action_repeat, 1),
            "num_env_workers": (self.num_env_workers, 0),
            "frame_skip": (self.frame_skip, 1),
            "noop_max": (self.noop_max, 0),
            "image_size": (self.image_size, 1),
            "frame_stack": (self.frame_stack, 1),
            "action_bins_per_dim": (self.action_bins_per_dim, 0),
            "num_env_threads": (self.num_env_threads, 1),
        }
        for name, (value, minimum) in smallest.items():
            if value < minimum:
                raise ConfigError(f"{name} is {value}; give at least {minimum}")
        if self.action_bins_per_dim == 1:
            raise ConfigError("action_bins_per_dim is 1, which leaves nothing to choose; give at least 2, or 0")
        if not 0.0 <= self.sticky_action_probability <= 1.0:
            raise ConfigError(
                f"sticky_action_probability is {self.sticky_action_probability}; give a probability from 0 to 1"
            )
        if not (self.reward_scale > 0 and isfinite(self.reward_scale)):
            raise ConfigError(f"reward_scale is {self.reward_scale}; give a positive number")
        if self.max_frames < self.frame_skip:
            raise ConfigError(
                f"max_frames is {self.max_frames}, less than one step of frame_skip={self.frame_skip} frames; "
                "give a game at least one step"
            )

    def _refuse_settings_without_effect(self) -> None:
        if self.env_kwargs and (self.is_atari or self.is_dmc):
            raise ConfigError(
                f"env_kwargs {self.env_kwargs} would have no effect on {self.env_id!r}, which has settings of its own; "
                "leave them out"
            )
        names = {field.name for field in fields(self)}
        atari = names - _GENERAL_FIELDS - _NOT_ATARI_FIELDS - _DMC_FIELDS
        allowed = set(_GENERAL_FIELDS)
        allowed |= atari if self.is_atari else _NOT_ATARI_FIELDS
        allowed |= _DMC_FIELDS if self.is_dmc else set()
        allowed |= {"image_size"} if self.is_dmc and self.from_pixels else set()
        changed = [name for name in changed_fields(self) if name not in allowed]
        if not changed:
            return
        raise ConfigError(
            f"{', '.join(changed)} would have no effect on {self.env_id!r}; only {self._owners(set(changed), atari)} "
            "take these settings, so leave them at their defaults"
        )

    @staticmethod
    def _owners(names: set[str], atari: set[str]) -> str:
        """Return for which environments these settings are."""
        owners = {
            f'Atari ids ("{ATARI_PREFIX}...")': names & atari,
            f'DeepMind Control ("{DMC_ID}")': names & _DMC_FIELDS,
            "environments other than Atari": names & _NOT_ATARI_FIELDS,
        }
        return " and ".join(owner for owner, owned in owners.items() if owned)
