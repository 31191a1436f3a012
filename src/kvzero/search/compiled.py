"""How a plain annotated function becomes machine code: with numba, whether or not shapes are being checked."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from inspect import getfile, unwrap
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

from kvzero.files import digest_sources

__all__ = ["call_address", "compiled"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Compile `kernel` when it is first called, and keep the machine code on disk for the next process.

    The import hook that checks shapes in tests wraps every annotated function, below all other decorators; numba cannot
    compile that wrapper, so it is given the function inside. Annotations of kernels are read by mypy and by people;
    what enters a kernel is checked by the Python function that calls it.

    Kernels that a kernel calls are inlined: passing the trees on would count references to each of their arrays, which
    takes longer than the search itself. Division by zero gives infinity as in NumPy, without a test at each division.

    numba by itself renews machine code when the file of the kernel changes, and only then. What a kernel calls or takes
    apart stands in other files of this room, too, so all of them are part of the key (`_RoomCache`).

    While a kernel runs, other Python threads may: it releases the interpreter's lock.
    """
    plain = unwrap(kernel)
    for other in _kernels_within(plain):  # so that each rule's kernels have files of their own, which name its types
        plain.__qualname__ += f".{other.__module__}.{other.__qualname__}"
    made: Any = njit(error_model="numpy", inline="always", nogil=True)(plain)
    if _may_be_kept(plain):
        with suppress(RuntimeError):  # no folder can be written: every process compiles for itself
            made._cache = _RoomCache(plain)  # type: ignore[no-untyped-call]
    return cast("Kernel", made)


def _may_be_kept(kernel: Callable[..., Any]) -> bool:
    """Return whether numba would look for a folder in its right mind: without a home it makes one named `~`."""
    return (
        Path(os.path.expanduser("~")).is_absolute()  # noqa: PTH111  # Path raises where there is no home
        or bool(os.environ.get("NUMBA_CACHE_DIR"))
        or os.access(Path(getfile(kernel)).parent, os.W_OK)
    )


class _RoomCache(FunctionCache):
    """Machine code on disk that is found only by the sources which it was made from: all of this room's, and a rule's.

    A kernel that is built for a rule has the rule's own kernel in its closure. numba would pickle that into the key,
    where it is never twice the same.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept; None of what was cut short, and is made anew."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # whatever reading half a pickle may raise
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, unless the disk is full."""
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return sig, codegen.magic_tuple(), _digest_sources(tuple(_files_within(self._py_func)))


def _kernels_within(function: Any) -> list[Any]:
    """Return the functions of the kernels in a function's closure."""
    return [cell.cell_contents.py_func for cell in function.__closure__ or ()]


def _files_within(function: Any) -> Iterator[str]:
    """Yield the files of the kernels in a function's closure, and of those in theirs: all are inlined."""
    for other in _kernels_within(function):
        yield getfile(other)
        yield from _files_within(other)


@cache
def _digest_sources(others: tuple[str, ...]) -> str:
    return digest_sources([Path(__file__).parent], map(Path, others))


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
