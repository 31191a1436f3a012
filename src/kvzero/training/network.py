"""The network of a run, built for what its environment shows."""

from kvzero.errors import ConfigError
from kvzero.model import Network
from kvzero.records import EnvSpec
from kvzero.training.config import RunConfig

__all__ = ["build_network"]


def build_network(config: RunConfig, spec: EnvSpec) -> Network:
    """Return a new network for the environment of a run.

    Raises:
        ConfigError: if its observations do not fit the encoder; with the environment's name.
    """
    try:
        return Network(config.agent.model, spec)
    except ConfigError as error:
        raise ConfigError(f"{config.env.name}: {error}") from error
