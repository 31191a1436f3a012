"""Predictions through a `WorldModel` equal one uncached forward pass, with both cache systems and both positions."""

import pytest
import torch
from tests.compat.unizero.world_models import ACTIONS, EMBED, ENVS, FEATURES, SIMULATIONS, Player, build, draw
from tests.equivalence.reference import Path

from kvzero.errors import StaleContextError

BOTH_CACHES = pytest.mark.parametrize("use_new_cache_manager", [True, False], ids=["managed", "by_hand"])
BOTH_POSITIONS = pytest.mark.parametrize("rotary_emb", [True, False], ids=["rotary", "learned"])
TOLERANCE = 1e-5


@BOTH_CACHES
@BOTH_POSITIONS
@pytest.mark.parametrize("context_length", [4, 8])
@torch.no_grad()
def test_every_answer_equals_one_uncached_forward(use_new_cache_manager, rotary_emb, context_length):
    changes = {"use_new_cache_manager": use_new_cache_manager, "rotary_emb": rotary_emb}
    model = build(**changes, context_length=context_length, embed_pdrop=0.3, resid_pdrop=0.3, attn_pdrop=0.3)
    assert model.training
    player, longest = Player(model), 0
    for _ in range(14):
        envs = player.some_envs()
        player.search(envs, player.observe(envs))
        longest = max(longest, *(2 * len(path.latents) - 1 for path in player.paths.values()))
    assert player.worst <= TOLERANCE
    assert longest > context_length
    stats = model.cache_stats()
    assert sum(pool.misses for pool in stats.values()) == 0
    assert sum(pool.hits for pool in stats.values()) > 14 * SIMULATIONS


@BOTH_CACHES
@BOTH_POSITIONS
@torch.no_grad()
def test_a_missed_context_is_begun_from_the_latent_alone_and_counted(use_new_cache_manager, rotary_emb):
    model = build(use_new_cache_manager=use_new_cache_manager, rotary_emb=rotary_emb, game_segment_length=1)
    player = Player(model)
    envs = [2, 0]
    latents = [player.observe(envs, ends=0.0) for _ in range(3)][-1]
    model.clear_caches()
    found = model.forward_recurrent_inference([(latents, [1, 2])], 0, start_pos=[7, 2], env_ids=envs)
    for row, action in enumerate([1, 2]):
        reward, latent = Path(model.network, [latents[row]]).step(action)
        player.compare(found.rewards[row], reward)
        player.compare(found.latent_state[row], latent)
    assert player.worst <= TOLERANCE
    assert model.cache_stats()["recur"].misses == 2


@BOTH_CACHES
@BOTH_POSITIONS
@torch.no_grad()
def test_changed_weights_empty_the_caches_and_an_episode_goes_on_from_what_was_shown_before(
    use_new_cache_manager, rotary_emb
):
    model = build(use_new_cache_manager=use_new_cache_manager, rotary_emb=rotary_emb)
    seen = draw(3, ENVS, FEATURES)
    model.forward_initial_inference(seen[0])
    model.forward_initial_inference({"current_obs": seen[1], "action": [2, 0, 1, 1]})
    model.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    request = {"current_obs": seen[2], "action": torch.tensor([[1], [2], [0], [0]])}
    with pytest.raises(StaleContextError, match=r"contexts of environments \[0, 1, 2, 3\] are gone.*give obs"):
        model.forward_initial_inference(request)
    found = model.forward_initial_inference(request | {"obs": seen[1]})
    for row, action in enumerate([1, 2, 0, 0]):
        path = Path(model.network)
        path.see(seen[1, row].numpy(), None)
        path.see(seen[2, row].numpy(), action)
        torch.testing.assert_close(found.policy_logits[row], path.read()[1], atol=TOLERANCE, rtol=0)
    assert sum(pool.misses for pool in model.cache_stats().values()) == 2 * ENVS  # of the refused attempt and of this


@BOTH_CACHES
@BOTH_POSITIONS
@torch.no_grad()
def test_unequal_lengths_side_by_side_answer_as_each_alone(use_new_cache_manager, rotary_emb):
    changes = {"use_new_cache_manager": use_new_cache_manager, "rotary_emb": rotary_emb}
    together, alone = build(**changes), build(**changes)
    seen, ages = draw(4, 3, FEATURES), [4, 1, 3]
    latents = []
    for env, age in enumerate(ages):
        for step in range(age):
            request = {"current_obs": seen[step, env][None], "action": [step % ACTIONS if step else -1]}
            found = together.forward_initial_inference(request, env_ids=[env])
            alone.forward_initial_inference(request, env_ids=[env])
        latents.append(found.latent_state[0])
    states, actions = torch.stack(latents), [2, 0, 1]
    sizes = together.retrieve_or_generate_kvcache(states, 3, 0, 0, [0, 0, 0])
    window = together.trim_and_pad_kv_cache(is_init_infer=False)
    assert window.keys_values.shape[:2] == (3, max(sizes))
    assert window.is_valid is not None
    assert window.is_valid.sum(1).tolist() == sizes
    assert len(set(sizes)) > 1
    for row, (context, size) in enumerate(zip(together.keys_values_wm_list, sizes, strict=True)):
        assert torch.equal(window.keys_values[row, -size:], context.keys_values[-size:])
        assert not window.keys_values[row, :-size].any()
    found = together.forward_recurrent_inference([(states, actions)], 0)
    for env in range(3):
        single = alone.forward_recurrent_inference([(states[env : env + 1], actions[env : env + 1])], 0, env_ids=[env])
        for name in ("rewards", "latent_state", "values", "policy_logits"):
            wanted = getattr(single, name)[0]
            torch.testing.assert_close(getattr(found, name)[env], wanted, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_where_an_episode_began_to_be_counted_makes_no_difference():
    model = build(rotary_emb=True)
    late, early = (
        model.forward_initial_inference(draw(2, FEATURES), start_pos=start_pos) for start_pos in ([900, 1], 0)
    )
    torch.testing.assert_close(late.values, early.values, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("key_mode", "is_exact"), [("path", True), ("latent", False)])
@torch.no_grad()
def test_two_histories_with_one_latent_collide_under_latent_keys_and_not_under_paths(key_mode, is_exact):
    model = build(key_mode=key_mode)
    model.network.action_head.second.weight.zero_()  # untrained: whatever is done leads to one and the same latent
    seen, actions, then = draw(ENVS, FEATURES), [0, 1, 2, 2], [1] * ENVS
    roots = model.forward_initial_inference(seen).latent_state
    child = model.forward_recurrent_inference([(roots, actions)], 0).latent_state
    assert torch.equal(child, child[:1].expand(ENVS, EMBED))
    found = model.forward_recurrent_inference([(roots, actions), (child, then)], 1, [1] * ENVS)
    worst = 0.0
    for env, action in enumerate(actions):
        path = Path(model.network)
        path.see(seen[env].numpy(), None)
        path.step(action)
        path.step(then[env])
        worst = max(worst, float((found.policy_logits[env] - path.read()[1]).abs().max()))
    assert (worst <= TOLERANCE) == is_exact
