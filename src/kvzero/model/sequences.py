"""The training pass: whole sequences under the band mask, for their outputs alone; nothing is cached.

It predicts what `Transformer.forward` predicts. On CPUs its attention is two batched products around a softmax:
PyTorch's own is made for long sequences, and takes up to half as long again for the few dozen tokens of an unroll; in
bfloat16, backward, ten times as long.
"""

from math import inf

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from kvzero.model.dropout import NO_DROPOUT, Dropout, drop
from kvzero.model.positions import turn
from kvzero.model.transformer import Attention, Block, Transformer, band_mask

__all__ = ["attend", "pass_sequences"]


def pass_sequences(
    transformer: Transformer,
    tokens: Float[Tensor, "batch token embed"],
    *,
    read: Int[Tensor, "batch read"] | None = None,
    dropout: Dropout = NO_DROPOUT,
) -> Float[Tensor, "batch read embed"]:
    """Return the outputs of the tokens whose indices are in `read`, of all in their order if it is not given.

    Tokens are counted from 0. What no output depends on is not computed.
    """
    num_tokens = tokens.shape[1]
    transformer.positions.reserve(num_tokens)
    positions = torch.arange(num_tokens, device=tokens.device)
    rotation = transformer.positions(positions)
    mask = band_mask(num_tokens, transformer.context_tokens, device=tokens.device)
    bias = torch.zeros_like(mask, dtype=tokens.dtype).masked_fill_(~mask, -inf)[None]
    tokens = drop(transformer.positions.embed(tokens, positions[None]), dropout.embedding)
    *before, last = transformer.layers
    for block in before:
        tokens = _pass_block(block, tokens, rotation, bias, None, dropout)
    read_bias = bias if read is None else bias[0, read]
    outputs: Tensor = transformer.final_norm(_pass_block(last, tokens, rotation, read_bias, read, dropout))
    return outputs


def _pass_block(
    block: Block,
    tokens: Float[Tensor, "batch token embed"],
    rotation: Float[Tensor, "token 2 head_dim"],
    bias: Float[Tensor, "#batch read token"],
    read: Int[Tensor, "batch read"] | None,
    dropout: Dropout,
) -> Float[Tensor, "batch read embed"]:
    query, key, value = _query_key_value(block.attention, block.attention_norm(tokens), rotation, read)
    mixed = block.attention.merge(attend(query, key, value, bias, dropout.attention))
    tokens = _take(tokens, read) + drop(mixed, dropout.residual)
    return tokens + drop(block.mlp(block.mlp_norm(tokens)), dropout.residual)


def _query_key_value(
    attention: Attention,
    tokens: Float[Tensor, "batch token embed"],
    rotation: Float[Tensor, "token 2 head_dim"],
    read: Int[Tensor, "batch read"] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `[batch, head, token or read, head_dim]` of each, queries and keys turned by their positions."""
    weight, bias = attention.project.weight, attention.project.bias
    if read is None:
        parts = _by_head(functional.linear(tokens, weight, bias), 3, attention.num_heads)
        turned, value = torch.split(parts, [2, 1])
        query, key = turn(turned, rotation).unbind()
        return query, key, value.squeeze(0)
    width = tokens.shape[2]
    asked = functional.linear(_take(tokens, read), weight[:width], bias[:width])
    key, value = _by_head(functional.linear(tokens, weight[width:], bias[width:]), 2, attention.num_heads).unbind()
    query = _by_head(asked, 1, attention.num_heads).squeeze(0)
    return turn(query, rotation[read][:, None]), turn(key, rotation), value


def attend(
    query: Float[Tensor, "batch head read head_dim"],
    key: Float[Tensor, "batch head token head_dim"],
    value: Float[Tensor, "batch head token head_dim"],
    bias: Float[Tensor, "#batch read token"],
    dropped: float = 0.0,
) -> Float[Tensor, "batch read embed"]:
    """Return what each query sees, its heads side by side; `bias` is 0 where it may look, minus infinity elsewhere."""
    if query.device.type != "cpu":
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias[:, None].to(query.dtype), dropout_p=dropped
        )
    else:
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        mixed = drop((scores + bias[:, None]).softmax(-1).to(value.dtype), dropped) @ value
    return mixed.transpose(1, 2).flatten(2)


def _by_head(
    projected: Float[Tensor, "batch token width"], num_parts: int, num_heads: int
) -> Float[Tensor, "part batch head token head_dim"]:
    """Return the parts of a projection head by head, laid out in this order."""
    parts = torch.unflatten(projected, -1, (num_parts, num_heads, -1)).permute(2, 0, 3, 1, 4)
    return parts.contiguous()


def _take(
    tokens: Float[Tensor, "batch token embed"], read: Int[Tensor, "batch read"] | None
) -> Float[Tensor, "batch read embed"]:
    return tokens if read is None else tokens.gather(1, read[..., None].expand(-1, -1, tokens.shape[2]))
