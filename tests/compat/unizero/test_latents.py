"""Contexts from latents alone: in whatever form they are given, and found exactly or missed."""

import tracemalloc

import numpy as np
import pytest
import torch
from tests.compat.unizero.world_models import ACTIONS, EMBED, ENVS, FEATURES, SIMULATIONS, build, draw
from tests.unchecked import outcomes_of

from kvzero import KeysValues, WorldModel
from kvzero.cache import ContextBatch, make_keys
from kvzero.compat.unizero.handles import Handles
from kvzero.compat.unizero.padded_contexts import ContextRows, Handle
from kvzero.errors import ConfigError

BOTH_CACHES = pytest.mark.parametrize("use_new_cache_manager", [True, False], ids=["managed", "by_hand"])
FORMS = {
    "tensor": lambda latents: latents,
    "tensor of tokens": lambda latents: latents[:, None],
    "array": lambda latents: latents.numpy(),
    "array of tokens": lambda latents: latents[:, None].numpy(),
    "list of arrays": lambda latents: [latent[None].numpy() for latent in latents],
    "list of tensors": lambda latents: [latent[None] for latent in latents],
    "list of vectors": lambda latents: list(latents.numpy()),
    "array of doubles": lambda latents: latents.numpy().astype(np.float64),
}


def totals(model: WorldModel) -> tuple[int, int]:
    stats = model.cache_stats().values()
    return sum(pool.hits for pool in stats), sum(pool.misses for pool in stats)


def keep(model: WorldModel, latents: object, num_rows: int, *, is_init_infer: bool = True) -> None:
    model.retrieve_or_generate_kvcache(latents, num_rows)
    model.trim_and_pad_kv_cache(is_init_infer=is_init_infer)
    model.update_cache_context(latents, is_init_infer=is_init_infer)


@BOTH_CACHES
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_latents_mean_the_same_in_every_form(use_new_cache_manager, form, key_mode):
    model, latents = build(use_new_cache_manager=use_new_cache_manager, key_mode=key_mode), draw(3, EMBED)
    given = FORMS[form](latents)
    keep(model, given, 3)
    assert totals(model) == (0, 3)
    starts = torch.zeros(3, 1, dtype=torch.long)
    assert model.retrieve_or_generate_kvcache(latents, ready_env_num=3, start_pos=starts) == [1, 1, 1]
    assert totals(model) == (3, 3)
    found = model.forward_recurrent_inference([(given, [0, 1, 2])], 0)
    wanted = model.forward_recurrent_inference([(latents, [0, 1, 2])], 0)
    assert torch.equal(found.latent_state, wanted.latent_state)


@pytest.mark.parametrize(
    "latents", [draw(EMBED), draw(3, 2, EMBED), draw(3, 1, EMBED + 1), draw(3, 1, 1, EMBED), draw(0, EMBED)]
)
def test_latents_of_another_shape_are_refused(latents):
    with pytest.raises(ConfigError, match=f"latents are .* rows, of shape .*{EMBED} numbers"):
        build().retrieve_or_generate_kvcache(latents, 3)


def test_what_is_no_latent_is_refused_in_words():
    preamble = (
        "from tests.compat.unizero.world_models import build\n"
        "model = build()\n"
        "def retrieve(latents):\n    return model.retrieve_or_generate_kvcache(latents, 1)\n"
    )
    calls = ["retrieve('latent')", "retrieve([None])", "retrieve(7)", "retrieve([])"]
    for call, outcome in outcomes_of(preamble, calls).items():
        assert outcome.startswith("ConfigError: latents are "), call


@BOTH_CACHES
@torch.no_grad()
def test_roots_and_nodes_are_found_by_their_latents_alone_in_both_levels(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    first = model.forward_initial_inference(draw(2, FEATURES)).latent_state
    root = model.forward_initial_inference({"current_obs": draw(2, FEATURES, seed=1), "action": [1, 2]}).latent_state
    node = model.forward_recurrent_inference([(root, [0, 2])], 0).latent_state
    hits, misses = totals(model)
    for latents, size, index in ((first, 1, None), (root, 3, [0, 0]), (node, 3, [1, 1])):
        assert model.retrieve_or_generate_kvcache(latents, ready_env_num=2) == [size, size]
        by_latent = [context.clone() for context in model.keys_values_wm_list]
        if index is not None:
            model.retrieve_or_generate_kvcache(latents, 2, 0, 0, index)
            for mine, its in zip(by_latent, model.keys_values_wm_list, strict=True):
                assert torch.equal(mine.keys_values, its.keys_values)
    assert totals(model) == (hits + 10, misses)
    assert [pool.hits for pool in model.cache_stats().values()][:2] == [5, 5]


@BOTH_CACHES
@torch.no_grad()
def test_a_latent_that_two_histories_lead_to_is_missed_with_path_keys(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager)
    model.network.action_head.second.weight.zero_()  # untrained: whatever is done leads to one and the same latent
    roots = model.forward_initial_inference(draw(2, FEATURES)).latent_state
    child = model.forward_recurrent_inference([(roots, [0, 1])], 0).latent_state
    assert model.retrieve_or_generate_kvcache(child, 2) == [3, 3]
    model.forward_recurrent_inference([(roots, [1, 1])], 1, [0, 0])
    _, misses = totals(model)
    assert model.retrieve_or_generate_kvcache(child, 2) == [1, 3]
    assert totals(model)[1] == misses + 1
    keep(model, child, 2)
    assert model.retrieve_or_generate_kvcache(child, 2) == [1, 3]
    assert totals(model)[1] == misses + 3


class Asker:
    """Plays and searches at random, remembers every context, and asks for them by their latents alone."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model
        self.rng = np.random.default_rng(0)
        self.roots: list[list[tuple[torch.Tensor, KeysValues]]] = [[] for _ in range(ENVS)]
        self.nodes: list[list[tuple[torch.Tensor, KeysValues]]] = []
        self.hits = self.misses = 0

    def play(self) -> torch.Tensor:
        actions = [int(self.rng.integers(-1, ACTIONS)) if roots else -1 for roots in self.roots]
        seen = torch.from_numpy(self.rng.normal(size=(ENVS, FEATURES)).astype(np.float32))
        request = {"current_obs": seen, "action": actions, "obs": seen}
        latents = self.model.forward_initial_inference(request).latent_state
        for env, context in enumerate(self.model.keys_values_wm_list):
            self.roots[env] = [*(self.roots[env] if actions[env] >= 0 else []), (latents[env], context.clone())]
        return latents

    def search(self, latents: torch.Tensor) -> None:
        found, self.nodes = [latents], [[] for _ in range(ENVS)]
        for simulation in range(SIMULATIONS):
            parents = self.rng.integers(len(found), size=ENVS).tolist()
            states = torch.stack([found[parent][env] for env, parent in enumerate(parents)])
            actions = self.rng.integers(ACTIONS, size=ENVS)
            found.append(self.model.forward_recurrent_inference([(states, actions)], simulation, parents).latent_state)
            for env, context in enumerate(self.model.keys_values_wm_list):
                self.nodes[env].append((found[-1][env], context.clone()))
            self.ask()

    def ask(self, *, keeps: bool = False) -> None:
        """Look up every context of these episodes and this search; keep as nodes what was made anew, if told to."""
        for env in range(ENVS):
            for latent, context in (*self.roots[env], *self.nodes[env]):
                hits, _ = totals(self.model)
                [size] = self.model.retrieve_or_generate_kvcache(latent[None], 1, env_ids=[env])
                if totals(self.model)[0] > hits:
                    self.hits += 1
                    found = self.model.keys_values_wm_list[0]
                    assert size == context.size
                    wanted = context.keys_values[-size:]  # one path passed twice differs by rounding
                    torch.testing.assert_close(found.keys_values[-size:], wanted, atol=1e-5, rtol=0)
                else:
                    self.misses += 1
                    assert size == 1
                    if keeps:
                        self.model.trim_and_pad_kv_cache(is_init_infer=False)
                        self.model.update_cache_context(latent[None], is_init_infer=False)


@BOTH_CACHES
@pytest.mark.parametrize("is_untrained", [True, False])
@torch.no_grad()
def test_latents_alone_are_answered_exactly_or_missed(use_new_cache_manager, is_untrained):
    model = build(use_new_cache_manager=use_new_cache_manager, game_segment_length=3, max_cache_size=7)
    if is_untrained:
        model.network.action_head.second.weight.zero_()  # whatever is done leads to one and the same latent
    asker = Asker(model)
    for _ in range(6):
        asker.search(asker.play())
        asker.ask(keeps=True)
        asker.ask()
    assert asker.hits > 100
    assert asker.misses > 100


def one_row(env: int, handle: Handle) -> ContextRows:
    return ContextRows([env], [handle], ContextBatch(torch.zeros(1, 6, 2, 2, 2, 8), np.zeros(1, np.int64)))


@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_what_latents_lead_to_is_known_as_by_a_table_of_all_handles(key_mode):
    """Against a table that keeps every handle: a few latents, keys and lengths, and whatever is held."""
    rng, handles, table = np.random.default_rng(0), Handles(make_keys(key_mode), is_sliding=False), {}
    latents, answers = draw(4, EMBED), set()
    starts = [handles.start(env, b"weights", 0) for env in range(2)]
    for _ in range(600):
        env, number, is_root = int(rng.integers(2)), int(rng.integers(4)), bool(rng.integers(2))
        [alone] = handles.alone([starts[env]], latents[number : number + 1])
        key = [alone.key, 2**64 - 1, 0][rng.integers(3)] if key_mode == "path" else alone.key
        handle = Handle(key, int(rng.integers(1, 5000)), alone.latent)
        if rng.random() < 0.1:
            handles.forget_env(env)
            table = {place: known for place, known in table.items() if place[0] != env}
        elif rng.random() < 0.2:
            handles.remember(one_row(env, handle), node=0 if is_root else 3)
            table.setdefault((env, number, is_root), {})[key] = handle
        known = table.get((env, number, True), {}) | table.get((env, number, False), {})
        held = {key for key in known if rng.random() < 0.7}
        found = handles.of_latent(env, alone, latents[number], is_held=lambda _, key, held=held: key in held)
        if len(known) > 1:
            assert found.key not in {alone.key, *known}
            answers.add("several")
        else:
            assert found == next((known[key] for key in held), alone)
            answers.add("one" if held else "none")
    assert answers == ({"several", "one", "none"} if key_mode == "path" else {"one", "none"})


@pytest.mark.parametrize(("num_latents", "most_bytes"), [(2_000, 256 * 2_000), (10, 8_000)])
def test_an_episode_that_never_ends_keeps_one_number_for_each_latent(num_latents, most_bytes):
    handles = Handles(make_keys("path"), is_sliding=False)
    tracemalloc.start()
    for step in range(2_000):
        handle = Handle(2**63 + step, 2 * step + 1, 2**63 + step % num_latents)
        handles.remember(one_row(0, handle), node=0)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < most_bytes


@BOTH_CACHES
def test_with_latent_keys_the_last_context_under_a_latent_is_given_whoever_kept_it(use_new_cache_manager):
    model = build(use_new_cache_manager=use_new_cache_manager, key_mode="latent")
    same = draw(1, EMBED).expand(2, EMBED)
    keep(model, same, 2, is_init_infer=False)
    assert model.cache_stats()["recur"].size == 1
    assert model.retrieve_or_generate_kvcache(same, 2) == [1, 1]
    assert totals(model) == (2, 2)


@BOTH_CACHES
@pytest.mark.parametrize("key_mode", ["path", "latent"])
def test_the_order_of_calls_of_the_report_ends_in_hits(use_new_cache_manager, key_mode):
    model = build(use_new_cache_manager=use_new_cache_manager, key_mode=key_mode)
    latents = [latent[None].numpy() for latent in draw(ENVS, EMBED)]
    for is_init_infer in (True, False):
        hits, misses = totals(model)
        model.retrieve_or_generate_kvcache(latents, ENVS, start_pos=torch.zeros(ENVS, 1, dtype=torch.long))
        model.trim_and_pad_kv_cache(is_init_infer=is_init_infer)
        model(torch.from_numpy(np.stack(latents)), torch.zeros(ENVS, 1, dtype=torch.long))
        model.update_cache_context(np.stack(latents), is_init_infer=is_init_infer)
        model.retrieve_or_generate_kvcache(latents, ENVS, start_pos=torch.zeros(ENVS, 1, dtype=torch.long))
        assert sum(totals(model)) == hits + misses + 2 * ENVS
        assert totals(model)[0] >= hits + ENVS
    assert totals(model) == (3 * ENVS, ENVS)


def test_changed_weights_forget_which_latents_led_where():
    model, latents = build(), draw(2, EMBED)
    keep(model, latents, 2)
    with torch.no_grad():
        model.network.transformer.layers[0].attention.project.weight.mul_(1.1)
    keep(model, latents, 2)
    assert model.retrieve_or_generate_kvcache(latents, 2) == [1, 1]
    assert totals(model) == (2, 4)
