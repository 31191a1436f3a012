"""The network as one: what it says first, in which order tokens stand, and when its weights have changed."""

import copy
from dataclasses import replace

import pytest
import torch
from tests.model.samples import SMALL, VECTOR, random_network

from kvzero.cache import Window
from kvzero.errors import ConfigError
from kvzero.model import ModelConfig, Network, NodeStepper
from kvzero.records import EnvSpec

BATCH, STEPS = 2, 7


def latents_and_actions(network: Network, *, steps: int = STEPS) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    observations = torch.randn(BATCH * steps, 5, generator=generator)
    latents = network.encode(observations).unflatten(0, (BATCH, steps)).detach()
    return latents, torch.randint(3, (BATCH, steps), generator=generator)


def read_whole(network: Network, latents: torch.Tensor, actions: torch.Tensor):
    """Read the newest of whole histories, none of which is padded."""
    num_tokens = 2 * latents.shape[1] - 1
    positions = torch.arange(num_tokens).expand(len(latents), -1)
    is_valid = torch.ones(len(latents), num_tokens, dtype=torch.bool)
    reading, window = network.read_roots(latents, actions[:, : latents.shape[1] - 1], positions, is_valid=is_valid)
    return reading, window.keys_values


def window_after(keys_values: torch.Tensor) -> Window:
    """Return the last tokens of a whole pass, and room for two more."""
    newest = keys_values[:, -SMALL.context_tokens :]
    return Window(torch.cat([newest, torch.zeros_like(newest[:, :2])], dim=1), None)


def agree(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("latent_norm", ["simnorm", "layernorm"])
@torch.no_grad()
def test_first_predictions_are_zero_and_uniform(latent_norm):
    torch.manual_seed(0)
    network = Network(replace(SMALL, latent_norm=latent_norm), VECTOR)
    latents, actions = latents_and_actions(network)
    predictions = network(latents, actions)
    zeros = torch.zeros(BATCH, STEPS)
    every_step = torch.arange(STEPS).expand(BATCH, -1)
    torch.testing.assert_close(network.support.decode(predictions.reward_logits), zeros, atol=1e-5, rtol=0)
    torch.testing.assert_close(network.read_values(latents, actions, every_step), zeros, atol=1e-5, rtol=0)
    assert not predictions.policy_logits.any()
    assert (predictions.next_latents == (1 / 8 if latent_norm == "simnorm" else 0)).all()


@torch.no_grad()
def test_predictions_are_read_at_the_tokens_they_belong_to():
    network = random_network()
    latents, actions = latents_and_actions(network)
    before = network(latents, actions)
    other = actions.clone()
    other[:, 3] = (other[:, 3] + 1) % 3
    after = network(latents, other)
    for name, first_changed in [("reward_logits", 3), ("next_latents", 3), ("value_logits", 4), ("policy_logits", 4)]:
        gap = (getattr(after, name) - getattr(before, name)).abs().amax((0, 2))
        assert not gap[:first_changed].any(), name
        assert gap[first_changed] > 1e-4, name


@torch.no_grad()
def test_values_are_those_of_the_whole_prediction():
    network = random_network()
    latents, actions = latents_and_actions(network)
    wanted = network.support.decode(network(latents, actions).value_logits)
    steps = torch.randint(STEPS, (BATCH, STEPS + 3), generator=torch.Generator().manual_seed(1))
    agree(network.read_values(latents, actions, steps), wanted.gather(1, steps))
    assert wanted.std() > 0.01


@torch.no_grad()
def test_what_is_computed_plainly_is_the_transformers_own_to_the_last_bit():
    network = random_network()
    latents, actions = latents_and_actions(network)
    outputs, _ = network.transformer(torch.stack([latents, network.action_table(actions)], dim=2).flatten(1, 2))
    rewards, _ = network.action_head(outputs[:, 1::2])
    values, logits = network.latent_head(outputs[:, ::2])
    found = network(latents, actions, plainly=True)
    assert torch.equal(found.reward_logits, rewards)
    assert torch.equal(found.value_logits, values)
    assert torch.equal(found.policy_logits, logits)
    agree(network(latents, actions).value_logits, values)
    steps = torch.randint(STEPS, (BATCH, STEPS + 3), generator=torch.Generator().manual_seed(1))
    plain, fast = (network.read_values(latents, actions, steps, plainly=plainly) for plainly in (True, False))
    agree(plain, fast)
    outputs, _ = network.transformer(
        torch.stack([latents, network.action_table(actions)], dim=2).flatten(1, 2), read=slice(0, None, 2)
    )
    assert torch.equal(plain, network.support.decode(network.latent_head(outputs)[0]).gather(1, steps))


@pytest.mark.parametrize("steps", [1, STEPS])
@torch.no_grad()
def test_roots_read_in_one_pass_are_the_last_step_of_a_sequence(steps):
    network = random_network()
    latents, actions = latents_and_actions(network, steps=steps)
    reading, keys_values = read_whole(network, latents, actions)
    predictions = network(latents, actions)
    agree(reading.values, network.support.decode(predictions.value_logits[:, -1]))
    agree(reading.policy_logits, predictions.policy_logits[:, -1])
    assert keys_values.shape == (BATCH, 2 * steps - 1, 2, 2, 3, 8)


@torch.no_grad()
def test_a_root_extended_by_a_step_equals_one_read_whole():
    network = random_network()
    latents, actions = latents_and_actions(network)
    _, keys_values = read_whole(network, latents[:, :-1], actions)
    window = window_after(keys_values)
    positions = torch.tensor([[2 * STEPS - 3, 2 * STEPS - 2]]).expand(BATCH, -1)
    found = network.extend_roots(actions[:, STEPS - 2], latents[:, -1], positions, window)
    wanted, all_keys_values = read_whole(network, latents, actions)
    agree(found.values, wanted.values)
    agree(found.policy_logits, wanted.policy_logits)
    agree(window.keys_values[:, -2:], all_keys_values[:, -2:])


@torch.no_grad()
def test_a_node_expanded_below_a_root_equals_the_sequence_with_its_prediction():
    network = random_network()
    latents, actions = latents_and_actions(network)
    window = window_after(read_whole(network, latents, actions)[1])
    positions = torch.tensor([[2 * STEPS - 1, 2 * STEPS]]).expand(BATCH, -1)
    found = NodeStepper(network)(actions[:, -1], positions, window)
    predictions = network(latents, actions)
    agree(found.rewards, network.support.decode(predictions.reward_logits[:, -1]))
    agree(found.latents, predictions.next_latents[:, -1])
    longer = torch.cat([latents, found.latents[:, None]], dim=1)
    wanted, keys_values = read_whole(network, longer, actions.repeat(1, 2)[:, : STEPS + 1])
    agree(found.values, wanted.values)
    agree(found.policy_logits, wanted.policy_logits)
    agree(window.keys_values[:, -2:], keys_values[:, -2:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@torch.no_grad()
def test_a_network_of_other_numbers_predicts_alike(dtype):
    network, wanted = random_network().to(dtype), random_network()
    latents, actions = latents_and_actions(network)
    every_step = torch.arange(STEPS).expand(BATCH, -1)
    gap = network.read_values(latents, actions, every_step)
    gap = gap - wanted.read_values(*latents_and_actions(wanted), every_step)
    assert gap.abs().max() < (1e-4 if dtype == torch.float64 else 0.2)


def plain_step(network: Network) -> None:
    sum(weights.sum() for weights in network.parameters()).backward()
    torch.optim.AdamW(network.parameters(), fused=False, foreach=False).step()


@torch.no_grad()
def change_one_number(network: Network) -> None:
    network.latent_head.second.bias[0] += 1


def replace_a_weight(network: Network) -> None:
    part = network.latent_head.second
    part.bias = torch.nn.Parameter(part.bias.detach() + 1)


@pytest.mark.parametrize(
    "change",
    [
        plain_step,
        change_one_number,
        Network.mark_changed,
        lambda network: network.load_state_dict(random_network(seed=1).state_dict()),
        lambda network: network.load_state_dict(random_network(seed=1).state_dict(), assign=True),
        torch.inference_mode()(lambda network: network.load_state_dict(random_network(seed=1).state_dict())),
        lambda network: network.encoder.load_state_dict(random_network(seed=1).encoder.state_dict(), assign=True),
        replace_a_weight,
    ],
    ids=["optimiser", "by_hand", "mark", "load", "assign", "inference", "part", "replace"],
)
def test_the_version_changes_with_the_weights(change):
    network = random_network()
    seen = {network.version}
    for _ in range(3):
        change(network)
        assert network.version not in seen
        seen.add(network.version)


@torch.no_grad()
def test_weights_that_replace_others_are_new_however_often_each_was_changed_before():
    network = random_network()
    part, seen = network.latent_head.second, [network.version]
    for num_changes in range(part.bias._version + 4):
        weights = torch.nn.Parameter(part.bias.detach().clone())
        for _ in range(num_changes):
            weights.add_(1)
        part.bias = weights
        seen.append(network.version)
    assert seen == sorted(set(seen))


def test_another_number_type_is_a_new_version_and_the_same_one_is_none():
    network = random_network()
    versions = [network.version, network.float().version, network.double().version, network.double().version]
    assert versions[0] == versions[1] < versions[2] == versions[3]


def test_a_network_that_normalises_nothing_has_nothing_to_take_in():
    network = random_network()
    version = network.version
    network.take_in(torch.ones(2, 5))
    assert network.version == version


def test_a_fused_step_is_noticed_only_once_it_is_marked():
    network = random_network()
    sum(weights.sum() for weights in network.parameters()).backward()
    version, before = network.version, network.action_table.weight.detach().clone()
    torch.optim.AdamW(network.parameters(), fused=True).step()
    assert not torch.equal(network.action_table.weight, before)
    assert network.version == version  # should PyTorch begin to count them, mark_changed has no use any more
    network.mark_changed()
    assert network.version != version


def test_predicting_and_learning_gradients_leave_the_version_alone():
    network = random_network()
    version = network.version
    latents, actions = latents_and_actions(network)
    network(latents, actions).value_logits.sum().backward()
    with torch.inference_mode():
        read_whole(network, latents, actions)
    assert network.version == version


def test_a_copy_has_a_version_of_its_own():
    network = random_network()
    version = network.version
    twin = copy.deepcopy(network)
    assert twin.version > version  # which some store may know of what this one was
    change_one_number(twin)
    twin.mark_changed()
    assert network.version == version


@pytest.mark.parametrize(("shape", "image_norm"), [((5,), "group"), ((3, 17, 20), "group"), ((3, 17, 20), "layer")])
def test_only_matrices_decay(shape, image_norm):
    network = Network(replace(SMALL, image_norm=image_norm), EnvSpec(observation_shape=shape, num_actions=3))
    decayed = {id(weights) for weights in network.decayed_weights()}
    matrices = {
        id(module.weight) for module in network.modules() if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    }
    for name, weights in network.named_parameters():
        assert (id(weights) in decayed) == (id(weights) in matrices), name
    kinds = torch.nn.Linear | torch.nn.Conv2d
    assert len(decayed) == sum(isinstance(module, kinds) for module in network.modules())


def test_action_tokens_start_as_small_as_linear_layers():
    torch.manual_seed(0)
    network = Network(ModelConfig(), EnvSpec(observation_shape=(5,), num_actions=29))
    assert network.action_table.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_heads_are_as_wide_as_configured():
    network = Network(replace(SMALL, head_expansion=3), VECTOR)
    assert network.action_head.hidden.out_features == network.latent_head.hidden.out_features == 2 * 3 * 24


def test_the_device_is_that_of_the_weights():
    assert random_network().to("meta").device == torch.device("meta")


def test_observations_that_do_not_fit_the_encoder_are_refused():
    with pytest.raises(ConfigError, match="images are 9x40, and image_encoder=small"):
        Network(ModelConfig(), EnvSpec(observation_shape=(3, 9, 40), num_actions=2))


def test_all_tensors_of_a_network_are_told():
    network = Network(SMALL, VECTOR)
    wanted = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    assert {id(tensor) for tensor in network.tensors()} == wanted
    assert len(wanted) > 20
