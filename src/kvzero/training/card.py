"""The card of an exported agent: what it is, how good, how to use it, in Markdown."""

import json

from kvzero.agent import AgentConfig
from kvzero.model import Network
from kvzero.records import unstructure
from kvzero.reports import Summary
from kvzero.training.config import RunConfig

__all__ = ["CARD_BEGINS", "write_card"]

CARD_BEGINS = "<!-- written by kvzero export -->\n"
"""How every card begins, by which it is told from other files."""


def write_card(
    name: str,
    network: Network,
    agent: AgentConfig,
    config: RunConfig,
    summary: Summary | None,
    licence: str | None,
) -> str:
    """Return the card of the agent in the file called `name`."""
    facts = {
        "Environment": f"{config.env.name}: {network.spec}",
        **_tell_result(summary),
        "Network": _tell_network(network, agent),
        "Search": f"{agent.search.rule}, {agent.num_eval_simulations or agent.search.num_simulations} simulations",
        "Preset and seed": f"{config.preset}, seed {config.seed}",
        "SHA-256 of the weights": f"`{network.digest.hex()}`",
        "Licence": licence or "not stated: ask whoever made it",
    }
    rows = "\n".join(f"| {title} | {fact} |" for title, fact in facts.items())
    settings = json.dumps(unstructure(config), indent=2)
    return f"""{CARD_BEGINS}
# {name}

An agent for {config.env.name}, trained with kvzero: a transformer world model, searched before every action.

| | |
|---|---|
{rows}

## Use it

```console
$ kvzero evaluate {name}
```

```python
import kvzero

agent = kvzero.Agent.load("{name}")
```

## Every setting of its run

```json
{settings}
```
"""


def _tell_result(summary: Summary | None) -> dict[str, str]:
    if summary is None:
        return {"Result": "none: its run had not ended"}
    returns, versions = summary.eval_returns, summary.versions
    return {
        "Result": f"mean return {summary.eval_return_mean:,.4g} over {len(returns)} games without exploration, from "
        f"{min(returns):,.4g} to {max(returns):,.4g}; the last evaluation of its run, not the best",
        "Training": f"{summary.env_steps:,} environment steps and {summary.updates:,} updates in "
        f"{summary.wall_seconds:,.0f} s",
        "Trained with": ", ".join(f"{library} {version}" for library, version in versions.items()),
    }


def _tell_network(network: Network, agent: AgentConfig) -> str:
    model, num_weights = agent.model, sum(weights.numel() for weights in network.parameters())
    return (
        f"{num_weights:,} weights: {model.num_layers} layers of width {model.embed_dim}, a context of "
        f"{model.context_tokens} tokens"
    )
