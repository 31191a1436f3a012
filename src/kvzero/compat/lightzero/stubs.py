"""Stand-ins for what a LightZero config file imports, so that it runs without LightZero and trains nothing."""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from kvzero.compat.lightzero.attributes import AttributeDict

__all__ = ["Placeholder", "stubbed_imports"]

ALWAYS_STUBBED = frozenset({"lzero", "ding"})
"""Importing these takes long, and calling them would train; an installed copy is not used either."""

STUBBED_IF_MISSING = frozenset({"zoo", "easydict"})
"""These hold facts that are better read than guessed, where they are installed."""

OnCall = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]


class Placeholder:
    """Whatever a module that is not there would have given: it can be called, indexed, entered and printed."""

    def __init__(self, origin: str, on_call: OnCall) -> None:
        self.origin = origin
        self._on_call = on_call

    __iter__ = None  # else a loop over it would ask for one item after another, for ever

    def __call__(self, *values: Any, **options: Any) -> Any:
        """Let the reader of the file answer."""
        return self._on_call(self.origin, values, options)

    def __getitem__(self, key: object) -> "Placeholder":
        return Placeholder(f"{self.origin}[{key!r}]", self._on_call)

    def __getattr__(self, name: str) -> "Placeholder":
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(f"{self.origin}.{name}", self._on_call)

    def __enter__(self) -> "Placeholder":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __repr__(self) -> str:
        return self.origin


class _Finder(MetaPathFinder, Loader):
    """Finds a stub for every module below the packages that are stubbed."""

    def __init__(self, packages: frozenset[str], on_call: OnCall) -> None:
        self._packages = packages
        self._on_call = on_call

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Say that the module is there, if it is to be stubbed."""
        if fullname.partition(".")[0] not in self._packages:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Let every name of the module be a placeholder."""

        def look_up(name: str) -> Placeholder:
            if name.startswith("__"):
                raise AttributeError(name)
            return Placeholder(f"{module.__name__}.{name}", self._on_call)

        if module.__name__ == "easydict":
            module.EasyDict = AttributeDict  # type: ignore[attr-defined]
        else:
            module.__getattr__ = look_up  # type: ignore[method-assign]


@contextmanager
def stubbed_imports(on_call: OnCall) -> Iterator[None]:
    """Let LightZero's packages be imported although they are not there; every call into them goes to `on_call`.

    `on_call` is given the dotted name of what was called, its arguments and its keyword arguments. Afterwards the
    interpreter imports what it imported before.
    """
    packages = ALWAYS_STUBBED | {name for name in STUBBED_IF_MISSING if importlib.util.find_spec(name) is None}
    finder = _Finder(packages, on_call)
    hidden = _take_out(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _take_out(sys.modules)
        sys.modules.update(hidden)


def _take_out(modules: dict[str, ModuleType]) -> Mapping[str, ModuleType]:
    packages = ALWAYS_STUBBED | STUBBED_IF_MISSING
    names = [name for name in modules if name.partition(".")[0] in packages]
    return {name: modules.pop(name) for name in names}
