"""How a plain annotated function becomes machine code: with numba, whether or not shapes are being checked."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["call_address", "compiled"]

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

    While a kernel runs, other Python threads may: it releases the interpreter's lock.
    """
    return cast("Kernel", njit(cache=True, error_model="numpy", inline="always", nogil=True)(unwrap(kernel)))


def _call(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at an address, which returns nothing, with a tuple of integers (addresses or `int64_t`)."""
    del typing_context, address

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> None:
        del context
        count = signature.args[1].count
        function = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * count)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        builder.call(pointer, [builder.extract_value(values[1], place) for place in range(count)])

    numbers = types.UniTuple(types.int64, arguments.count)  # type: ignore[no-untyped-call]
    return types.void(types.int64, numbers), generate


# For kernels only. A function object of ctypes would do too, but machine code that holds one cannot be kept on disk.
call_address = cast("Callable[[int, tuple[int, ...]], None]", intrinsic(_call))
