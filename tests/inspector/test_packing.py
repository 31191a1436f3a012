"""Arrays come out of their text as they went in, in the smallest type of integers that holds them."""

from base64 import b64decode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kvzero.inspector.packing import pack

TYPES = {f"{kind}{8 * size}Array": np.dtype(f"<{letter}{size}")
         for kind, letter, sizes in (("Int", "i", (1, 2, 4)), ("Uint", "u", (1, 2, 4)), ("Float", "f", (4, 8)))
         for size in sizes}  # fmt: skip


def unpack(packed: dict[str, object]) -> np.ndarray:
    return np.frombuffer(b64decode(packed["data"]), TYPES[packed["type"]]).reshape(packed["shape"])


@given(
    hnp.arrays(
        st.sampled_from([np.int32, np.uint16, np.bool_, np.float32, np.float64]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    )
)
def test_an_array_comes_back(array: np.ndarray) -> None:
    found = unpack(pack({"name": array})["name"])
    np.testing.assert_array_equal(found, array)
    assert found.dtype.itemsize <= array.dtype.itemsize


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([-1, 50], "Int8Array"),
        ([0, 255], "Uint8Array"),
        ([-1, 255], "Int16Array"),
        ([0, 300], "Uint16Array"),
        ([-1, 70_000], "Int32Array"),
    ],
)
def test_integers_take_no_more_bytes_than_they_need(numbers: list[int], kind: str) -> None:
    assert pack({"name": np.array(numbers)})["name"]["type"] == kind
