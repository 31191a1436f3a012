"""What lives in a process of its own: a network that is trained, and an agent that shares results with others."""

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from tests.training.samples import MODEL, SPEC, tiny_network

from kvzero import AgentConfig, SearchConfig
from kvzero.agent import Planner, load_weights, planner, save_weights
from kvzero.cache import Namespace, ResultCache
from kvzero.cache.tiers import Entry, TierStats

CONFIG = AgentConfig(model=MODEL, search=SearchConfig(num_simulations=2), engine="eager")
LOOKS = np.random.default_rng(0).normal(size=(2, *SPEC.observation_shape)).astype(np.float32)


class FolderTier:
    """A tier of one file for each key; the first one stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_many(self, namespace: bytes, keys: Sequence[bytes]) -> list[Entry | None]:
        paths = [self._folder / (namespace + key).hex() for key in keys]
        raws = [path.read_bytes() if path.exists() else None for path in paths]
        return [None if raw is None else Entry(raw, "raw", (len(raw),)) for raw in raws]

    def set_many(self, namespace: bytes, entries: Mapping[bytes, Entry]) -> None:
        for key, entry in entries.items():
            written = self._folder / f"{os.getpid()}.new"
            written.write_bytes(entry.payload)
            path = self._folder / (namespace + key).hex()
            if path.exists():
                written.unlink()
            else:
                written.rename(path)

    def drop(self, keys: Sequence[bytes]) -> None:
        raise NotImplementedError

    def stats(self) -> dict[str, TierStats]:
        return {}

    def close(self) -> None:
        pass


class Peer:
    """Trains, publishes, resumes and looks up; each of two peers does as much, so that their counters stay equal."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.begin(seed, folder)

    def begin(self, seed: int, folder: Path) -> None:
        """Forget all, and share results in another folder."""
        self._folder, self._own = folder, folder.parent / f"own-{seed}"
        (folder / "results").mkdir(parents=True, exist_ok=True)
        self._results = ResultCache(tier=FolderTier(folder / "results"))
        self._take(tiny_network(seed))

    def train(self, seed: int) -> None:
        """Make an update behind autograd's back, as fused optimisers do."""
        observations = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 3, *SPEC.observation_shape)))
        predictions = self._network(
            self._network.encode_steps(observations.float()), torch.zeros(2, 3, dtype=torch.int64)
        )
        predictions.value_logits.square().mean().backward()
        self._optimizer.step()
        self._network.mark_changed()

    def publish(self) -> None:
        """Save the weights for whoever resumes."""
        save_weights(self._network, self._folder / "published")

    def resume(self, *, published: bool) -> None:
        """Begin anew with the published weights, or with one's own."""
        save_weights(self._network, self._folder / "own")
        network = tiny_network(9)
        load_weights(network, self._folder / ("published" if published else "own"))
        self._take(network)

    def play(self, looks: Sequence[int]) -> tuple[int, str, list[tuple[bool, bytes, bytes]]]:
        """Look up what to do in an episode, and search the same without results.

        Returns the network's version, a hash of the weights by another way than keys take, and for each step whether it
        was found, what was found, and what should have been.
        """
        known, plain = (Planner(self._network, CONFIG, num_envs=1) for _ in range(2))
        steps = [self._step(known, plain, look, is_first=place == 0) for place, look in enumerate(looks)]
        weights = b"".join(tensor.numpy().tobytes() for _, tensor in sorted(self._network.state_dict().items()))
        return self._network.version, sha256(weights).hexdigest(), steps

    def forget(self) -> None:
        """Have nothing in memory, so that results come from others or from before."""
        self._results = ResultCache(tier=FolderTier(self._folder / "results"))

    def name_by_version(self) -> None:
        """Do what kvzero must not: take the counter of this process for the identity of weights."""

        def named(network, config, engine, *, is_drawn):
            weights = sha256(str(network.version).encode()).digest()
            texts = dict.fromkeys(("software", "model", "spec", "engine", "device", "number_type", "codec"), "")
            return Namespace(kind="result", search="any", weights=weights, **texts)

        planner.result_namespace = named

    def close(self) -> None:
        """Hold nothing open."""

    def _take(self, network) -> None:
        self._network = network
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, fused=True)

    def _step(self, known: Planner, plain: Planner, look: int, *, is_first: bool) -> tuple[bool, bytes, bytes]:
        env, masks = np.zeros(1, np.int64), np.ones((1, SPEC.num_actions), bool)
        for each in (known, plain):
            each.observe(env, LOOKS[[look]], actions=np.zeros(1, np.int64), starts=np.array([is_first]))
        before = self._results.figures()["hits"]
        found = known.recall(env, masks, self._results)
        outcome = plain.plan(env, masks, rng=None)
        should_be = outcome.policy.tobytes() + outcome.values.tobytes()
        return self._results.figures()["hits"] > before, found.policy.tobytes() + found.values.tobytes(), should_be
