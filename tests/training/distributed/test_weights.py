"""Weights go out once for each version, and only the two newest are held."""

import gc
import weakref

import torch
from tests.training.samples import tiny_network

from kvzero.training.distributed.weights import WeightsBoard


class Reference:
    """Stands for weights in an object store."""

    def __init__(self, weights):
        self.weights = weights


def change(network):
    with torch.no_grad():
        network.action_table.weight.add_(1.0)


def test_weights_are_put_out_once_for_each_version():
    network, put = tiny_network(), []
    board = WeightsBoard(lambda weights: put.append(weights) or Reference(weights))
    for num_updates in range(3):
        for _ in range(2):
            board.look(network, num_updates)
            board.give(network)
        change(network)
    assert [(weights.version, weights.num_updates) for weights in put] == [(1, 0), (2, 1), (3, 2)]


def test_what_is_not_asked_for_is_not_put_out():
    network, put = tiny_network(), []
    board = WeightsBoard(put.append)
    for _ in range(3):
        board.look(network, 0)
        change(network)
    assert board.version == 3
    assert not put


def test_only_the_two_newest_are_held():
    network, alive = tiny_network(), []

    def put(weights):
        reference = Reference(weights)
        alive.append(weakref.ref(reference))
        return reference

    board = WeightsBoard(put)
    for num_updates in range(4):
        board.look(network, num_updates)
        board.give(network)
        change(network)
    gc.collect()
    assert [each() is not None for each in alive] == [False, False, True, True]


def test_a_network_takes_them_over_as_another_version():
    ours, theirs, given = tiny_network(0), tiny_network(1), []
    board = WeightsBoard(given.append)
    board.look(ours, 0)
    board.give(ours)
    for array in given[0].arrays.values():
        array.flags.writeable = False
    version = theirs.version
    theirs.load_arrays(given[0].arrays)
    assert theirs.version != version
    assert theirs.digest == ours.digest
