"""Which linear layers one simulation applies, how large they are, and how many simulations to time together."""

from kvzero.bench.config import SearchBench

__all__ = ["layer_sizes", "simulations_at_once"]

CALL_PRODUCTS = 200_000_000
"""Products of numbers in one call: some milliseconds, beside which the call itself does not matter."""


def layer_sizes(config: SearchBench) -> tuple[list[tuple[int, int]], list[int]]:
    """Return `(inputs, outputs)` of every linear layer, and the order in which one simulation applies them."""
    embed, hidden = config.embed_dim, config.embed_dim * config.head_expansion
    block = [(embed, 3 * embed), (embed, embed), (embed, 4 * embed), (4 * embed, embed)]
    action_head = [(embed, 2 * hidden), (hidden, config.support_size), (hidden, embed)]
    latent_head = [(embed, 2 * hidden), (hidden, config.support_size), (hidden, config.policy_size)]
    sizes = block * config.num_layers + action_head + latent_head
    end = len(block) * config.num_layers
    transformer, heads = list(range(end)), list(range(end, len(sizes)))
    return sizes, [*transformer, *heads[:3], *transformer, *heads[3:]]


def simulations_at_once(config: SearchBench) -> int:
    """Return how many simulations to compute in one call, so that neither the call itself nor its length matters."""
    sizes, order = layer_sizes(config)
    products = config.num_envs * sum(sizes[index][0] * sizes[index][1] for index in order)
    return max(1, min(config.num_simulations, CALL_PRODUCTS // products))
