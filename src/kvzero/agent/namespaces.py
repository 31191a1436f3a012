"""Under what name the contexts and the results of an agent's searches are kept, the same in every process."""

import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from kvzero.agent.config import AgentConfig
from kvzero.cache import Namespace, is_lossy
from kvzero.engines import EngineKind
from kvzero.errors import ConfigError
from kvzero.files import digest_sources
from kvzero.model import Network
from kvzero.records import unstructure

__all__ = ["context_namespace", "number_type", "refuse_inexact", "result_namespace"]

PACKAGE = Path(__file__).parents[1]
ROOMS = ("agent", "cache", "engines", "model", "search")
"""Whose code decides what roots are and what is found below them."""
SOURCE_DIGITS = 16
"""Hexadecimal digits of the sources' digest that are told: 8 bytes, as nobody looks for two sources that agree."""


def context_namespace(network: Network, config: AgentConfig, engine: EngineKind, *, codec: str = "none") -> Namespace:
    """Return the namespace of roots that the weights of now make; `engine` is the one that serves, never auto.

    Raises:
        ConfigError: if roots are not a function of weights and history.
    """
    return _make(network, config, engine, codec=codec, search="")


def result_namespace(network: Network, config: AgentConfig, engine: EngineKind, *, is_drawn: bool) -> Namespace:
    """Return the namespace of what searches find that the weights of now make, just as `config.search` says.

    `is_drawn` says whether they draw random numbers, as a search with an `rng` does.

    Raises:
        ConfigError: if roots are not a function of weights and history.
    """
    parts = config.search, config.sampling, config.store, config.cache, config.one_pass, is_drawn
    return _make(network, config, engine, codec="none", search=_text(parts))


def _make(network: Network, config: AgentConfig, engine: EngineKind, *, codec: str, search: str) -> Namespace:
    refuse_inexact(config)
    return Namespace(
        kind="result" if search else "context",
        software=_describe_software(),
        model=_text(config.model),
        spec=_text(network.spec),
        engine=engine,
        device=_describe(network.device),
        number_type=str(number_type(network, config)),
        codec=codec,
        search=search,
        weights=network.digest,
    )


@cache
def _describe_software() -> str:
    """Return what computes: kvzero's version and sources, as versions alone would not tell a mended search apart."""
    sources = digest_sources(PACKAGE / room for room in ROOMS)[:SOURCE_DIGITS]
    libraries = f"torch {torch.__version__}, numpy {version('numpy')}, numba {version('numba')}"
    return f"kvzero {version('kvzero')} of sources {sources}, {libraries}"


def number_type(network: Network, config: AgentConfig) -> torch.dtype:
    """Return the number type of keys and values that an agent searches with."""
    return torch.bfloat16 if config.search_dtype == "bfloat16" else network.action_table.weight.dtype


def _describe(device: torch.device) -> str:
    """Return what decides how a device rounds, as far as PyTorch tells."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def _text(record: object) -> str:
    return json.dumps(unstructure(record), sort_keys=True)


def refuse_inexact(config: AgentConfig) -> None:
    """Refuse what makes a root depend on more than weights and history, so that nothing below it can be kept.

    Raises:
        ConfigError: if something does.
    """
    if config.model.positions == "learned" and config.model.window == "shift":
        raise ConfigError(
            "window is shift, an approximation that depends on where an episode was first looked at: nothing made with "
            "it can be found again exactly; choose window=rebuild, or keep no results and contexts"
        )
    if config.store != "tree" and config.cache.key_mode == "latent":
        raise ConfigError(
            "key_mode is latent, which may take one history for another: nothing made with it can be found again "
            "exactly; choose key_mode=path, or keep no results and contexts"
        )
    if is_lossy(config.cache.pool_codec):
        raise ConfigError(
            f"pool_codec is {config.cache.pool_codec}, which rounds what contexts are made from: nothing made with it "
            "can be found again exactly; choose pool_codec=none, or keep no results and contexts"
        )
