"""Kernels for one-pass expansion on a GPU: what lies between its products of matrices, in few launches.

Import this file only where Triton is to be used, see `triton_operations`. Numbers are float32 inside a kernel and are
rounded where PyTorch's operations round them, to the number type of the tensor that holds them.
"""

from typing import Any

import triton.language as tl

from kvzero.search import kernel

__all__ = ["attend", "finish", "normalise", "open_nodes"]


@kernel
def open_nodes(  # noqa: PLR0913, PLR0917  # a kernel is handed every array by itself
    parents: tl.tensor,
    actions: tl.tensor,
    depths: tl.tensor,
    lengths: tl.tensor,
    table_rows: tl.tensor,
    table: tl.tensor,
    rewards: tl.tensor,
    latents: tl.tensor,
    action_tokens: tl.tensor,
    tokens: tl.tensor,
    positions: tl.tensor,
    found_rewards: tl.tensor,
    node: tl.tensor,
    tree_stride: tl.constexpr,
    num_nodes: tl.constexpr,
    num_actions: tl.constexpr,
    context: tl.constexpr,
    context_lanes: tl.constexpr,
    embed: tl.constexpr,
    embed_lanes: tl.constexpr,
) -> None:
    """Write one token of one row; with the first one, its latent, also what is known of the node before the pass."""
    row = tl.program_id(0).to(tl.int64)
    token = tl.program_id(1)
    parent = tl.load(parents + row * tree_stride)
    action = tl.load(actions + row * tree_stride)
    edge = (row * num_nodes + parent) * num_actions + action
    lanes = tl.arange(0, embed_lanes)
    is_number = lanes < embed
    if token == 0:
        numbers = tl.load(latents + edge * embed + lanes, mask=is_number)
        tl.store(tokens + row * (1 + num_actions) * embed + lanes, numbers, mask=is_number)
        tl.store(found_rewards + row, tl.load(rewards + edge))
        tl.store(positions + row, tl.load(lengths + row) - 1 + 2 * tl.load(depths + row * tree_stride))
        first = tl.load(table_rows + row)
        places = tl.arange(0, context_lanes)
        above = tl.load(table + (first + parent) * context + places + 2, mask=places < context - 2, other=0)
        own = context + (1 + num_actions) * tl.where(places == context - 2, parent, node)
        slots = tl.where(places < context - 2, above, tl.where(places == context - 2, own + 1 + action, own))
        tl.store(table + (first + node) * context + places, slots, mask=places < context)
    else:
        numbers = tl.load(action_tokens + (token - 1) * embed + lanes, mask=is_number)
        tl.store(tokens + (row * (1 + num_actions) + token) * embed + lanes, numbers, mask=is_number)


@kernel
def normalise(  # noqa: PLR0913, PLR0917
    tokens: tl.tensor,
    sums: tl.tensor,
    bias: tl.tensor,
    scale: tl.tensor,
    shift: tl.tensor,
    normed: tl.tensor,
    epsilon: tl.constexpr,
    num_sums: tl.constexpr,
    is_sorted: tl.constexpr,
    tokens_per_row: tl.constexpr,
    embed: tl.constexpr,
    embed_lanes: tl.constexpr,
) -> None:
    """Add sums and a bias to a token in place, and write its layer norm; sorted, the latents of all rows come first.

    Where there are no sums, there is nothing to add.
    """
    place = tl.program_id(0).to(tl.int64)
    lanes = tl.arange(0, embed_lanes)
    is_number = lanes < embed
    numbers = tl.load(tokens + place * embed + lanes, mask=is_number, other=0.0).to(tl.float32)
    if num_sums:
        added = tl.load(bias + lanes, mask=is_number, other=0.0).to(tl.float32)
        for part in tl.static_range(num_sums):
            at = (part * tl.num_programs(0) + place) * embed
            added += tl.load(sums + at + lanes, mask=is_number, other=0.0)
        rounded = (numbers + added).to(tokens.dtype.element_ty)
        tl.store(tokens + place * embed + lanes, rounded, mask=is_number)
        numbers = rounded.to(tl.float32)
    mean = tl.sum(numbers, axis=0) / embed
    centred = tl.where(is_number, numbers - mean, 0.0)
    spread = tl.sqrt(tl.sum(centred * centred, axis=0) / embed + epsilon)
    weights = tl.load(scale + lanes, mask=is_number, other=0.0).to(tl.float32)
    offsets = tl.load(shift + lanes, mask=is_number, other=0.0).to(tl.float32)
    result = centred / spread * weights + offsets
    if is_sorted:
        row, token = place // tokens_per_row, place % tokens_per_row
        num_rows = tl.num_programs(0) // tokens_per_row
        place = tl.where(token == 0, row, num_rows + row * (tokens_per_row - 1) + token - 1)
    tl.store(normed + place * embed + lanes, result.to(normed.dtype.element_ty), mask=is_number)


@kernel
def load_halves(at: tl.tensor, half: tl.constexpr, is_number: tl.tensor) -> Any:
    """Return both halves of a head's vector, or of a column of them."""
    low = tl.load(at, mask=is_number, other=0.0).to(tl.float32)
    return low, tl.load(at + half, mask=is_number, other=0.0).to(tl.float32)


@kernel
def load_turned(at: tl.tensor, rotation: tl.tensor, half: tl.constexpr, is_number: tl.tensor) -> Any:
    """Return both halves of a query or key turned by a row of the table of rotations, see `kvzero.model.positions`."""
    low, high = load_halves(at, half, is_number)
    cosine = tl.load(rotation, mask=is_number, other=0.0)
    sine = tl.load(rotation + 3 * half, mask=is_number, other=0.0)
    turned_low = (low * cosine - high * sine).to(at.dtype.element_ty).to(tl.float32)
    return turned_low, (high * cosine + low * sine).to(at.dtype.element_ty).to(tl.float32)


@kernel
def store_halves(at: tl.tensor, low: tl.tensor, high: tl.tensor, half: tl.constexpr, is_number: tl.tensor) -> None:
    """Keep both halves of a vector."""
    tl.store(at, low.to(at.dtype.element_ty), mask=is_number)
    tl.store(at + half, high.to(at.dtype.element_ty), mask=is_number)


@kernel
def attend(  # noqa: PLR0913, PLR0915, PLR0917  # parts of it would be handed a dozen tensors each
    projected: tl.tensor,
    rotations: tl.tensor,
    positions: tl.tensor,
    table: tl.tensor,
    table_rows: tl.tensor,
    arena: tl.tensor,
    arena_rows: tl.tensor,
    mixed: tl.tensor,
    node: tl.tensor,
    layer: tl.constexpr,
    num_layers: tl.constexpr,
    first_token: tl.constexpr,
    num_actions: tl.constexpr,
    num_heads: tl.constexpr,
    half: tl.constexpr,
    half_lanes: tl.constexpr,
    context: tl.constexpr,
    context_lanes: tl.constexpr,
    scale: tl.constexpr,
) -> None:
    """Turn query and key of one token of one head, keep key and value, and attend as a tree.

    Token 0 is the latent, the others are the actions. With `first_token` 1 the latent was passed before, and its key
    and value are read from the arena like those of the tokens before it.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    token = tl.program_id(2) + first_token
    lanes = tl.arange(0, half_lanes)
    is_number = lanes < half
    embed = num_heads * 2 * half

    # This head's number 0: of query, key and value one `embed` apart, and of the key and value of a slot likewise.
    newest = projected + row * (1 + num_actions - first_token) * 3 * embed + head * 2 * half + lanes
    own = newest + (token - first_token) * 3 * embed
    slot_size = num_layers * 2 * embed
    base = arena + tl.load(arena_rows + row) * slot_size + layer * 2 * embed + head * 2 * half
    context_row = table + (tl.load(table_rows + row) + node) * context
    rotation = rotations + tl.load(positions + row) * 4 * half + lanes
    own_rotation = rotation + tl.minimum(token, 1) * 4 * half

    query_low, query_high = load_turned(own, own_rotation, half, is_number)
    own_low, own_high = load_turned(own + embed, own_rotation, half, is_number)
    own_slot = base + (context + (1 + num_actions) * node + token) * slot_size + lanes
    store_halves(own_slot, own_low, own_high, half, is_number)
    own_score = tl.sum(query_low * own_low + query_high * own_high, axis=0) * scale
    own_low, own_high = load_halves(own + 2 * embed, half, is_number)
    store_halves(own_slot + embed, own_low, own_high, half, is_number)

    # The tokens before the latent, of which an action sees one less.
    places = tl.arange(0, context_lanes)
    slots = tl.load(context_row + places, mask=places < context - 1, other=-1)
    is_seen = (slots >= 0) & (places >= tl.minimum(token, 1))
    held = base + tl.where(is_seen, slots, 0)[:, None] * slot_size + lanes[None, :]
    is_held = is_seen[:, None] & is_number[None, :]
    low, high = load_halves(held, half, is_held)
    scores = tl.sum(query_low[None, :] * low + query_high[None, :] * high, axis=1) * scale
    scores = tl.where(is_seen, scores, -float("inf"))

    # The latent, of this pass or of an earlier one; to itself it is no other token.
    latent_slot = base + tl.load(context_row + context - 1) * slot_size + lanes
    if first_token == 0:
        low, high = load_turned(newest + embed, rotation, half, is_number)
        latent_low, latent_high = load_halves(newest + 2 * embed, half, is_number)
    else:
        low, high = load_halves(latent_slot, half, is_number)
        latent_low, latent_high = load_halves(latent_slot + embed, half, is_number)
    latent_score = tl.sum(query_low * low + query_high * high, axis=0) * scale
    latent_score = tl.where(token == 0, -float("inf"), latent_score)

    highest = tl.maximum(tl.max(scores, axis=0), tl.maximum(own_score, latent_score))
    weights = tl.exp(scores - highest)
    own_weight, latent_weight = tl.exp(own_score - highest), tl.exp(latent_score - highest)
    total = tl.sum(weights, axis=0) + own_weight + latent_weight
    low, high = load_halves(held + embed, half, is_held)
    mixed_low = tl.sum(weights[:, None] * low, axis=0) + own_weight * own_low + latent_weight * latent_low
    mixed_high = tl.sum(weights[:, None] * high, axis=0) + own_weight * own_high + latent_weight * latent_high
    out = mixed + (row * (1 + num_actions - first_token) + token - first_token) * embed + head * 2 * half + lanes
    store_halves(out, mixed_low / total, mixed_high / total, half, is_number)


@kernel
def finish(  # noqa: PLR0913, PLR0917
    answers: tl.tensor,
    values: tl.tensor,
    rewards: tl.tensor,
    latents: tl.tensor,
    node: tl.tensor,
    num_values: tl.constexpr,
    num_nodes: tl.constexpr,
    num_actions: tl.constexpr,
    width: tl.constexpr,
    second: tl.constexpr,
    num_bins: tl.constexpr,
    bin_lanes: tl.constexpr,
    embed: tl.constexpr,
    group: tl.constexpr,
    num_groups: tl.constexpr,
    group_lanes: tl.constexpr,
    is_simplex: tl.constexpr,
    epsilon: tl.constexpr,
) -> None:
    """Read a scalar from the logits of its bins; of an action, also norm and keep the latent that it leads to.

    First come the values of all rows, then what is said of their actions.
    """
    place = tl.program_id(0).to(tl.int64)
    scalar = decode(answers + place * width, num_bins, bin_lanes)
    if place < num_values:
        tl.store(values + place, scalar)
    else:
        row, action = (place - num_values) // num_actions, (place - num_values) % num_actions
        edge = (row * num_nodes + node) * num_actions + action
        tl.store(rewards + edge, scalar)
        groups = tl.arange(0, group_lanes)[:, None]
        is_number = groups < num_groups
        lanes = groups * group + tl.arange(0, group)[None, :]
        numbers = tl.load(answers + place * width + second + lanes, mask=is_number, other=0.0)
        if is_simplex:
            weights = tl.exp(numbers - tl.max(numbers, axis=1)[:, None])
            normed = weights / tl.sum(weights, axis=1)[:, None]
        else:
            mean = tl.sum(tl.sum(numbers, axis=1), axis=0) / embed
            centred = tl.where(is_number, numbers - mean, 0.0)
            normed = centred / tl.sqrt(tl.sum(tl.sum(centred * centred, axis=1), axis=0) / embed + epsilon)
        tl.store(latents + edge * embed + lanes, normed.to(latents.dtype.element_ty), mask=is_number)


@kernel
def decode(logits: tl.tensor, num_bins: tl.constexpr, bin_lanes: tl.constexpr) -> Any:
    """Return the scalar that the logits of bins stand for, see `kvzero.model.decompress`."""
    lanes = tl.arange(0, bin_lanes)
    is_bin = lanes < num_bins
    numbers = tl.load(logits + lanes, mask=is_bin, other=-float("inf")).to(tl.float32)
    weights = tl.exp(numbers - tl.max(numbers, axis=0))
    weights = tl.where(is_bin, weights / tl.sum(weights, axis=0), 0.0)
    expected = tl.sum(weights * (lanes - num_bins // 2).to(tl.float32), axis=0)
    constant = tl.abs(expected) + 1.001
    root = 2.0 * constant / (1.0 + tl.sqrt(1.0 + 0.004 * constant))
    sign = tl.where(expected == 0, 0.0, tl.where(expected < 0, -1.0, 1.0))
    return sign * (root * root - 1.0)
