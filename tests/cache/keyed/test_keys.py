"""Keys: what they tell apart, what they do not, and that every process makes the same ones."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kvzero.cache import hash_state, make_keys, start_key

LATENTS = torch.tensor([[0.5, -1.0, 2.0], [0.25, 0.0, 1.0], [0.5, -1.0, 2.0]])


def test_the_hash_of_a_state_is_that_of_its_bits():
    assert hash_state(LATENTS[0]) == hash_state(LATENTS[2].clone()) != hash_state(LATENTS[1])
    assert hash_state(torch.tensor([0.0])) != hash_state(torch.tensor([-0.0]))
    assert hash_state(LATENTS[0]) != hash_state(LATENTS[0].nextafter(torch.tensor(9.0)))
    assert 0 <= hash_state(LATENTS[0]) < 2**64
    assert hash_state(LATENTS.T[0]) == hash_state(LATENTS.T[0].contiguous())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_numbers_of_every_type_are_hashed(dtype):
    assert hash_state(LATENTS[0].to(dtype)) == hash_state(LATENTS[2].to(dtype)) != hash_state(LATENTS[1].to(dtype))


def test_every_process_makes_the_same_keys():
    program = (
        "import torch; from kvzero.cache import hash_state, make_keys\n"
        "latents = torch.tensor([[0.5, -1.0]])\n"
        "print(hash_state(latents[0]), make_keys('path').begin([3], lambda: b'weights', latents)[0])"
    )
    runs = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1
    assert runs.pop().split()[0].decode() == str(hash_state(torch.tensor([0.5, -1.0])))


def test_a_path_key_tells_parents_actions_latents_environments_and_weights_apart():
    keys = make_keys("path")
    roots = [*keys.begin([0, 1, 0], lambda: b"4", LATENTS), *keys.begin([0], lambda: b"5", LATENTS[:1])]
    roots += keys.begin([0], lambda: b"4", LATENTS[:1])
    children = keys.follow([9, 9, 9, 8], [0, 1, 0, 0], LATENTS[[0, 0, 1, 0]])
    assert len({*roots, *children}) == len(roots) + len(children)
    assert keys.follow([9], [0], LATENTS[:1]) == children[:1]


def refuse() -> bytes:
    raise AssertionError("all weights were hashed for nothing")


def test_a_latent_key_knows_the_latent_alone_and_asks_for_no_digest_of_weights():
    keys = make_keys("latent")
    first, other, again = keys.begin([0, 1, 2], refuse, LATENTS)
    assert first == again == hash_state(LATENTS[0]) != other
    assert keys.follow([first, other], [0, 1], LATENTS[[0, 2]]) == [first, first]


def test_the_same_chain_of_other_weights_shares_no_key():
    one, other, again = (
        walk_from(make_keys("path").begin([0], lambda weights=weights: weights, LATENTS[:1])[0])
        for weights in (b"1" * 32, b"2" * 32, b"1" * 32)
    )
    assert set(one).isdisjoint(other)
    assert one == again


def walk_from(key: int) -> list[int]:
    """Return the keys of a chain from `key` on."""
    keys, chain = make_keys("path"), [key]
    for latent in LATENTS:
        chain += keys.follow(chain[-1:], [1], latent[None])
    return chain


@given(st.tuples(st.integers(-9, 9), st.binary(max_size=3), st.integers(-9, 9)), st.data())
def test_two_starts_are_the_same_only_if_all_of_their_parts_are(parts, data):
    others = data.draw(st.tuples(st.integers(-9, 9), st.binary(max_size=3), st.integers(-9, 9)))
    assert (start_key(*parts) == start_key(*others)) == (parts == others)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12), st.data())
def test_two_paths_share_a_key_only_if_they_are_the_same(steps, data):
    keys, latents = make_keys("path"), torch.eye(3)
    changed = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12))

    def walk(path: list[tuple[int, int]]) -> int:
        key = 17
        for action, latent in path:
            key = keys.follow([key], [action], latents[latent : latent + 1])[0]
        return key

    assert (walk(steps) == walk(changed)) == (steps == changed)
