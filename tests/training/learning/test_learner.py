"""One gradient step: what it tells, what it changes, and what it must not listen to."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.samples import LEARNER, some_segments, tiny_learner

from kvzero.errors import SearchError
from kvzero.model import Predictions
from kvzero.replay import Segments
from kvzero.training.learning.arithmetic import UpdateArithmetic

FIGURES = {
    "loss",
    "loss_latent",
    "loss_reward",
    "loss_value",
    "loss_policy",
    "target_entropy",
    "policy_entropy",
    "mean_value_target",
    "gradient_norm",
}
NO_LOSSES = replace(LEARNER, latent_weight=0.0, reward_weight=0.0, value_weight=0.0, policy_weight=0.0)


def weights_of(network):
    return {name: weights.detach().clone() for name, weights in network.named_parameters()}


def scribbled(segments: Segments, *, terminated: bool, seed: int = 7) -> Segments:
    """Return the segments with nonsense wherever no step was taken."""
    rng = np.random.default_rng(seed)
    fields = segments.fields
    time = np.arange(fields["actions"].shape[1])
    behind = time > segments.ends[:, None]
    at_end = time >= segments.ends[:, None]
    assert at_end[:, : LEARNER.unroll_steps].any()
    changed = {"policies": np.where(at_end[..., None], rng.random(fields["policies"].shape), fields["policies"])}
    if not terminated:  # after a true termination observations and actions are unrolled, and the reward there is 0
        changed["rewards"] = np.where(at_end, rng.normal(size=behind.shape), fields["rewards"])
        changed["actions"] = np.where(at_end, rng.integers(3, size=behind.shape), fields["actions"])
        noise = rng.normal(size=fields["observations"].shape)
        changed["observations"] = np.where(behind[..., None], noise, fields["observations"])
    changed = {name: new.astype(fields[name].dtype) for name, new in changed.items()}
    return replace(segments, fields={**fields, **changed})


def early_ends(segments: Segments, *, terminated: bool) -> Segments:
    """Return the segments, each cut off after 1, 2, 3, ... steps, as the replay would have it."""
    rewards = segments.fields["rewards"]
    ends = 1 + np.arange(len(segments.ends)) % (rewards.shape[1] - 1)
    behind = np.arange(rewards.shape[1]) >= ends[:, None]
    return replace(
        segments,
        ends=ends,
        terminated=np.full(len(ends), terminated),
        fields={**segments.fields, "rewards": np.where(behind, 0, rewards).astype(np.float32)},
    )


def test_an_update_tells_its_figures_by_name_as_finite_tensors():
    learner = tiny_learner()
    figures = learner.update(some_segments(learner))
    assert set(figures) == FIGURES
    assert all(figure.shape == () and figure.isfinite() and not figure.requires_grad for figure in figures.values())


def test_the_loss_is_the_weighted_sum_of_its_parts():
    learner = tiny_learner()
    told = learner.update(some_segments(learner))
    policy = told["loss_policy"] - LEARNER.entropy_weight * told["policy_entropy"]
    total = 10 * told["loss_latent"] + told["loss_reward"] + 0.5 * told["loss_value"] + policy + told["target_entropy"]
    assert told["loss"].item() == pytest.approx(total.item(), rel=1e-5)


@pytest.mark.parametrize("terminated", [False, True])
def test_a_network_that_says_what_it_should_has_losses_of_0(terminated):
    learner = tiny_learner()
    segments = early_ends(some_segments(learner, batch_size=8), terminated=terminated)
    unroll = learner.bring(segments)
    targets = learner.make_targets(unroll)
    steps, support = unroll.first(LEARNER.unroll_steps), learner.network.support

    def perfect(latents, actions, *, plainly):
        said = (support.encode(steps["rewards"]), support.encode(targets.values), steps["policies"])
        reward, value, policy = ((1e-12 + shares).log() + 3.0 for shares in said)
        return Predictions(reward, targets.latents, value, policy)

    before = learner.forward(unroll, targets)[1]
    learner.network.forward = perfect
    total, figures = learner.forward(unroll, targets)
    for name in ("loss_latent", "loss_reward", "loss_value", "loss_policy"):
        assert figures[name].item() == pytest.approx(0.0, abs=1e-5)
        assert before[name] > 0.01
    floor = figures["target_entropy"] - LEARNER.entropy_weight * figures["policy_entropy"]
    assert total.item() == pytest.approx(floor.item(), abs=1e-5)
    assert before["target_entropy"] == figures["target_entropy"] > 0.1


def test_the_target_network_moves_by_the_ema_rate_towards_the_new_weights():
    learner = tiny_learner(replace(LEARNER, ema_rate=0.3))
    before = weights_of(learner.target_network)
    learner.update(some_segments(learner))
    now, goal = weights_of(learner.target_network), weights_of(learner.network)
    for name, old in before.items():
        torch.testing.assert_close(now[name], old + 0.3 * (goal[name] - old), rtol=1e-6, atol=1e-7)
        assert not torch.equal(goal[name], old), f"{name} was not trained"


def test_no_gradient_reaches_the_target_network():
    learner = tiny_learner()
    learner.update(some_segments(learner))
    assert all(weights.grad is None and not weights.requires_grad for weights in learner.target_network.parameters())


def test_only_matrices_decay():
    learner = tiny_learner(replace(NO_LOSSES, weight_decay=0.5, learning_rate=0.1))
    before = weights_of(learner.network)
    learner.update(some_segments(learner))
    for name, now in weights_of(learner.network).items():
        is_matrix = now.ndim > 1 and name != "action_table.weight"
        torch.testing.assert_close(now, before[name] * (1 - 0.1 * 0.5 if is_matrix else 1), rtol=1e-6, atol=1e-8)


def test_a_long_gradient_is_shortened_to_the_limit_and_told_as_it_was():
    learner = tiny_learner(replace(LEARNER, max_gradient_norm=0.01))
    figures = learner.update(some_segments(learner))
    lengths = torch.stack([weights.grad.norm() for weights in learner.network.parameters()])
    assert lengths.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert figures["gradient_norm"] > 0.1


def test_the_learning_rate_falls_linearly_to_its_share_and_stays_there():
    learner = tiny_learner(replace(LEARNER, learning_rate=0.02, final_learning_rate_share=0.25), total_updates=4)
    segments, rates = some_segments(learner), []
    for _ in range(6):
        learner.update(segments)
        rates.append({group["lr"] for group in learner.optimizer.param_groups})
    wanted = [0.02 * share for share in (1, 0.8125, 0.625, 0.4375, 0.25, 0.25)]
    assert [rate for (rate,) in rates] == pytest.approx(wanted)


def test_every_update_changes_the_version_of_both_networks():
    learner = tiny_learner()
    segments, versions = some_segments(learner), set()
    for _ in range(3):
        versions.add((learner.network.version, learner.target_network.version))
        learner.update(segments)
    assert len({ours for ours, _ in versions}) == len({targets for _, targets in versions}) == 3
    assert learner.network.version not in {ours for ours, _ in versions}
    assert learner.num_updates == 3


@pytest.mark.parametrize("terminated", [False, True])
def test_what_stands_where_no_step_was_taken_changes_nothing(terminated):
    learner = tiny_learner()
    twin = copy.deepcopy(learner)
    segments = early_ends(some_segments(learner, batch_size=8), terminated=terminated)
    figures = learner.update(segments)
    twins = twin.update(scribbled(segments, terminated=terminated))
    for name in FIGURES:
        torch.testing.assert_close(figures[name], twins[name], rtol=1e-6, atol=1e-7)
    for name, weights in weights_of(learner.network).items():
        torch.testing.assert_close(weights, weights_of(twin.network)[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("latent_loss", ["group_kl", "mse", "smooth_l1"])
def test_the_losses_of_one_batch_fall_when_it_is_learnt_by_heart(latent_loss):
    learner = tiny_learner(replace(LEARNER, latent_loss=latent_loss, ema_rate=0.05), total_updates=1000)
    segments = some_segments(learner, batch_size=4)
    first = learner.update(segments)
    for _ in range(40):
        last = learner.update(segments)
    for name in ("loss", "loss_reward", "loss_policy"):
        assert last[name] < 0.9 * first[name], name


def test_a_learner_without_updates_to_make_still_has_a_learning_rate():
    learner = tiny_learner(total_updates=0)
    learner.update(some_segments(learner))
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(LEARNER.learning_rate)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_with_what_to_do(number):
    learner = tiny_learner()
    learner.update(some_segments(learner))
    learner.refuse_divergence()
    with torch.no_grad():
        next(learner.network.parameters()).view(-1)[1] = number
    with pytest.raises(SearchError, match=r"after 1 updates.*not finite.*learning_rate.*0\.01"):
        learner.refuse_divergence()


def with_searches(segments: Segments, *, judged_at: int = 0) -> Segments:
    """Return segments whose rows say that searches found them to be worth 7, the end of an episode excepted."""
    is_step = np.arange(segments.fields["rewards"].shape[1]) < segments.ends[:, None]
    made_by = np.where(is_step, judged_at, -1)
    found = {"search_values": np.where(is_step, np.float32(7), 0), "judged_at": made_by, "collected_at": made_by}
    return replace(segments, fields={**segments.fields, **found})


@pytest.mark.parametrize("terminated", [False, True])
def test_with_the_values_of_searches_the_target_network_encodes_what_latents_need_and_reads_no_values(
    terminated, monkeypatch
):
    learner = tiny_learner(replace(LEARNER, bootstrap="search"))
    encoded, read = [], []
    encode, read_values = learner.target_network.encode, learner.target_network.read_values

    def watched_encode(observations):
        encoded.append(len(observations))
        return encode(observations)

    def watched_read(latents, actions, steps, **how):
        read.append(len(latents))
        return read_values(latents, actions, steps, **how)

    monkeypatch.setattr(learner.target_network, "encode", watched_encode)
    monkeypatch.setattr(learner.target_network, "read_values", watched_read)
    segments = early_ends(some_segments(learner), terminated=terminated)
    learner.update(with_searches(segments))
    num_rows = segments.fields["rewards"].shape[1]
    cut_off = [] if terminated else [len(segments.ends)]  # all of them: there the network's values stand in
    assert read == cut_off
    assert sum(encoded) == 6 * LEARNER.unroll_steps + sum(cut_off) * num_rows


def value_targets(learner, *, num_updates):
    learner.num_updates = num_updates
    segments = with_searches(some_segments(learner), judged_at=3)
    return learner.make_targets(learner.bring(segments))


@pytest.mark.parametrize(("num_updates", "is_searched"), [(9, False), (13, False), (14, True)])
def test_rows_are_worth_what_searches_found_once_they_and_the_run_are_old_enough(num_updates, is_searched):
    learner = tiny_learner(replace(LEARNER, search_value_age=10, search_value_starts=5))
    targets = value_targets(learner, num_updates=num_updates)
    assert ((targets.values == 7) & targets.is_real).any() == is_searched


def test_before_a_run_is_old_enough_no_row_is_worth_what_searches_found():
    learner = tiny_learner(replace(LEARNER, search_value_age=0, search_value_starts=5))
    assert not (value_targets(learner, num_updates=4).values == 7).any()
    assert (value_targets(learner, num_updates=5).values == 7).any()


def weighted(segments: Segments, weights: list[float]) -> Segments:
    return replace(segments, weights=np.array(weights, np.float32))


def test_a_segment_counts_as_often_as_its_weight_says():
    """Weights of 1, 1/2 and 0 make the step that each segment makes which is there twice, once and not at all."""
    drawn = some_segments(tiny_learner(), batch_size=3)
    repeated = replace(
        drawn,
        fields={name: values[[0, 0, 1]] for name, values in drawn.fields.items()},
        ends=drawn.ends[[0, 0, 1]],
        terminated=drawn.terminated[[0, 0, 1]],
    )
    learner, twin = tiny_learner(), tiny_learner()
    figures, twins = learner.update(weighted(drawn, [1, 0.5, 0])), twin.update(repeated)
    for name in FIGURES:
        torch.testing.assert_close(figures[name], twins[name], rtol=1e-4, atol=1e-6)
    for name, weights in weights_of(learner.network).items():
        torch.testing.assert_close(weights, weights_of(twin.network)[name], rtol=1e-3, atol=1e-4)
    assert twin.value_errors is None


def test_weights_are_told_and_what_they_leave_of_the_batch():
    learner = tiny_learner()
    figures = learner.update(weighted(some_segments(learner, batch_size=4), [1, 0.5, 0.25, 0.25]))
    told = {name: figures[name].item() for name in set(figures) - FIGURES}
    assert told == pytest.approx(
        {"importance_mean": 0.5, "importance_min": 0.25, "effective_batch_share": 4 / (4 * 1.375)}
    )


@pytest.mark.parametrize("terminated", [False, True])
def test_the_value_error_of_a_segment_is_the_mean_over_its_known_steps(terminated):
    learner = tiny_learner()
    segments = weighted(early_ends(some_segments(learner, batch_size=5), terminated=terminated), [1] * 5)
    unroll = learner.bring(segments)
    targets = learner.make_targets(unroll)
    steps = unroll.first(LEARNER.unroll_steps)
    with torch.no_grad():
        observations = steps["observations"]
        latents = learner.network.encode(observations.flatten(0, 1)).reshape(*observations.shape[:2], -1)
        logits = learner.network(latents, steps["actions"]).value_logits
    values = learner.network.support.decode(logits)
    wanted = []
    for row, end in enumerate(segments.ends):
        num_known = LEARNER.unroll_steps if terminated else min(end, LEARNER.unroll_steps)
        errors = [abs((values - targets.values)[row, step].item()) for step in range(num_known)]
        wanted.append(np.mean(errors))
    learner.update(segments)
    assert learner.value_errors.tolist() == pytest.approx(wanted, rel=1e-3)
    assert not learner.value_errors.requires_grad


def test_dormant_units_are_those_of_the_newest_batch_and_looking_changes_nothing():
    learner = tiny_learner()
    assert learner.dormant_shares() == {}
    twin = copy.deepcopy(learner)
    segments = some_segments(learner, batch_size=40)
    learner.update(segments)
    twin.update(segments)
    with torch.no_grad():
        for network in (learner.network, twin.network):
            network.action_head.hidden.weight[:7] = 0
            network.action_head.hidden.bias[:7] = 0
    shares = learner.dormant_shares()
    num_units = len(learner.network.action_head.hidden.bias) + len(learner.network.latent_head.hidden.bias)
    assert shares["heads"] == pytest.approx(7 / num_units)
    assert set(shares) == {"encoder", "transformer", "heads"}
    learner.update(segments)
    twin.update(segments)
    for name, weights in weights_of(learner.network).items():
        assert torch.equal(weights, weights_of(twin.network)[name])


def test_both_ways_to_compute_an_update_take_the_same_step_up_to_rounding(monkeypatch):
    entered = []
    enter = UpdateArithmetic.__enter__
    monkeypatch.setattr(UpdateArithmetic, "__enter__", lambda mode: entered.append(mode) or enter(mode))
    fast, plain = (tiny_learner(replace(LEARNER, arithmetic=arithmetic)) for arithmetic in ("fast", "plain"))
    segments = some_segments(plain)
    wanted = plain.update(segments)
    assert not entered
    found = fast.update(segments)
    assert entered
    for name, figure in wanted.items():
        torch.testing.assert_close(found[name], figure, atol=1e-4, rtol=1e-4, msg=name)
