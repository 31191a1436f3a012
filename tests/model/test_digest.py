"""The identity of weights: what it tells apart, what it does not, and when it is worked out."""

import copy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.model.samples import SMALL, random_network
from tests.model.test_network import change_one_number, plain_step, replace_a_weight
from torch import Tensor

from kvzero.model import Network
from kvzero.model import network as network_module
from kvzero.model.digest import digest_weights


def slow_digest(weights: Mapping[str, Tensor]) -> bytes:
    """Return the hash of one long string of bytes, put together one number at a time."""
    whole = b""
    for name, tensor in sorted(weights.items()):
        numbers = b"".join(bytes(number.reshape(1).view(torch.uint8).tolist()) for number in tensor.flatten())
        for part in (name.encode(), str(tensor.dtype).encode(), str(tuple(tensor.shape)).encode(), numbers):
            whole += len(part).to_bytes(8, "little") + part
    return sha256(whole).digest()


def test_it_is_the_hash_of_all_that_is_saved():
    network = random_network(replace(SMALL, normalize_observations=True))
    assert network.digest == slow_digest(network.state_dict())
    assert len(network.digest) == 32
    assert any(name.endswith("variance") for name in network.state_dict())


NAMES = st.text("ab", max_size=2)
SHAPES = st.sampled_from([(), (0,), (2,), (1, 2), (2, 1)])
TYPES = st.sampled_from([torch.float32, torch.int32, torch.bfloat16, torch.bool])
TENSORS = st.builds(lambda shape, dtype, bit: torch.full(shape, bit, dtype=dtype), SHAPES, TYPES, st.integers(0, 1))
WEIGHTS = st.dictionaries(NAMES, TENSORS, max_size=3)


def is_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        tensor.dtype == other[name].dtype and torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


@given(WEIGHTS, WEIGHTS)
def test_two_sets_of_weights_share_a_digest_only_if_they_are_the_same(one, other):
    assert (digest_weights(one) == digest_weights(other)) == is_same(one, other)


def test_neither_order_nor_memory_layout_counts():
    matrix = torch.arange(6.0).view(2, 3)
    weights = {"a": matrix, "b": torch.zeros(4)}
    moved = {"b": torch.zeros(4), "a": matrix.T.contiguous().T}
    assert digest_weights(weights) == digest_weights(moved)
    assert digest_weights({"a": torch.tensor([0.0])}) != digest_weights({"a": torch.tensor([-0.0])})


def test_the_same_weights_have_one_digest_in_every_process():
    program = (
        "from tests.model.samples import random_network\n"
        "network = random_network()\n"
        "network.mark_changed()\n"  # its counter is another one
        "print(network.digest.hex())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=root)
    assert done.stdout.strip() == random_network().digest.hex() != random_network(seed=1).digest.hex()


def normalise_otherwise(network: Network) -> None:
    network.normaliser.take_in(torch.randn(7, 5) + network.version)
    network.mark_changed()


def assign_others(network: Network) -> None:
    network.load_state_dict(random_network(network.config, seed=1).state_dict(), assign=True)


@pytest.mark.parametrize(
    "change",
    [plain_step, change_one_number, normalise_otherwise, Network.bfloat16, assign_others, replace_a_weight],
)
def test_it_changes_with_the_weights(change):
    network = random_network(replace(SMALL, normalize_observations=True))
    before = network.digest
    change(network)
    assert network.digest == slow_digest(network.state_dict()) != before


def test_a_longer_table_of_rotations_is_no_change():
    network = random_network()
    before = network.digest
    network.transformer.positions.reserve(5_000)
    network.mark_changed()
    assert network.digest == before


def test_a_copy_does_not_take_over_a_digest_whose_version_is_that_of_another_counter():
    network = random_network()
    for _ in range(3):
        network.mark_changed()
    _ = network.digest
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.action_table.weight.add_(1)
    twin._marks += network.version - twin.version
    assert twin.version == network.version
    assert twin.digest == slow_digest(twin.state_dict())


def test_it_is_worked_out_once_for_each_version_and_only_when_asked_for(monkeypatch):
    versions = []
    monkeypatch.setattr(network_module, "digest_weights", lambda weights: versions.append(len(versions)) or b"digest")
    network = random_network()
    change_one_number(network)
    assert versions == []
    for _ in range(3):
        assert network.digest == b"digest"
    assert versions == [0]
    change_one_number(network)
    assert network.digest == b"digest"
    assert versions == [0, 1]
