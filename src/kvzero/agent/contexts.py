"""Contexts that outlive a process: what a planner saw and what it keeps of it, written to a folder and taken back."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from safetensors.numpy import load as load_numpy
from safetensors.numpy import save as save_numpy
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch
from torch import Tensor

from kvzero.agent.config import AgentConfig
from kvzero.agent.history import History
from kvzero.agent.namespaces import context_namespace, number_type
from kvzero.cache import CodecName, Namespace, read_codec
from kvzero.engines import Engine, Past
from kvzero.errors import CheckpointError, ConfigError
from kvzero.files import SealedFolder, read_sealed, write_sealed
from kvzero.model import Network, RootReading
from kvzero.records import EnvSpec, load_rng_state, rng_state, structure, unstructure

__all__ = ["ContextArchive", "LoadedContexts"]

logger = logging.getLogger(__name__)

KIND = "contexts"
FORMAT = 1
HISTORY, KEYS_VALUES = "history", "keys_values"
LONG = {"weights": "other weights", "model": "another network", "spec": "another environment"}
"""What is said of parts of a namespace that are too long to show."""


@dataclass(frozen=True, slots=True)
class LoadedContexts:
    """What became of contexts that were saved: each is as it was, or was made anew from its history."""

    num_restored: int
    """Environments in the middle of an episode whose keys and values were taken as they were saved."""

    num_rebuilt: int
    """Environments in the middle of an episode whose keys and values were made anew."""

    reason: str | None
    """Why some were made anew; None where none was."""

    codec: CodecName | None
    """How those that were restored had been written, all but none of which is rounded; None where none was restored."""


class ContextArchive:
    """Writes the histories and root contexts of one planner, and takes them back.

    A folder holds the raw history of each environment and, of roots that the weights of now made, keys and values, in
    safetensors, and a manifest. Keys and values count only where their namespace is the reader's and their checksum is
    right; all else is made anew from the history, in one batched pass.
    """

    def __init__(self, network: Network, config: AgentConfig, engine: Engine, history: History) -> None:
        self._network = network
        self._config = config
        self._engine = engine
        self._history = history
        self._everyone = np.arange(engine.store.num_envs)

    @torch.inference_mode()
    def save(
        self,
        folder: Path,
        *,
        codec: CodecName,
        history_only: bool,
        carried: Mapping[str, Shaped[np.ndarray, "..."]],
        rng: np.random.Generator | None,
    ) -> None:
        """Write everything into a folder, in place of what was saved there; `carried` goes with the histories.

        Raises:
            ConfigError: if keys and values could not be found again exactly, or a codec would have no effect.
            RunError: if the folder cannot be written.
        """
        if history_only and codec != "none":
            raise ConfigError(f"codec is {codec}, which has no effect on a history alone; leave one of the two out")
        read_codec(codec, number_type(self._network, self._config))  # which may refuse it
        past, counts = self._history.read(self._everyone), self._history.counts(self._everyone)
        saved = {"observations": past.observations, "actions": past.actions, "counts": counts}
        saved |= {f"carried.{name}": array for name, array in carried.items()}
        files = {HISTORY: save_numpy({name: np.ascontiguousarray(array) for name, array in saved.items()})}
        fresh = np.empty(0, np.int64) if history_only else self._fresh(counts)
        namespace = self._namespace(codec) if fresh.size else None
        if namespace is not None:
            files[KEYS_VALUES] = self._code_roots(fresh, codec)
        content = {
            "num_envs": len(self._everyone),
            "spec": unstructure(self._network.spec),
            "carried": sorted(carried),
            "rng": None if rng is None else rng_state(rng),
            "namespace": None if namespace is None else _describe(namespace),
        }
        write_sealed(folder, kind=KIND, newest_format=FORMAT, content=content, files=files)

    @torch.inference_mode()
    def load(
        self, folder: Path, *, carries: Sequence[str], rng: np.random.Generator | None
    ) -> tuple[LoadedContexts, dict[str, Shaped[np.ndarray, "..."]]]:
        """Take everything back, in place of all episodes that are under way; return what was carried, too.

        Raises:
            CheckpointError: if the folder is missing or damaged, of another environment, of another number of them, by
                another kind of holder, of too short a history, or of a newer format. Nothing has changed then.
        """
        sealed = read_sealed(folder, kind=KIND, newest_format=FORMAT)
        self._refuse_others(sealed, carries)
        if rng is not None and sealed.content["rng"] is None:
            raise CheckpointError(
                f"{folder} holds no random state to go on from; give save_contexts the generator, too"
            )
        arrays = load_numpy(sealed.read(HISTORY))
        counts, past = arrays["counts"], _read_past(arrays)
        self._history.refuse_short(past, counts)
        if rng is not None:
            load_rng_state(rng, sealed.content["rng"], "action draws")
        self._history.load(past, counts)
        self._engine.store.reset(self._everyone)
        loaded = self._make_roots(sealed, counts)
        return loaded, {name: arrays[f"carried.{name}"] for name in carries}

    def _make_roots(self, sealed: SealedFolder, counts: Int[np.ndarray, " env"]) -> LoadedContexts:
        """Restore the roots of all episodes that are under way, or rebuild them."""
        begun, lengths, described = np.flatnonzero(counts), 2 * counts - 1, sealed.content["namespace"]
        tensors, reason = self._find_roots(sealed)
        restored, codec = np.empty(0, np.int64), None
        if tensors is not None:
            restored, codec = tensors["envs"].numpy(), described["codec"]
            self._restore(restored, lengths[restored], tensors, described)
        rest = np.setdiff1d(begun, restored)
        if not rest.size:
            return LoadedContexts(len(restored), 0, None, codec)
        self._engine.rebuild(rest, self._history.read(rest), lengths[rest])
        logger.log(
            logging.INFO if described is None else logging.WARNING,
            "%d of %d contexts in %s were made anew from their histories: %s",
            len(rest),
            len(begun),
            sealed.folder,
            reason,
        )
        return LoadedContexts(len(restored), len(rest), reason, codec)

    def _find_roots(self, sealed: SealedFolder) -> tuple[dict[str, Tensor] | None, str]:
        """Return keys and values that count here, or None; and why there are not more of them."""
        described = sealed.content["namespace"]
        if described is None:
            return None, "their keys and values were not saved"
        try:
            wanted = _describe(self._namespace(described["codec"]))
            if described != wanted:
                return None, f"they were made by {_tell_apart(described, wanted)}"
            return load_torch(sealed.read(KEYS_VALUES)), "they were out of date when they were saved"
        except (ConfigError, CheckpointError) as error:
            return None, str(error)

    def _fresh(self, counts: Int[np.ndarray, " env"]) -> Int[np.ndarray, " fresh"]:
        """Return the environments whose roots are those of their newest observation, made by the weights of now."""
        store, version = self._engine.store, self._network.version
        begun = np.flatnonzero((counts > 0) & (store.lengths(self._everyone) == 2 * counts - 1))
        return np.array([env for env in begun if not store.is_stale(np.array([env]), version)], np.int64)

    def _namespace(self, codec: CodecName) -> Namespace:
        return context_namespace(self._network, self._config, self._engine.name, codec=codec)

    def _code_roots(self, envs: Int[np.ndarray, " env"], codec: CodecName) -> bytes:
        window, reading = self._engine.store.read_roots(envs, self._network.version), self._engine.readings(envs)
        named = {KEYS_VALUES: window.keys_values[:, :-2]}
        if window.tokens is not None:
            named["tokens"] = window.tokens[:, :-2]
        tensors = {"envs": torch.from_numpy(envs), "values": reading.values, "policy_logits": reading.policy_logits}
        for name, numbers in named.items():
            parts = read_codec(codec, numbers.dtype).encode(numbers)
            tensors |= {f"{name}.{number}": part for number, part in enumerate(parts)}
        return save_torch({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})

    def _restore(
        self,
        envs: Int[np.ndarray, " env"],
        lengths: Int[np.ndarray, " env"],
        tensors: Mapping[str, Tensor],
        described: Mapping[str, Any],
    ) -> None:
        """Put saved roots into the store, as the weights of now made them."""
        network, dtype = self._network, getattr(torch, described["number_type"].removeprefix("torch."))
        codec = read_codec(described["codec"], dtype)

        def decode(name: str) -> Tensor:
            parts = [tensors[part].to(network.device) for part in sorted(tensors) if part.startswith(f"{name}.")]
            return codec.decode(parts, dtype)

        newest = self._history.read(envs).observations[:, -1]
        self._engine.store.replace_roots(
            envs,
            network.version,
            lengths=lengths,
            latents=network.encode(torch.from_numpy(newest).to(network.device)).to(dtype),
            keys_values=decode(KEYS_VALUES),
            tokens=decode("tokens") if self._config.model.layout.is_sliding else None,
        )
        self._engine.keep(envs, RootReading(tensors["values"], tensors["policy_logits"]))

    def _refuse_others(self, sealed: SealedFolder, carries: Sequence[str]) -> None:
        """Refuse what cannot be this planner's."""
        content, folder, spec = sealed.content, sealed.folder, self._network.spec
        found = structure(content["spec"], EnvSpec)
        if found != spec:
            raise CheckpointError(f"{folder} was saved in an environment with {found}; this one has {spec}")
        if content["num_envs"] != len(self._everyone):
            raise CheckpointError(
                f"{folder} holds the contexts of {content['num_envs']} environments, and there are "
                f"{len(self._everyone)} here; give as many"
            )
        if content["carried"] != sorted(carries):
            raise CheckpointError(
                f"{folder} was saved by an agent or by a planner, and is to be loaded by the other, which knows more "
                "or less of the episodes; load it by what saved it"
            )


def _read_past(arrays: Mapping[str, np.ndarray]) -> Past:
    observations, counts = arrays["observations"], arrays["counts"]
    is_valid = np.arange(-observations.shape[1], 0) + counts[:, None] >= 0
    return Past(observations, arrays["actions"], is_valid)


def _describe(namespace: Namespace) -> dict[str, Any]:
    """Return a namespace as JSON can hold it."""
    found = {each.name: getattr(namespace, each.name) for each in fields(namespace)}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in found.items()}


def _tell_apart(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in what two namespaces differ."""
    return ", ".join(
        LONG.get(name, f"{name.replace('_', ' ')} {found.get(name)}, not {wanted[name]}")
        for name in wanted
        if found.get(name) != wanted[name]
    )
