"""Codecs: what comes back, how far off it is, in how many bytes, and what becomes of numbers that cannot be written."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from kvzero.cache import ContextLayout, coded_context_bytes, from_bytes, is_lossy, read_codec, to_bytes
from kvzero.cache.codecs import CODECS
from kvzero.errors import CacheError, ConfigError

LAYOUT = ContextLayout(num_layers=2, num_heads=3, head_dim=16, context_tokens=4)
SLIDING = ContextLayout(num_layers=2, num_heads=3, head_dim=96, context_tokens=8, is_sliding=True)
SMALL, LARGE = st.floats(-65_504, 65_504, width=32), st.floats(-(2.0**99), 2.0**99, width=32)
ANY = st.floats(width=32)


def tensors(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[torch.Tensor]:
    """Return tensors of a few vectors."""
    vectors = st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=4)
    )
    return vectors.map(lambda rows: torch.from_numpy(np.array(rows, np.float32)))


def back(codec: str, numbers: torch.Tensor) -> torch.Tensor:
    return from_bytes(codec, to_bytes(codec, numbers), numbers.shape, numbers.dtype)


def slow_bytes(vector: list[float]) -> list[float]:
    """Return what int8 makes of one vector, number by number."""
    if not np.isfinite(vector).all():
        return [np.nan] * len(vector)
    scale = torch.tensor(np.float32(max(map(abs, vector))) / np.float32(127)).bfloat16().item()
    if scale < torch.finfo(torch.bfloat16).tiny:
        return [0.0] * len(vector)
    steps = [min(max(round(float(np.float32(number) / np.float32(scale))), -127), 127) for number in vector]
    return [float(np.float32(step) * np.float32(scale)) for step in steps]


@given(tensors(ANY))
def test_none_writes_every_bit(numbers):
    assert to_bytes("none", numbers) == numbers.numpy().tobytes()
    assert back("none", numbers).numpy().tobytes() == numbers.numpy().tobytes()


@given(tensors(ANY))
def test_float16_is_what_numpy_rounds_to(numbers):
    with np.errstate(over="ignore"):
        wanted = numbers.numpy().astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(back("float16", numbers).numpy(), wanted)


@given(tensors(SMALL))
def test_float16_is_off_by_one_part_in_2048(numbers):
    error = (back("float16", numbers) - numbers).abs()
    assert (error <= (numbers.abs() / 2048).clamp(min=3e-8)).all()


@given(numbers=tensors(ANY))
@example(numbers=torch.tensor([[1.75e-36, 1e-37], [1.3e-36, -2e-38], [1e-45, 0.0]]))
def test_int8_is_what_a_loop_over_numbers_makes(numbers):
    wanted = [slow_bytes(vector) for vector in numbers.reshape(-1, numbers.shape[-1]).tolist()]
    np.testing.assert_array_equal(back("int8", numbers).numpy(), np.array(wanted, np.float32).reshape(numbers.shape))


@given(tensors(LARGE))
def test_int8_is_off_by_one_part_in_253_of_the_largest_of_a_vector(numbers):
    largest = numbers.abs().amax(-1, keepdim=True)
    error = (back("int8", numbers) - numbers).abs()
    assert (error <= (largest / 252.9).clamp(min=1.5e-36)).all()


@given(tensors(LARGE))
def test_int8_of_bfloat16_is_off_by_one_part_in_126_of_the_largest_of_a_vector(numbers):
    numbers = numbers.bfloat16()
    largest = numbers.abs().amax(-1, keepdim=True)
    error = (back("int8", numbers).double() - numbers.double()).abs()
    assert (error <= (largest.double() / 126).clamp(min=1.5e-36)).all()


def test_int8_of_bfloat16_is_off_by_more_than_of_float32():
    numbers = torch.randn(100, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    error = (back("int8", numbers).double() - numbers.double()).abs() / numbers.double().abs().amax(-1, keepdim=True)
    assert 1 / 253 < error.max() < 1 / 126


@given(codec=st.sampled_from(list(CODECS)), numbers=st.one_of(tensors(SMALL), tensors(LARGE)))
@example(codec="int8", numbers=torch.tensor([[1e-45]]))
@example(codec="int8", numbers=torch.tensor([[1.75e-36, 1e-37], [1.3e-36, -2e-38]]))
def test_what_was_read_is_written_the_same_again(codec, numbers):
    """So a context that is read, grown and written many times is rounded once."""
    assert to_bytes(codec, back(codec, numbers)) == to_bytes(codec, numbers)


def test_what_cannot_be_written_comes_back_as_what_is_no_number_and_never_as_another():
    nan, inf = float("nan"), float("inf")
    numbers = torch.tensor([[1.0, nan, 2.0], [3.0, -inf, 4.0], [0.0, -0.0, 0.0], [7e4, 5.0, 6.0]])
    assert back("float16", numbers).tolist()[1:] == [[3, -inf, 4], [0, 0, 0], [inf, 5, 6]]
    assert back("float16", numbers)[0].isnan().tolist() == [False, True, False]
    bytes_back = back("int8", numbers)
    assert bytes_back[:2].isnan().all()
    assert bytes_back[2].tolist() == [0, 0, 0]
    assert bytes_back[3].isfinite().all()
    assert back("int8", torch.tensor([1e300, 1.0], dtype=torch.float64)).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("codec", list(CODECS))
def test_numbers_come_back_in_their_type_and_with_a_memory_of_their_own(codec, dtype):
    if codec == "float16" and dtype is torch.bfloat16:
        return  # refused, as the test of refusals says
    numbers = torch.linspace(-1, 1, 30, dtype=dtype).reshape(2, 3, 5)
    found = back(codec, numbers)
    assert found.dtype == dtype
    torch.testing.assert_close(found, numbers, atol=0.01, rtol=0)
    found.zero_()
    assert numbers.abs().sum() > 0


@pytest.mark.parametrize(
    ("codec", "layout", "num_bytes"),
    [
        ("none", LAYOUT, 4 * 2 * 2 * 48 * 4),
        ("float16", LAYOUT, 4 * 2 * 2 * 48 * 2),
        ("int8", LAYOUT, 4 * 2 * 2 * (48 + 3 * 2)),  # 3.6 times less
        ("int8", SLIDING, 8 * 2 * 2 * (288 + 3 * 2) + 8 * (288 + 2)),  # 3.9 times less
    ],
)
def test_a_context_takes_as_many_bytes_as_its_sizes_say(codec, layout, num_bytes):
    assert coded_context_bytes(codec, layout, torch.float32) == num_bytes
    written = to_bytes(codec, torch.zeros(layout.context_shape))
    if layout.is_sliding:
        written += to_bytes(codec, torch.zeros(layout.context_tokens, layout.embed_dim))
    assert len(written) == num_bytes
    assert coded_context_bytes("none", layout, torch.float32) == layout.context_bytes(torch.float32)


@pytest.mark.parametrize("codec", list(CODECS))
@pytest.mark.parametrize("change", [-1, 1])
def test_a_byte_too_few_or_too_many_is_refused(codec, change):
    written = to_bytes(codec, torch.ones(2, 3, 5))
    wrong = written[:change] if change < 0 else written + b"x"
    with pytest.raises(CacheError, match=rf"{len(wrong)} bytes were given for \(2, 3, 5\) .* it takes {len(written)}"):
        from_bytes(codec, wrong, (2, 3, 5), torch.float32)


def test_codecs_that_there_are_not_or_that_gain_nothing_are_refused():
    with pytest.raises(ConfigError, match="codec is 'zip'; choose one of none, float16, int8"):
        read_codec("zip", torch.float32)
    with pytest.raises(ConfigError, match=r"float16, which makes nothing of torch\.bfloat16 smaller; choose int8"):
        read_codec("float16", torch.bfloat16)


def test_all_but_none_lose_something():
    assert [codec for codec in CODECS if not is_lossy(codec)] == ["none"]
