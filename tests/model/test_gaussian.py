"""The squashed Gaussian: its densities integrate to one, stay finite at the bounds, and its entropy is the integral."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from kvzero.model import Gaussian, read_gaussian

raw = st.floats(-20, 20, width=32)


def gaussian(*policies: list[float]) -> Gaussian:
    return read_gaussian(torch.tensor(policies))


def twin(policy: Gaussian) -> Independent:
    normal = Normal(policy.means.double(), policy.log_scales.double().exp())
    return TransformedDistribution(normal, TanhTransform())


def test_a_head_that_says_zero_gives_a_standard_gaussian():
    policy = gaussian([0.0] * 6)
    assert policy.means.tolist() == [[0.0, 0.0, 0.0]]
    torch.testing.assert_close(policy.log_scales, torch.zeros(1, 3))


@given(st.lists(raw, min_size=4, max_size=4))
def test_means_and_scales_are_bounded_and_rise_with_what_the_head_says(numbers):
    policy = gaussian(numbers, [number + 0.5 for number in numbers])
    assert (policy.means.abs() <= 3).all()
    assert (policy.log_scales >= -3).all()
    assert (policy.log_scales <= 1).all()
    assert (policy.means[1] >= policy.means[0]).all()
    assert (policy.log_scales[1] >= policy.log_scales[0]).all()


@pytest.mark.parametrize("numbers", [[0.0, 0.0], [1.5, -1.0], [-4.0, 3.0], [0.3, -6.0]])
def test_the_density_integrates_to_one(numbers):
    edges = torch.tanh(torch.linspace(-4, 4, 20_001).double())
    places = (edges[1:] + edges[:-1]) / 2
    density = gaussian(numbers).log_density(places[None, :, None].float()).double().exp()
    normal = Normal(gaussian(numbers).means.double(), gaussian(numbers).log_scales.double().exp())
    inside = normal.cdf(torch.tensor(4.0)) - normal.cdf(torch.tensor(-4.0))
    assert (density * (edges[1:] - edges[:-1])).sum().item() == pytest.approx(inside.item(), abs=2e-3)


@given(
    numbers=st.lists(raw, min_size=4, max_size=4),
    action=st.lists(st.floats(-1023 / 1024, 1023 / 1024, width=32), min_size=2, max_size=2),
)
def test_the_density_is_that_of_torchs_own_distribution(numbers, action):
    policy, actions = gaussian(numbers), torch.tensor([[action]])
    wanted = twin(policy).log_prob(actions[0].double()).sum(-1)
    found = policy.log_density(actions)[0]
    torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bound", [-1.0, 1.0])
@pytest.mark.parametrize("numbers", [[0.0, 0.0], [-20.0, -20.0], [20.0, 20.0], [20.0, -20.0]])
def test_density_and_gradient_are_finite_at_the_bounds(bound, numbers):
    policies = torch.tensor([numbers], requires_grad=True)
    density = read_gaussian(policies).log_density(torch.full((1, 1, 1), bound))
    density.sum().backward()
    assert density.isfinite().all()
    assert policies.grad.isfinite().all()


def test_what_is_drawn_stays_inside_and_is_scored_as_it_was_drawn():
    policy = gaussian([9.0, -9.0, 9.0, 9.0])
    actions = policy.draw(10 * torch.randn(1, 500, 2))
    assert (actions.abs() < 1).all()
    assert policy.log_density(actions).isfinite().all()
    noise = torch.tensor([[[0.3, -0.2]]])
    inside = gaussian([0.4, -0.7, 0.0, -1.0])
    wanted = twin(inside).log_prob(inside.draw(noise)[0].double()).sum(-1)
    torch.testing.assert_close(inside.log_density(inside.draw(noise))[0].double(), wanted, rtol=1e-4, atol=1e-4)


def test_draws_have_the_mean_and_scale_of_the_policy():
    policy = gaussian([0.5, -0.8, -1.2, 0.4])
    torch.manual_seed(0)
    numbers = policy.draw(torch.randn(1, 40_000, 2)).double().atanh()[0]
    torch.testing.assert_close(numbers.mean(0).float(), policy.means[0], atol=0.02, rtol=0)
    torch.testing.assert_close(numbers.std(0).log()[0].float(), policy.log_scales[0, 0], atol=0.02, rtol=0)


@pytest.mark.parametrize("numbers", [[0.0, 0.0], [1.5, -1.0], [-4.0, 3.0], [0.3, -6.0], [20.0, 20.0]])
def test_the_entropy_is_the_integral_of_the_density(numbers):
    policy = gaussian(numbers)
    mean, scale = policy.means.item(), policy.log_scales.exp().item()
    places = torch.linspace(mean - 9 * scale, mean + 9 * scale, 200_001).double()
    density = torch.exp(Normal(mean, scale).log_prob(places))
    slopes = 2 * (math.log(2) - places - torch.nn.functional.softplus(-2 * places))
    step = places[1] - places[0]
    wanted = (density * (slopes - Normal(mean, scale).log_prob(places))).sum() * step
    assert policy.entropy().item() == pytest.approx(wanted.item(), abs=0.02)


def test_entropies_of_several_numbers_add_up():
    both = gaussian([0.3, -0.6, 0.5, -1.0]).entropy()
    torch.testing.assert_close(both, gaussian([0.3, 0.5]).entropy() + gaussian([-0.6, -1.0]).entropy())
