"""The collector: plays with exploration and hands on every step."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from kvzero.agent import Persistence, Planner, slip
from kvzero.envs import Environments, Steps
from kvzero.replay import StepBatch, StepSink
from kvzero.search import Outcome

__all__ = ["Collector", "Episode"]


@dataclass(frozen=True, slots=True)
class Episode:
    """A game that ended while collecting."""

    raw_return: float
    """Sum of its rewards, as the environment gave them."""

    num_steps: int
    """Environment steps that it took."""


class Collector:
    """Steps all environments together, one search per step, and hands each step to a sink."""

    def __init__(
        self,
        envs: Environments,
        planner: Planner,
        sink: StepSink,
        *,
        seed: int,
        rng: np.random.Generator,
        persistence: float = 0.0,
        num_updates: Callable[[], int] | None = None,
    ) -> None:
        """Reset the environments with `seed` and observe what they show.

        With `persistence` as a probability, what a search chose is played again for a while. Where the sink keeps
        searches, `num_updates` says how many updates the weights have had that search.
        """
        self._envs = envs
        self._planner = planner
        self._sink = sink
        self._rng = rng
        self._persistence = Persistence(persistence, num_envs=envs.num_envs)
        self._num_updates = num_updates
        self._everyone = np.arange(envs.num_envs)
        start = envs.reset(seed)
        self._observations, self._masks = start.observations, start.action_masks
        self._returns = np.zeros(envs.num_envs)
        self._lengths = np.zeros(envs.num_envs, np.int64)
        nothing = envs.spec.blank_actions(envs.num_envs)
        planner.observe(self._everyone, self._observations, actions=nothing, starts=np.ones(envs.num_envs, bool))

    def step(self, temperature: float, epsilon: float = 0.0) -> list[Episode]:
        """Plan, act, hand on and observe once in every environment; return the games that ended.

        Actions are drawn by the temperature, and with probability `epsilon` evenly in place of that.
        """
        outcome = self._planner.plan(self._everyone, self._masks, rng=self._rng, temperature=temperature)
        lasting = self._persistence.choose(outcome.actions, self._masks, rng=self._rng)
        actions = slip(lasting, self._masks, epsilon=epsilon, rng=self._rng)
        steps = self._envs.step(actions)
        self._hand_on(outcome, actions, steps)
        self._observations, self._masks = steps.observations, steps.action_masks
        self._planner.observe(
            self._everyone, steps.observations, actions=actions, starts=steps.terminated | steps.truncated
        )
        self._persistence.end(steps.terminated | steps.truncated)
        return self._count(steps.raw_rewards, steps.game_over)

    @property
    def observations(self) -> Shaped[np.ndarray, "env ..."]:
        """What the next step acts on."""
        return self._observations

    def _hand_on(self, outcome: Outcome, actions: Shaped[np.ndarray, "env ..."], steps: Steps) -> None:
        fields = {
            "observations": self._observations,
            "actions": actions,
            "rewards": steps.rewards,
            "policies": outcome.policy.astype(np.float32),
        }
        if outcome.action_sets is not None:
            fields["action_sets"] = outcome.action_sets[:, 0]
        if self._num_updates is not None:
            fields |= self._search_fields(outcome, self._num_updates())
        self._sink.add(
            StepBatch(
                fields=fields,
                terminated=steps.terminated,
                truncated=steps.truncated,
                final_observations=steps.final_observations,
            )
        )

    def _search_fields(self, outcome: Outcome, num_updates: int) -> dict[str, np.ndarray]:
        """Return what rows keep of a search, for another to replace it."""
        made_by = np.full(self._envs.num_envs, num_updates)
        masks = {} if self._envs.spec.is_continuous else {"action_masks": self._masks}
        found = {"search_values": outcome.values.astype(np.float32), "collected_at": made_by, "judged_at": made_by}
        return {**found, **masks}

    def _count(self, rewards: Float[np.ndarray, " env"], game_over: Bool[np.ndarray, " env"]) -> list[Episode]:
        self._returns += rewards
        self._lengths += 1
        ended = [Episode(float(self._returns[env]), int(self._lengths[env])) for env in np.flatnonzero(game_over)]
        self._returns[game_over] = 0
        self._lengths[game_over] = 0
        return ended
