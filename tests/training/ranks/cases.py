"""Learning of every kind, done alone by a test, and in two ranks by `python -m tests.training.ranks.cases FILE`."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tests.training.samples import LEARNER, MODEL, NUM_ENVS, tiny_network

from kvzero import LearnerConfig, ModelConfig, ReplayConfig
from kvzero.records import EnvSpec
from kvzero.replay import Replay, StepBatch, build_row_spec
from kvzero.training import Learner
from kvzero.training.learning import Ranks
from kvzero.training.learning import learner as learner_module
from kvzero.training.ranks import in_ranks

NUM_UPDATES = 20
NUM_KEPT_ACTIONS = 5
GENTLE = replace(LEARNER, batch_size=6, learning_rate=1e-3)


@dataclass(frozen=True)
class Case:
    spec: EnvSpec
    model: ModelConfig = MODEL
    learner: LearnerConfig = GENTLE
    replay: ReplayConfig = ReplayConfig(replay_capacity=60)  # noqa: RUF009  # frozen


VECTOR = EnvSpec(observation_shape=(5,), num_actions=3)
NORMALISING = replace(MODEL, normalize_observations=True)
CASES = {
    "vector": Case(VECTOR),
    "normalised, clipped": Case(VECTOR, NORMALISING, replace(GENTLE, max_gradient_norm=0.1)),
    "prioritised": Case(VECTOR, replay=ReplayConfig(replay_capacity=60, sampler="prioritised")),
    "shifted images": Case(
        EnvSpec(observation_shape=(3, 16, 17), num_actions=3),
        replace(MODEL, encoder_channels=16),
        replace(GENTLE, shift_pixels=1),
    ),
    "normalised images": Case(
        EnvSpec(observation_shape=(3, 16, 17), num_actions=3), replace(NORMALISING, encoder_channels=16)
    ),
    "continuous": Case(EnvSpec(observation_shape=(5,), action_dim=2)),
    "search values": Case(VECTOR, learner=replace(GENTLE, bootstrap="search", precision="measured")),
}


def random_step(case: Case, rng: np.random.Generator, num_updates: int) -> StepBatch:
    """Return a step whose episodes end in every way, so that shares differ in how many of their rows count."""
    spec, terminated = case.spec, rng.random(NUM_ENVS) < 0.2
    seen = rng.integers(256, size=(2, NUM_ENVS, *spec.observation_shape)).astype(spec.observation_dtype)
    if not spec.is_image:
        seen = rng.normal(size=seen.shape).astype(np.float32)
    num_choices = NUM_KEPT_ACTIONS if spec.is_continuous else spec.num_actions
    fields = {
        "observations": seen[0],
        "rewards": rng.normal(size=NUM_ENVS),
        "policies": rng.dirichlet(np.ones(num_choices), size=NUM_ENVS),
    }
    if spec.is_continuous:
        fields["actions"] = rng.uniform(-1, 1, (NUM_ENVS, spec.action_dim))
        fields["action_sets"] = rng.uniform(-1, 1, (NUM_ENVS, num_choices, spec.action_dim))
    else:
        fields["actions"] = rng.integers(spec.num_actions, size=NUM_ENVS)
    if case.learner.reads_searches:
        made = np.full(NUM_ENVS, num_updates)
        fields |= {"search_values": rng.normal(size=NUM_ENVS), "collected_at": made, "judged_at": made}
        fields["action_masks"] = np.ones((NUM_ENVS, spec.num_actions), bool)
    truncated = (rng.random(NUM_ENVS) < 0.2) & ~terminated
    return StepBatch(fields=fields, terminated=terminated, truncated=truncated, final_observations=seen[1])


def learn(case: Case, ranks: Ranks | None = None) -> dict[str, torch.Tensor]:
    """Learn from random steps; return the weights, EMA weights, priorities and figures in the end."""
    network = tiny_network(model=case.model, spec=case.spec)
    config = case.learner if ranks else replace(case.learner, precision="float32")  # what rank 0 finds below
    learner = Learner(network, config, discount=0.9, total_updates=50, seed=4, ranks=ranks)
    row_spec = build_row_spec(
        case.spec,
        num_sampled_actions=NUM_KEPT_ACTIONS if case.spec.is_continuous else 0,
        keeps_searches=case.learner.reads_searches,
    )
    replay = Replay(case.replay, row_spec, num_envs=NUM_ENVS, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        replay.add(random_step(case, rng, 0))
    if ranks is not None:
        ranks.begin(learner)
    figures: dict[str, torch.Tensor] = {}
    for number in range(NUM_UPDATES):
        step = random_step(case, rng, number)
        replay.add(step)
        learner.show(step.fields["observations"])
        learner.take_in()
        segments = replay.sample(case.learner.batch_size, num_steps=learner.segment_steps)
        figures = learner.update(segments)
        if learner.value_errors is not None:
            replay.prioritise(segments.places, learner.value_errors.numpy())
    networks = {"weights": learner.network, "ema": learner.target_network}
    found = {f"{which}.{name}": value for which, of in networks.items() for name, value in of.state_dict().items()}
    arrays = {name: torch.from_numpy(values) for name, values in replay.state_arrays().items() if "sampler" in name}
    return found | arrays | {f"figures.{name}": value for name, value in figures.items()}


def learn_all(ranks: Ranks) -> dict[str, dict[str, torch.Tensor]]:
    return {name: learn(case, ranks) for name, case in CASES.items()}


if __name__ == "__main__":
    learner_module.measure_precision = lambda _: "float32" if os.environ["RANK"] == "0" else "bfloat16"
    torch.save(in_ranks(learn_all), Path(sys.argv[1]) / f"rank{os.environ['RANK']}.pt")
