"""Small world models none of whose weights is zero, and a search by hand through their interface."""

from dataclasses import dataclass, field

import numpy as np
import torch
from tests.equivalence.reference import Path

from kvzero import Tokenizer, TransformerConfig, WorldModel

FEATURES, ACTIONS, ENVS, SIMULATIONS, EMBED = 5, 3, 4, 5, 16


def small_config(**changes) -> TransformerConfig:
    sizes = {
        "max_blocks": 9,
        "num_layers": 2,
        "num_heads": 2,
        "embed_dim": EMBED,
        "env_num": ENVS,
        "num_simulations": SIMULATIONS,
        "action_space_size": ACTIONS,
        "observation_shape": FEATURES,
        "obs_type": "vector",
        "support_size": 11,
        "context_length": 6,
    }
    return TransformerConfig(**(sizes | changes))


def build(seed: int = 0, **changes) -> WorldModel:
    torch.manual_seed(seed)
    config = small_config(**changes)
    model = WorldModel(config, Tokenizer(config))
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.15)
    return model


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@dataclass
class Player:
    """Plays several environments at random, searches at random below them, and holds every answer against its path."""

    model: WorldModel
    seed: int = 0
    paths: dict[int, Path] = field(default_factory=dict)
    worst: float = 0.0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def some_envs(self) -> list[int]:
        return self.rng.permutation(ENVS)[: int(self.rng.integers(1, ENVS + 1))].tolist()

    def observe(self, envs: list[int], *, ends: float = 0.1) -> torch.Tensor:
        """Show these environments something new; return the latents."""
        observations = self.rng.normal(size=(len(envs), FEATURES)).astype(np.float32)
        actions = [self._act(env, ends) for env in envs]
        before = torch.stack([self._shown(env) for env in envs])
        request = {"current_obs": torch.from_numpy(observations), "action": actions, "obs": before}
        found = self.model.forward_initial_inference(request, env_ids=envs)
        for row, env in enumerate(envs):
            self.last[env] = request["current_obs"][row]
            self.paths[env].see(observations[row], None if actions[row] < 0 else actions[row])
            value, logits = self.paths[env].read()
            self.compare(found.values[row], value)
            self.compare(found.policy_logits[row], logits)
        return found.latent_state

    def search(self, envs: list[int], latents: torch.Tensor) -> None:
        """Expand as many nodes as a search has, each below a random one."""
        nodes = [latents]
        paths = [[self.paths[env] for env in envs]]
        for simulation in range(SIMULATIONS):
            parents = self.rng.integers(len(nodes), size=len(envs)).tolist()
            actions = self.rng.integers(ACTIONS, size=len(envs))
            states = torch.stack([nodes[parent][row] for row, parent in enumerate(parents)])
            found = self.model.forward_recurrent_inference([(states, actions)], simulation, parents, env_ids=envs)
            nodes.append(found.latent_state)
            paths.append([paths[parent][row].fork() for row, parent in enumerate(parents)])
            for row, path in enumerate(paths[-1]):
                reward, latent = path.step(int(actions[row]))
                value, logits = path.read()
                answers = (found.rewards, found.latent_state, found.values, found.policy_logits)
                for answer, wanted in zip(answers, (reward, latent, value, logits), strict=True):
                    self.compare(answer[row], wanted)

    def compare(self, found: torch.Tensor, wanted: torch.Tensor) -> None:
        difference = (found - wanted).abs().max()
        assert difference.isfinite()
        self.worst = max(self.worst, float(difference))

    last: dict[int, torch.Tensor] = field(default_factory=dict)

    def _act(self, env: int, ends: float) -> int:
        if env not in self.paths or self.rng.random() < ends:
            self.paths[env] = Path(self.model.network)
            return -1
        return int(self.rng.integers(ACTIONS))

    def _shown(self, env: int) -> torch.Tensor:
        return self.last.get(env, torch.zeros(FEATURES))
