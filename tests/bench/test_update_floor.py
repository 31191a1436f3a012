"""The products of an update are those that its network computes, and each has a time."""

from dataclasses import replace

import torch
from tests.training.samples import LEARNER, MODEL, filled_replay, tiny_learner

from kvzero.bench.floor import UpdateFloor, record_products
from kvzero.bench.floor.products import Convolution, Multiplication


def test_the_products_of_an_update_are_those_of_its_network():
    learner = tiny_learner()
    segments = filled_replay().sample(LEARNER.batch_size, num_steps=learner.segment_steps)
    with record_products() as products:
        learner.update(segments)
    embed, rows = MODEL.embed_dim, LEARNER.batch_size * LEARNER.unroll_steps
    widen = Multiplication(1, 2 * rows, embed, 4 * embed, torch.float32)
    assert products[widen] == 2  # forward, and the gradient that comes back through narrowing
    assert products[replace(widen, inner=4 * embed, columns=embed)] == 2  # narrowing, and back through widening
    assert products[Multiplication(1, 4 * embed, 2 * rows, embed, torch.float32)] == 1  # the weights of the one
    assert products[Multiplication(1, embed, 2 * rows, 4 * embed, torch.float32)] == 1  # and of the other
    num_targets = LEARNER.batch_size * LEARNER.unroll_steps  # the EMA network's last layer passes these alone
    assert products[Multiplication(1, num_targets, embed, 4 * embed, torch.float32)] >= 1


def test_convolutions_are_read_with_their_backward_passes():
    image, layer = torch.randn(3, 2, 9, 11), torch.nn.Conv2d(2, 5, 3, stride=2, padding=1)
    with record_products() as products:
        layer(image).sum().backward()
        layer(image.requires_grad_()).sum().backward()
    forward = Convolution((3, 2, 9, 11), (5, 2, 3, 3), (2, 2), (1, 1), torch.float32)
    assert products == {forward: 2, forward.backward(of_image=False): 1, forward.backward(of_image=True): 1}


def test_a_floor_is_the_sum_of_its_products_as_often_as_they_are_made():
    product = Multiplication(1, 400, 300, 200, torch.float32)
    parts = [product, replace(product, batch=3), replace(product, dtype=torch.bfloat16)]
    convolution = Convolution((3, 2, 9, 11), (5, 2, 3, 3), (2, 2), (1, 1), torch.float32)
    parts += [convolution, convolution.backward(of_image=True)]
    floor = UpdateFloor(dict.fromkeys(parts, 1), torch.device("cpu"))
    floor.measure()
    assert floor.milliseconds > 0
    for _, meter in floor._parts:
        assert 0 < meter.floor.milliseconds < floor.milliseconds


def test_all_ways_of_a_product_agree():
    """Of each product all ways give numbers of one shape, so that none is fast because it does less."""
    convolution = Convolution((3, 2, 9, 11), (5, 2, 3, 3), (2, 2), (1, 1), torch.float32)
    product = Multiplication(1, 40, 30, 20, torch.float32)
    results = [way() for way in product.ways(torch.device("cpu")).values()]
    assert len(results) == 4
    for result in results:
        torch.testing.assert_close(result, results[0], atol=1e-4, rtol=1e-4)
    assert {way().shape for way in convolution.ways(torch.device("cpu")).values()} == {(3, 5, 5, 6)}
