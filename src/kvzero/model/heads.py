"""Prediction heads: two answers read from one token."""

from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PairedHead", "activate"]

activate = partial(functional.gelu, approximate="tanh")
"""What the hidden layers of heads pass their sums through."""


class PairedHead(nn.Module):
    """Two heads of one hidden layer each, whose hidden layers are computed in one product.

    The last linear layers start at zero (the first answers are uniform and zero).
    """

    def __init__(self, embed_dim: int, hidden_dim: int, sizes: tuple[int, int]) -> None:
        super().__init__()
        self._hidden_dim = hidden_dim
        self.hidden = nn.Linear(embed_dim, 2 * hidden_dim)
        self.first = nn.Linear(hidden_dim, sizes[0])
        self.second = nn.Linear(hidden_dim, sizes[1])
        for last in (self.first, self.second):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, tokens: Float[Tensor, "*batch embed"]) -> tuple[Tensor, Tensor]:
        """Return the two answers, `[*batch, sizes[0]]` and `[*batch, sizes[1]]`."""
        hidden = activate(self.hidden(tokens))
        return self.first(hidden[..., : self._hidden_dim]), self.second(hidden[..., self._hidden_dim :])

    def read_first(self, tokens: Float[Tensor, "*batch embed"]) -> Float[Tensor, "*batch answer"]:
        """Return the first answer alone, `[*batch, sizes[0]]`."""
        weight, bias = self.hidden.weight[: self._hidden_dim], self.hidden.bias[: self._hidden_dim]
        answer: Tensor = self.first(activate(functional.linear(tokens, weight, bias)))
        return answer
