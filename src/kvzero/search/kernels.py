"""How a function becomes a Triton kernel; Triton is imported when the first one does."""

from collections.abc import Callable
from inspect import signature, unwrap
from typing import Any, cast

__all__ = ["kernel"]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` with Triton, once for all values of its argument `node`.

    The import hook that checks shapes wraps functions, and Triton needs what is inside.
    """
    import triton  # noqa: PLC0415  # optional

    inside = unwrap(function)
    names = [name for name in ("node",) if name in signature(inside).parameters]
    return cast("Any", triton.jit(inside, do_not_specialize=names))
