"""Losses against loops over single numbers, their zeros and their gradients."""

import math

import pytest
import torch

from kvzero.model import Losses, LossWeights, cross_entropy, entropy, latent_distance, masked_mean, weigh_losses

STEPS = (2, 3)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def simplices(*shape: int, seed: int) -> torch.Tensor:
    return draw(*shape, seed=seed).unflatten(-1, (-1, 8)).softmax(-1).flatten(-2)


def slow_softmax(logits: list[float]) -> list[float]:
    weights = [math.exp(logit) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def every_step(function, *tensors: torch.Tensor) -> torch.Tensor:
    """Apply a function of lists to every step of the tensors."""
    rows = [
        [function(*(tensor[i, j].tolist() for tensor in tensors)) for j in range(STEPS[1])] for i in range(STEPS[0])
    ]
    return torch.tensor(rows)


def slow_cross_entropy(logits: list[float], target: list[float]) -> float:
    return -sum(share * math.log(p) for share, p in zip(target, slow_softmax(logits), strict=True))


def slow_entropy(logits: list[float]) -> float:
    return -sum(p * math.log(p) for p in slow_softmax(logits))


def slow_mse(predicted: list[float], target: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(predicted, target, strict=True)) / len(target)


def slow_smooth_l1(predicted: list[float], target: list[float]) -> float:
    gaps = [abs(x - y) for x, y in zip(predicted, target, strict=True)]
    return sum(gap**2 / 2 if gap < 1 else gap - 0.5 for gap in gaps) / len(gaps)


def slow_group_kl(predicted: list[float], target: list[float]) -> float:
    total = sum(y * math.log(y / x) for x, y in zip(predicted, target, strict=True))
    return total / (len(target) // 8)


def test_cross_entropy_equals_a_loop():
    logits, target = draw(*STEPS, 5), draw(*STEPS, 5, seed=1).softmax(-1)
    torch.testing.assert_close(cross_entropy(logits, target), every_step(slow_cross_entropy, logits, target))


def test_a_target_of_zeros_costs_nothing_and_teaches_nothing():
    logits, target = draw(*STEPS, 5).requires_grad_(), draw(*STEPS, 5, seed=1).softmax(-1)
    target[1, 2] = 0
    costs = cross_entropy(logits, target)
    costs.sum().backward()
    assert costs[1, 2] == 0
    assert not logits.grad[1, 2].any()
    assert logits.grad[1, 1].all()


def test_the_gradient_of_cross_entropy_is_prediction_less_target():
    logits, target = draw(*STEPS, 5).requires_grad_(), draw(*STEPS, 5, seed=1).softmax(-1)
    cross_entropy(logits, target).sum().backward()
    torch.testing.assert_close(logits.grad, logits.detach().softmax(-1) - target)


def test_entropy_equals_a_loop():
    logits = draw(*STEPS, 4)
    torch.testing.assert_close(entropy(logits), every_step(slow_entropy, logits))


def test_the_uniform_policy_has_the_most_entropy():
    assert entropy(torch.zeros(7)).item() == pytest.approx(math.log(7))
    assert entropy(draw(7)) < math.log(7)


@pytest.mark.parametrize(("kind", "slow"), [("mse", slow_mse), ("smooth_l1", slow_smooth_l1)])
def test_distances_of_any_latents_equal_a_loop(kind, slow):
    predicted, target = draw(*STEPS, 10), draw(*STEPS, 10, seed=1)
    torch.testing.assert_close(latent_distance(predicted, target, kind), every_step(slow, predicted, target))


def test_group_kl_equals_a_loop():
    predicted, target = simplices(*STEPS, 24, seed=0), simplices(*STEPS, 24, seed=1)
    distance = latent_distance(predicted, target, "group_kl")
    torch.testing.assert_close(distance, every_step(slow_group_kl, predicted, target))
    assert (distance > 0).all()


@pytest.mark.parametrize("kind", ["mse", "smooth_l1", "group_kl"])
def test_equal_latents_have_no_distance(kind):
    latents = simplices(*STEPS, 16, seed=0)
    torch.testing.assert_close(latent_distance(latents, latents, kind), torch.zeros(STEPS), atol=1e-7, rtol=0)


@pytest.mark.parametrize("kind", ["mse", "smooth_l1", "group_kl"])
def test_a_step_against_the_gradient_comes_closer(kind):
    features, target = draw(*STEPS, 16).requires_grad_(), simplices(*STEPS, 16, seed=1)

    def distance(features: torch.Tensor) -> torch.Tensor:
        return latent_distance(features.unflatten(-1, (-1, 8)).softmax(-1).flatten(-2), target, kind)

    before = distance(features)
    before.sum().backward()
    assert (distance(features.detach() - 0.1 * features.grad) < before).all()


def test_group_kl_of_shares_that_vanished_is_finite():
    predicted, target = torch.zeros(16), torch.zeros(16)
    predicted[[0, 8]], target[[1, 8]] = 1, 1
    predicted.requires_grad_()
    distance = latent_distance(predicted, target, "group_kl")
    distance.backward()
    assert distance.item() == pytest.approx(-math.log(1e-8) / 2, rel=1e-4)
    assert predicted.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["mse", "smooth_l1", "group_kl"])
def test_losses_of_bfloat16_are_computed_in_float32(kind):
    predicted, target = simplices(*STEPS, 16, seed=0).bfloat16(), simplices(*STEPS, 16, seed=1).bfloat16()
    exact = latent_distance(predicted.float(), target.float(), kind)
    assert torch.equal(latent_distance(predicted, target, kind), exact)
    assert torch.equal(cross_entropy(predicted, target), cross_entropy(predicted.float(), target.float()))
    assert torch.equal(entropy(predicted), entropy(predicted.float()))


def test_losses_are_summed_by_their_weights_from_means_of_what_is_known_and_of_what_is_real():
    losses = Losses(*(draw(*STEPS, seed=number) for number in range(5)))
    weights = LossWeights(latent=2.0, reward=3.0, value=5.0, policy=7.0, entropy=0.5)
    known, real = torch.tensor([[1.0, 0, 1], [0.5, 1, 0]]), torch.tensor([[0.0, 0, 2], [0, 0.25, 1]])

    def slow_mean(values: torch.Tensor, shares: torch.Tensor) -> float:
        pairs = list(zip(values.flatten().tolist(), shares.flatten().tolist(), strict=True))
        return sum(value * share for value, share in pairs) / sum(share for _, share in pairs)

    latent, reward, value = (slow_mean(part, known) for part in (losses.latent, losses.reward, losses.value))
    policy, spread = slow_mean(losses.policy, real), slow_mean(losses.entropy, real)
    found = weigh_losses(losses, weights, known=known, real=real)
    parts = torch.stack([found.latent, found.reward, found.value, found.policy, found.entropy])
    torch.testing.assert_close(parts, torch.tensor([latent, reward, value, policy, spread]))
    wanted = 2 * latent + 3 * reward + 5 * value + 7 * (policy - 0.5 * spread)
    assert float(found.total) == pytest.approx(wanted, rel=1e-5)


def test_the_mean_of_steps_none_of_which_counts_is_zero():
    assert masked_mean(draw(*STEPS), torch.zeros(STEPS)) == 0
