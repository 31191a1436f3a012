"""What is read of a file in parts is what was written."""

import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from kvzero.replay import SavedArray
from kvzero.training.storage.saved_arrays import list_arrays


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "float32", "float64"])
def test_arrays_have_their_form_and_give_any_of_their_rows(tmp_path, dtype):
    written = np.random.default_rng(0).integers(2, size=(5, 3)).astype(dtype)
    save_file({"some": written, "none": written[:0]}, tmp_path / "file")
    arrays = list_arrays(tmp_path / "file")
    assert arrays.keys() == {"some", "none"}
    assert isinstance(arrays["some"], SavedArray)
    assert (arrays["some"].shape, arrays["none"].shape) == ((5, 3), (0, 3))
    assert arrays["some"].dtype == arrays["none"].dtype == written.dtype
    for rows in (slice(0, 5), slice(0, 1), slice(2, 4), slice(4, 5)):
        np.testing.assert_array_equal(arrays["some"][rows], written[rows])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what a process has mapped")
def test_a_file_is_not_held_in_memory_between_two_reads(tmp_path):
    save_file({"some": np.arange(6)}, tmp_path / "file")
    arrays = list_arrays(tmp_path / "file")
    arrays["some"][0:6]
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
