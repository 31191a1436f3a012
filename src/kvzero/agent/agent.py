"""The agent that a user holds: weights, history and search behind `reset` and `act`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from jaxtyping import Bool, Int, Shaped

from kvzero.agent.config import AgentConfig
from kvzero.agent.contexts import LoadedContexts
from kvzero.agent.planner import Planner
from kvzero.agent.search_record import SearchRecord
from kvzero.agent.weights import check_environment, load_network, read_checkpoint
from kvzero.cache import CodecName, ResultCache
from kvzero.checks import read_int, read_mask
from kvzero.envs import EnvFormats, read_formats
from kvzero.errors import ConfigError
from kvzero.model import Network, choose_device

__all__ = ["Agent"]


class Agent:
    """Acts in one or several environments by planning with a trained network.

    ```python
    agent = kvzero.Agent.load("runs/cartpole-0")
    observation, _ = env.reset()
    agent.reset()
    action = agent.act(observation)
    ```
    """

    def __init__(
        self, network: Network, config: AgentConfig, *, num_envs: int = 1, formats: EnvFormats | None = None
    ) -> None:
        """Make room for the histories of `num_envs` environments, which speak in `formats`, if these are given.

        Raises:
            ConfigError: if that is no positive integer.
        """
        self.network = network
        self.config = config
        self.num_envs = num_envs = read_int("num_envs", num_envs)
        self._formats = formats
        self._planner = Planner(network, config, num_envs=num_envs, num_simulations=config.num_eval_simulations)
        self._starts = np.ones(num_envs, bool)
        self._actions = network.spec.blank_actions(num_envs)

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        checkpoint: str | None = None,
        num_envs: int = 1,
        device: str = "auto",
        env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any] | None = None,
    ) -> "Agent":
        """Return the agent of a run's newest checkpoint, or of one that is named, as `step_0000010000_0000004750` is.

        Given the `env` that it will play in, see that it fits, and speak its language from then on: `act` takes its
        observations as they are, images with their channels last, dicts and numbers too, and returns its own actions.
        Of a vector environment these are batches.

        In place of a run's folder `run` may be a file that `kvzero export` wrote. Nothing that is named in either is
        imported or called.

        Raises:
            RunError: if the folder holds no checkpoint, or none of that name.
            CheckpointError: if the checkpoint or file is damaged or its config cannot be read, or `env` has other
                observations, actions or bounds than the environment that it was trained in.
            ConfigError: if a checkpoint of a file is named; if `env` is no environment, has spaces that kvzero does not
                play, or is a vector of another number of environments than `num_envs`.
            DeviceError: if there is no such device.
        """
        on = choose_device(device)
        formats = None if env is None else read_formats(env)
        if isinstance(env, VectorEnv) and env.num_envs != num_envs:
            raise ConfigError(f"env holds {env.num_envs} environments, and num_envs is {num_envs}; make them alike")

        def read(checkpoint: Path) -> tuple[Network, AgentConfig]:
            if formats is not None:
                check_environment(checkpoint, formats.spec)
            return load_network(checkpoint, on)

        network, config = read_checkpoint(Path(run), read, name=checkpoint)
        return cls(network, config, num_envs=num_envs, formats=formats)

    def reset(self, envs: Int[np.ndarray, " env"] | Bool[np.ndarray, " env"] | None = None) -> None:
        """Begin new episodes: in all environments, in those with these numbers, or where a mask over all is True.

        Raises:
            ConfigError: if there is no such environment.
        """
        given = np.arange(self.num_envs) if envs is None else np.asarray(envs)
        is_mask = given.dtype == np.bool_ and given.shape == (self.num_envs,)
        is_number = given.dtype.kind in "iu" or given.size == 0
        if not (is_mask or (is_number and all(0 <= env < self.num_envs for env in given.flat))):
            raise ConfigError(
                f"environments {given.tolist()} were to begin anew; give numbers from 0 to {self.num_envs - 1}, or a "
                f"mask of {self.num_envs}"
            )
        self._starts[given if is_mask else given.astype(np.int64)] = True

    def act(
        self,
        observations: Any,
        *,
        action_masks: Shaped[np.ndarray, "..."] | Sequence[Any] | None = None,
        results: ResultCache | None = None,
    ) -> int | Shaped[np.ndarray, "..."]:
        """Return the best action for what the environments show now.

        An agent that was loaded with its environment takes what that shows, and returns what that wants: one of each,
        or a list or batch of `num_envs`. Else observations are arrays as the network reads them: with one environment a
        single observation, for which the action is an int, or with several `[env, *observation]`, one row for each; and
        continuous actions are float64 vectors in the environment's own units, `[action_dim]` or `[env, action_dim]`.

        The agent takes it that its actions are carried out; call `reset` where an episode ended. Of several continuous
        actions visited equally often the one drawn first is taken. With `results`, nothing is searched where these
        weights have searched the same history before, in whatever process.

        Raises:
            ConfigError: if `observations` or `action_masks` have another shape, images are not uint8, a number is not
                finite, or a mask allows no action or holds what is no flag; if `results` may be of older weights. The
                agent is unchanged then.
            EnvError: if a number is too large for the network's encoder, or an observation is none of the environment's
                that the agent was loaded with; the agent is unchanged then, too.
        """
        batch, is_single = self._take(observations)
        masks = self._masks(action_masks)
        everyone = np.arange(self.num_envs)
        if results is not None:
            self._planner.refuse_inexact(results)
        can_wait = results is not None
        self._planner.observe(everyone, batch, actions=self._actions, starts=self._starts, can_wait=can_wait)
        self._starts[:] = False
        if results is None:
            self._actions = self._planner.plan(everyone, masks, rng=None).actions
        else:
            self._actions = self._planner.recall(everyone, masks, results).actions
        return self._give(is_single)

    def save_contexts(self, folder: str | Path, *, codec: CodecName = "none", history_only: bool = False) -> None:
        """Write all that the agent remembers of its games into a folder, to go on with them after a restart.

        It replaces what was saved there, and is whole whenever the process is killed. Weights are not part of it.

        Args:
            folder: where to.
            codec: how keys and values are written; all but none round them.
            history_only: whether to leave keys and values out, which can be made anew.

        Raises:
            ConfigError: if keys and values could not be found again exactly (learned positions that are shifted, keys
                of latents alone, pools that round), or a codec would have no effect.
            RunError: if the folder cannot be written.
        """
        carried = {"starts": self._starts, "actions": self._actions}
        self._planner.archive.save(Path(folder), codec=codec, history_only=history_only, carried=carried, rng=None)

    def load_contexts(self, folder: str | Path) -> LoadedContexts:
        """Go on, in all environments, where the agent stood that `save_contexts` was called on.

        Keys and values are taken as they were saved if the same weights and the same kind of engine made them, on the
        same kind of device and in the same number type; else they are made anew from the histories, which is logged.

        Raises:
            CheckpointError: if the folder is missing or damaged, of another environment or another number of them, of
                too short a history, of a newer format, or was saved by a planner. Nothing has changed then.
        """
        loaded, carried = self._planner.load_carried(folder, carries=("starts", "actions"), rng=None)
        self._starts, self._actions = carried["starts"].copy(), carried["actions"].copy()
        return loaded

    def explain(self, env: int = 0) -> SearchRecord:
        """Return what the search behind the last action of an environment thought: its tree, and what it read where.

        It costs nothing until it is called. Call it after `act` and before the next one, whose search takes the place
        of this one; the record itself stays as it is.

        Raises:
            SearchError: if there is no such environment, or none has acted yet.
        """
        return self._planner.explain(env)

    def _take(self, observations: Any) -> tuple[Shaped[np.ndarray, "env ..."], bool]:
        """Return observations as the network reads them, and whether one stood alone."""
        if self._formats is not None:
            is_alone = self.num_envs == 1 and self._formats.together is None
            return self._read(self._formats.read(observations, self.num_envs)), is_alone
        array = _as_array(observations)
        is_alone = array.shape == self.network.spec.observation_shape and self.num_envs == 1
        return self._read(array[None] if is_alone else array), is_alone

    def _give(self, is_alone: bool) -> int | Shaped[np.ndarray, "..."]:
        """Return the newest actions as who asked wants them."""
        spec = self.network.spec
        if self._formats is not None:
            actions = self._formats.give(self._actions)
        else:
            actions = spec.to_bounds(self._actions) if spec.is_continuous else self._actions.copy()
        if not is_alone:
            return actions
        return actions[0] if spec.is_continuous else int(actions[0])

    def _read(self, observations: np.ndarray) -> Shaped[np.ndarray, "env ..."]:
        """Return observations in the type that the network reads."""
        spec = self.network.spec
        wanted = (self.num_envs, *spec.observation_shape)
        if observations.shape != wanted:
            raise ConfigError(
                f"observations have shape {observations.shape}; this agent wants {wanted}, trained with {spec}"
            )
        if spec.observation_dtype is not np.float32:
            if observations.dtype != spec.observation_dtype:
                raise ConfigError(
                    f"observations are {observations.dtype}; this agent reads images of {spec.pixels}, "
                    f"{spec.observation_dtype.__name__}"
                )
            return observations
        if observations.dtype.kind not in "biuf":
            raise ConfigError(f"observations are {observations.dtype}; this agent reads real numbers")
        with np.errstate(over="ignore"):  # too large for float32 becomes inf, which is refused
            numbers = observations.astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ConfigError("observations hold NaN or infinite numbers; look at what the environment returned")
        if spec.pixels == "floats" and (outside := spec.outside_bounds(numbers)).any():
            raise ConfigError(
                f"observations hold {numbers[outside][0]:g}, outside the bounds of what this agent reads, {spec}"
            )
        return numbers

    def _masks(self, action_masks: object) -> Bool[np.ndarray, "env action"]:
        spec = self.network.spec
        shape = (self.num_envs, spec.num_actions)
        if spec.is_continuous and action_masks is not None:
            raise ConfigError("action_masks would have no effect on continuous actions; leave them out")
        if action_masks is None:
            return np.ones(shape, bool)
        masks = read_mask("action_masks", action_masks)
        if self.num_envs == 1 and masks.shape == shape[1:]:
            masks = masks[None]
        if masks.shape != shape:
            raise ConfigError(f"action_masks have shape {masks.shape}; this agent wants {shape}, trained with {spec}")
        if not masks.any(axis=1).all():
            raise ConfigError(
                "action_masks allow an environment no action; allow one, or reset where its episode ended"
            )
        return masks


def _as_array(observations: object) -> np.ndarray:
    try:
        return np.asarray(observations)
    except ValueError as error:  # rows of different lengths
        raise ConfigError(f"observations are no array ({error}); give as many numbers in each row") from error
