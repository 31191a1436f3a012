"""Running a LightZero config file up to the point where it would train, and catching what it would train."""

import io
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kvzero.compat.lightzero.readers import in_one_line, shown
from kvzero.compat.lightzero.stubs import Placeholder, stubbed_imports
from kvzero.errors import ConfigError

__all__ = ["Script", "run_script"]

ENTRIES = "lzero.entry."
ENTRY_ARGUMENTS = ("seed", "model", "model_path", "max_train_iter", "max_env_step")
"""What LightZero's training functions take after the two configs, in order."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a config file says: its two dicts, what else it tells the function that trains, and that one's name."""

    main_config: Mapping[str, Any]
    create_config: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    entry: str = ""


class _Reached(BaseException):
    """The file has called into `lzero.entry`; not an `Exception`, so that no file swallows it."""

    def __init__(self, entry: str, values: tuple[Any, ...], options: dict[str, Any]) -> None:
        super().__init__()
        self.entry, self.values, self.options = entry, values, options


def run_script(path: Path) -> Script:
    """Run a config file as a program, without arguments, and return what it would train.

    The file runs in this process, with its folder (and the checkout of LightZero it lies in, if any) importable, and
    in an empty folder, which is removed with all that it leaves there, such as the folder of a run. LightZero itself
    need not be installed and is not used. The first training call ends the file; a file without one is read by its
    variables `main_config` and `create_config`. What it prints is passed on, to stderr, only if it fails.

    Raises:
        ConfigError: if the file cannot be read, raises, or says nothing to train.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is no file; give the path of a LightZero config, such as my_unizero_config.py")
    said, resolved = io.StringIO(), path.resolve()
    try:
        with _as_program(resolved), stubbed_imports(_answer), redirect_stdout(said), redirect_stderr(said):
            names = runpy.run_path(str(resolved), run_name="__main__")
    except _Reached as reached:
        return _from_call(path, reached)  # some files print the traceback of whatever ends them, this too
    except SystemExit as end:
        sys.stderr.write(said.getvalue())
        raise ConfigError(f"{path} ended itself before it trained ({end.code}); it must run without arguments") from end
    except Exception as error:  # whatever the user's own file may raise
        sys.stderr.write(said.getvalue())
        told = in_one_line(f"{type(error).__name__}: {error}")
        raise ConfigError(f"{path} raised {told}; mend the file") from error
    return _from_variables(path, names)


@contextmanager
def _as_program(path: Path) -> Iterator[None]:
    """Let a file find its neighbours, no arguments but its own name, and a folder to work in that nobody else has."""
    words, places = sys.argv, sys.path[:]
    checkouts = [str(parent.parent) for parent in path.parents if parent.name == "zoo"]
    here = [str(Path(place).resolve()) for place in places]  # of which some are told from the current folder
    sys.argv, sys.path[:] = [str(path)], [str(path.parent), *checkouts, *here]
    try:
        with TemporaryDirectory(prefix="kvzero-") as scratch, chdir(scratch):
            yield
    finally:
        sys.argv, sys.path[:] = words, places


def _answer(origin: str, values: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Answer a call into a stubbed package: training is caught, what changes a config returns it as it was."""
    if origin.startswith(ENTRIES):
        raise _Reached(origin.removeprefix(ENTRIES), values, options)
    if values and isinstance(values[0], Mapping):
        return values[0]
    return Placeholder(f"{origin}(...)", _answer)


def _from_call(path: Path, call: _Reached) -> Script:
    if not call.entry.startswith("train"):
        raise ConfigError(f"{path} calls {call.entry}, which does not train; give the config that was trained from")
    if "multitask" in call.entry:
        raise ConfigError(
            f"{path} calls {call.entry}, which trains one agent on several tasks; kvzero trains an agent on one, so "
            "give a config of one of them"
        )
    told = dict(zip(("input_cfg", *ENTRY_ARGUMENTS), call.values, strict=False)) | call.options
    configs = told.pop("input_cfg", None)
    if not (
        isinstance(configs, list | tuple) and len(configs) == 2 and all(isinstance(one, Mapping) for one in configs)
    ):
        raise ConfigError(
            f"{path} calls {call.entry} with {shown(configs)}; it takes [main_config, create_config], two dicts"
        )
    return Script(configs[0], configs[1], told, call.entry)


def _from_variables(path: Path, names: Mapping[str, Any]) -> Script:
    main_config = names.get("main_config")
    if not isinstance(main_config, Mapping):
        raise ConfigError(
            f"{path} neither trains nor has a dict called main_config; give a file that LightZero could train from"
        )
    create_config = names.get("create_config")
    return Script(main_config, create_config if isinstance(create_config, Mapping) else {})
