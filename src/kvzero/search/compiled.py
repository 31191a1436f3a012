"""How a plain annotated function becomes machine code: with numba, whether or not shapes are being checked."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile `kernel` when it is first called, and keep the machine code on disk for the next process.

    The import hook that checks shapes in tests wraps every annotated function, below all other decorators; numba cannot
    compile that wrapper, so it is given the function inside. Annotations of kernels are read by mypy and by people;
    what enters a kernel is checked by the Python function that calls it.

    Kernels that a kernel calls are inlined: passing the trees on would count references to each of their arrays, which
    takes longer than the search itself. Division by zero gives infinity as in NumPy, without a test at each division.

    numba renews its machine code when the file of the kernel changes, and only then. What a kernel calls or takes
    apart, another kernel or a named tuple of arrays, must stand in the same file; after a change here, `make clean`.
    """
    return cast("Kernel", njit(cache=True, error_model="numpy", inline="always")(unwrap(kernel)))
