"""Learned positions: windows that slide, against one uncached pass over the tokens that are left; and `shift`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.model.samples import SMALL, random_network

from kvzero.cache import Window
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig, Network, NodeStepper, SlidingStepper, build_stepper

LEARNED = replace(SMALL, positions="learned", max_tokens=31)
GARBAGE = 40.0


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Keeper:
    """Keeps windows as a store does: the last `C` places of what the model left, and how many tokens a path has had."""

    def __init__(self, network: Network, ages: list[int]) -> None:
        layout = network.config.layout
        self.network, self.layout, self.context = network, layout, layout.context_tokens
        size = (len(ages), self.context)
        self.window = Window(
            torch.full((*size, *layout.token_shape), GARBAGE),
            torch.zeros(size, dtype=torch.bool),
            torch.full((*size, network.config.embed_dim), GARBAGE),
        )
        self.lengths = np.full(len(ages), -1)
        self.ages = ages

    def read(self) -> Window:
        old, batch = self.window, len(self.lengths)
        assert old.is_valid is not None
        assert old.tokens is not None
        is_valid = torch.cat([old.is_valid, torch.from_numpy(self.lengths[:, None] + [0, 1] >= 0)], dim=1)
        return Window(
            torch.cat([old.keys_values, torch.full((batch, 2, *self.layout.token_shape), GARBAGE)], dim=1),
            is_valid,
            torch.cat([old.tokens, torch.full((batch, 2, old.tokens.shape[2]), GARBAGE)], dim=1),
        )

    def positions(self) -> torch.Tensor:
        return torch.from_numpy((self.layout.next_positions(self.lengths)[:, None] + [0, 1]).clip(0))

    def keep(self, window: Window) -> None:
        assert window.is_valid is not None
        assert window.tokens is not None
        self.window = Window(window.keys_values[:, 2:], window.is_valid[:, 2:], window.tokens[:, 2:])
        self.lengths = self.lengths + 2
        assert self.window.is_valid is not None
        np.testing.assert_array_equal(self.window.is_valid.sum(1), self.layout.next_positions(self.lengths))


def uncached(network: Network, latents: list[torch.Tensor], actions: list[int], num_kept: int) -> torch.Tensor:
    """Return the output of the newest token of a path, passed with the tokens before it in one forward pass."""
    tokens = []
    for index, latent in enumerate(latents):
        tokens.append(latent)
        if index < len(actions):
            tokens.append(network.action_table.weight[actions[index]])
    return network.transformer(torch.stack(tokens)[None, -num_kept:])[0][0, -1]


@pytest.mark.parametrize("context", [4, 6, 10])
@pytest.mark.parametrize("num_layers", [1, 3])
@torch.no_grad()
def test_extended_and_expanded_paths_equal_one_pass_over_the_window(context, num_layers):
    network = random_network(replace(LEARNED, context_tokens=context, num_layers=num_layers))
    rng, births = np.random.default_rng(0), [0, 3, 7]
    keeper = Keeper(network, births)
    paths = [([], []) for _ in births]
    for time in range(15):
        keeper.lengths[:] = np.where([time <= birth for birth in births], -1, keeper.lengths)
        assert keeper.window.is_valid is not None
        keeper.window.is_valid[keeper.lengths < 0] = False
        latents, actions = network.encode(draw(3, 5, seed=time)), rng.integers(3, size=3)
        window = keeper.read()
        reading = network.extend_roots(torch.from_numpy(actions), latents, keeper.positions(), window)
        network.slide(window)
        for row, (seen, taken) in enumerate(paths):
            if time < births[row]:
                continue
            if seen:
                taken.append(int(actions[row]))
            seen.append(latents[row])
            _, wanted = network.latent_head(uncached(network, seen, taken, context - 1))
            torch.testing.assert_close(reading.policy_logits[row], wanted, atol=1e-5, rtol=0)
        keeper.keep(window)
        expand_below(network, keeper, paths, births, time)


def expand_below(network: Network, keeper: Keeper, paths: list, births: list[int], time: int) -> None:
    """Hold a node two steps below the roots against its path, and leave the roots as they are."""
    window, lengths, step = keeper.window, keeper.lengths, build_stepper(network)
    paths = [(list(seen), list(taken)) for seen, taken in paths]
    for depth in range(2):
        keys_values = keeper.read()
        actions = np.array([depth, 2, 1])
        found = step(torch.from_numpy(actions), keeper.positions(), keys_values)
        for row, (seen, taken) in enumerate(paths):
            if time < births[row]:
                continue
            taken.append(int(actions[row]))
            reward, latent = network.action_head(uncached(network, seen, taken, keeper.context - 2))
            seen.append(network.next_latent_norm(latent))
            torch.testing.assert_close(found.latents[row], seen[-1], atol=1e-5, rtol=0)
            torch.testing.assert_close(found.rewards[row], network.support.decode(reward), atol=1e-5, rtol=0)
            value, logits = network.latent_head(uncached(network, seen, taken, keeper.context - 1))
            torch.testing.assert_close(found.values[row], network.support.decode(value), atol=1e-5, rtol=0)
            torch.testing.assert_close(found.policy_logits[row], logits, atol=1e-5, rtol=0)
        keeper.keep(keys_values)
    keeper.window, keeper.lengths = window, lengths


def full_window(network: Network, sizes: list[int]) -> Window:
    """Return right-aligned windows with so many tokens, as the model leaves them before they slide."""
    context, layout = network.config.context_tokens, network.config.layout
    window = Window(
        torch.full((len(sizes), context + 2, *layout.token_shape), GARBAGE),
        torch.arange(context + 2) >= context + 2 - torch.tensor(sizes)[:, None],
        draw(len(sizes), context + 2, network.config.embed_dim),
    )
    assert window.tokens is not None
    for row, size in enumerate(sizes):
        _, cache = network.transformer(window.tokens[row : row + 1, -size:])
        window.keys_values[row, -size:] = torch.stack(cache, dim=2)[0]
    return window


@torch.no_grad()
def test_only_full_rows_slide_and_their_newest_tokens_are_as_if_passed_alone():
    network = random_network(LEARNED)
    window = full_window(network, [3, 5, 1])
    before = window.keys_values.clone()
    network.slide(window)
    assert window.is_valid is not None
    assert window.is_valid.sum(1).tolist() == [3, 3, 1]
    assert torch.equal(window.keys_values[::2], before[::2])
    assert window.tokens is not None
    _, cache = network.transformer(window.tokens[1:2, -3:])
    torch.testing.assert_close(window.keys_values[1, -3:], torch.stack(cache, dim=2)[0], atol=1e-6, rtol=0)
    assert (window.keys_values[1, -3:] - before[1, -3:]).abs().max() > 0.1


@torch.no_grad()
def test_shift_adds_the_difference_of_projected_embeddings_by_hand():
    network = random_network(replace(LEARNED, window="shift"))
    window = full_window(network, [3, 5])
    before, table = window.keys_values.clone(), network.transformer.positions.table.weight
    network.slide(window)
    assert window.is_valid is not None
    assert window.is_valid.sum(1).tolist() == [3, 3]
    assert torch.equal(window.keys_values[0], before[0])
    for layer, block in enumerate(network.transformer.layers):
        _, key, value = block.attention.project.weight.chunk(3)
        for token in range(3):
            moved = table[token] - table[token + 2]
            wanted = before[1, -3 + token, layer] + torch.stack([key @ moved, value @ moved]).unflatten(1, (3, 8))
            torch.testing.assert_close(window.keys_values[1, -3 + token, layer], wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_rotary_windows_are_left_alone():
    network = random_network()
    keys_values = draw(2, 8, *SMALL.layout.token_shape)
    window = Window(keys_values.clone(), torch.ones(2, 8, dtype=torch.bool))
    network.slide(window)
    assert torch.equal(window.keys_values, keys_values)
    assert window.is_valid is not None
    assert window.is_valid.all()


def test_each_kind_of_positions_has_its_stepper():
    assert isinstance(build_stepper(random_network()), NodeStepper)
    assert isinstance(build_stepper(random_network(LEARNED)), SlidingStepper)


@torch.no_grad()
def test_positions_matter_and_their_table_has_an_end():
    network = random_network(LEARNED)
    tokens = draw(2, 4, 24)
    late = network.transformer(tokens, torch.arange(3, 7)[None])[0]
    assert (late - network.transformer(tokens)[0]).abs().max() > 0.1
    assert network.transformer(draw(2, 31, 24))[0].shape == (2, 31, 24)
    with pytest.raises(ConfigError, match="a sequence of 32 tokens was asked for, but max_tokens is 31"):
        network.transformer(draw(2, 32, 24))


def test_the_table_learns_and_is_not_decayed():
    network = random_network(LEARNED)
    network(draw(2, 5, 24), torch.zeros(2, 5, dtype=torch.long)).reward_logits.square().sum().backward()
    table = network.transformer.positions.table.weight
    assert table.grad[:10].any(dim=1).all()
    assert not any(weights is table for weights in network.decayed_weights())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_tokens": 32}, "^max_tokens is 32, which has no effect with positions=rotary"),
        ({"window": "shift"}, "^window is shift, which has no effect with positions=rotary"),
        ({"positions": "learned", "max_tokens": 14}, "max_tokens is 14 but context_tokens is 16"),
        ({"positions": "learned", "context_tokens": 2}, "a window that slides needs at least 4"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        ModelConfig(**settings)


@pytest.mark.parametrize("name", ["positions", "window"])
def test_unknown_choices_are_refused(name):
    config = ModelConfig()
    object.__setattr__(config, name, "absolute")  # past the type checks of the test session
    with pytest.raises(ConfigError, match=f"{name} is 'absolute'; choose"):
        config.__post_init__()


def test_heads_of_odd_width_need_no_rotation():
    assert ModelConfig(embed_dim=24, num_heads=8, positions="learned").layout.head_dim == 3
