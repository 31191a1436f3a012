"""What Triton's interpreter lacks."""

import os
from importlib.util import find_spec

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def products_of_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the interpreter multiply matrices of bfloat16, which it takes for the integers of their bits (Triton 3.6)."""
    if find_spec("triton") is None or os.environ.get("TRITON_INTERPRET") != "1":
        return
    import triton.language as tl  # noqa: PLC0415  # optional
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle  # noqa: PLC0415  # optional

    def read(handle):
        if handle.dtype.scalar != tl.bfloat16:
            return handle.data
        return (handle.data.astype(np.uint32) << 16).view(np.float32)

    def create_dot(self, left, right, sums, *options):
        return TensorHandle(np.matmul(read(left), read(right)) + sums.data, sums.dtype.scalar)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)
