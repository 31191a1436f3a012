"""Dormant units and the rank of weights, on networks where both are known."""

import copy

import pytest
import torch
from tests.model.samples import SMALL, random_network

from kvzero.model import UnitActivity, rank_shares
from kvzero.records import EnvSpec

IMAGE = EnvSpec(observation_shape=(3, 17, 20), num_actions=3)
ACTIONS = torch.tensor([[0, 1, 2], [2, 2, 1]])


def observe(network) -> torch.Tensor:
    shape, generator = network.spec.observation_shape, torch.Generator().manual_seed(1)
    seen = torch.randint(256, (6, *shape), generator=generator, dtype=torch.uint8)
    return network.encode(seen / 64 if len(shape) == 1 else seen).unflatten(0, (2, 3))


def test_units_that_never_fire_are_dormant_and_no_others():
    network = random_network()
    activity = UnitActivity(network)
    with torch.no_grad():
        network.action_head.hidden.weight[:5] = 0
        network.action_head.hidden.bias[:5] = 0
    network(observe(network), ACTIONS)
    shares = activity.dormant_shares(0.0)
    num_units = len(network.action_head.hidden.bias) + len(network.latent_head.hidden.bias)
    assert shares == {"encoder": 0.0, "transformer": 0.0, "heads": pytest.approx(5 / num_units)}
    assert activity.dormant_shares(1e9) == dict.fromkeys(shares, 1.0)


def test_the_score_is_a_units_share_of_the_mean_activity_of_its_layer():
    network = random_network()
    activity = UnitActivity(network)
    seen = []
    network.transformer.layers[0].mlp[1].register_forward_hook(lambda module, passed, output: seen.append(output))
    network.transformer.layers[1].mlp[1].register_forward_hook(lambda module, passed, output: seen.append(output))
    network(observe(network), ACTIONS)
    dormant = []
    for output in seen:
        units = [float(output[..., unit].detach().abs().mean()) for unit in range(output.shape[-1])]
        dormant += [mean / (sum(units) / len(units)) <= 0.8 for mean in units]
    wanted = sum(dormant) / len(dormant)
    assert 0 < wanted < 1
    assert activity.dormant_shares(0.8)["transformer"] == pytest.approx(wanted)


def test_a_channel_is_a_unit_of_an_image():
    network = random_network(spec=IMAGE)
    activity = UnitActivity(network)
    norm = network.encoder.stages[-1].body[1]  # of the last block, before the nonlinearity inside it
    with torch.no_grad():
        norm.bias += 5  # all of its channels fire
    observe(network)
    before = activity.dormant_shares(0.0)["encoder"]
    with torch.no_grad():
        norm.weight[:4] = norm.bias[:4] = 0
    observe(network)
    channels = [32, 32, 32, 64, 64, 64, 64, 64, 64]  # the first layer, then two of each block
    assert activity.dormant_shares(0.0) == {"encoder": pytest.approx(before + 4 / sum(channels), abs=1e-6)}


def test_passes_without_gradients_are_not_watched():
    network = random_network()
    activity = UnitActivity(network)
    with torch.no_grad():
        network(observe(network), ACTIONS)
    assert activity.dormant_shares(0.5) == {}


def test_in_a_with_statement_a_network_is_watched_to_its_end():
    network = random_network()
    with UnitActivity(network) as activity:
        network(observe(network), ACTIONS)
    before = activity.dormant_shares(0.8)
    with torch.no_grad():
        network.latent_head.hidden.weight.zero_()
    network(observe(network), ACTIONS)
    assert activity.dormant_shares(0.8) == before
    assert not any(module._forward_hooks for module in network.modules())


def test_a_copy_is_watched_by_itself():
    network = random_network()
    activity = UnitActivity(network)
    network(observe(network), ACTIONS)
    before = activity.dormant_shares(0.8)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.latent_head.hidden.weight.zero_()
    twin(observe(twin), ACTIONS)
    assert activity.dormant_shares(0.8) == before


def test_matrices_of_one_direction_have_the_least_rank_and_orthogonal_ones_the_full():
    network = random_network(SMALL)
    with torch.no_grad():
        for layer in (network.action_head, network.latent_head):
            for linear in (layer.hidden, layer.first, layer.second):
                torch.nn.init.orthogonal_(linear.weight)
        for module in network.transformer.modules():
            if isinstance(module, torch.nn.Linear):
                rows, columns = module.weight.shape
                module.weight.copy_(torch.outer(torch.arange(1.0, 1 + rows), torch.ones(columns)))
    shares = rank_shares(network)
    assert shares["heads"] == pytest.approx(1.0, abs=1e-3)
    assert shares["transformer"] == pytest.approx(1 / 24, abs=1e-3)
    assert 0.3 < shares["encoder"] < 1
