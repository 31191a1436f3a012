"""How the C sources become a library: compiled for this machine when first needed, kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from kvzero.errors import EngineError
from kvzero.model.native.folders import choose_folder

__all__ = ["build_library", "load_library"]

FOLDER = Path(__file__).parent
SOURCES = ("engine.c", "linear.h", "team.h", "vector.h", "choices.h")
ENGINE = FOLDER / SOURCES[0]
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-pthread", "-fno-math-errno", "-w")
MACHINE_FLAGS = (("-march=native",), ("-mcpu=native",), ())  # the first that the compiler knows
COMPILE_SECONDS = 300


@cache
def load_library(source: Path = ENGINE) -> ctypes.CDLL:
    """Return the library of a C file, compiled first where that was not done before on this machine.

    The file may include the sources of the engine, for the sake of those who measure their parts.

    Raises:
        EngineError: if there is no C compiler, it fails, or what it made cannot be loaded.
    """
    library = build_library(choose_folder(), source)
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise EngineError(f"the compiled library cannot be loaded: {error}") from error


def build_library(folder: Path, source: Path = ENGINE) -> Path:
    """Return the library's file in `folder`, compiled unless it is there and whole.

    Its name tells sources, compiler and machine, so that nothing else can be met, and its own content: a file that was
    cut short, by a full disk or a crash, would end the process that runs it.

    Raises:
        EngineError: if there is no C compiler, it fails, or the folder cannot be used.
    """
    compiler = _find_compiler()
    start = f"{source.stem}-{_fingerprint(compiler, source)}"
    try:
        return _find_whole(folder, start) or _compile(compiler, source, folder, start)
    except OSError as error:
        raise EngineError(f"no library can be kept in {folder}: {error}; set KVZERO_CACHE_DIR") from error


def _find_whole(folder: Path, start: str) -> Path | None:
    for library in folder.glob(f"{start}-*.so"):
        if library.name == _name(start, library):
            return library
        library.unlink(missing_ok=True)
    return None


def _name(start: str, library: Path) -> str:
    return f"{start}-{hashlib.sha256(library.read_bytes()).hexdigest()[:24]}.so"


def _compile(compiler: str, source: Path, folder: Path, start: str) -> Path:
    """Compile under a temporary name, then rename: others who do the same at once see all of it or nothing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary) / "library.so"
        for machine_flags in MACHINE_FLAGS:
            done = _run([compiler, *FLAGS, *machine_flags, f"-I{FOLDER}", str(source), "-o", str(made), "-lm"])
            if done.returncode == 0:
                return made.rename(folder / _name(start, made))
    raise EngineError(f"{compiler} cannot compile {source}: {done.stderr.strip()[-500:]}")


def _find_compiler() -> str:
    """Return the C compiler of the environment variable CC, or the first that is installed."""
    for name in (os.environ.get("CC"), *COMPILERS):
        if name and (path := shutil.which(name)):
            return path
    raise EngineError(f"there is no C compiler ({', '.join(COMPILERS)}); install one, or name it in CC")


def _fingerprint(compiler: str, source: Path) -> str:
    """Return a hash of all that decides what the library's machine code is, and whether this machine can run it."""
    sources = [path.read_bytes() for path in (source, *(FOLDER / name for name in SOURCES))]
    version = _run([compiler, "--version"]).stdout.encode()
    facts = [*sources, repr((FLAGS, MACHINE_FLAGS, compiler)).encode(), version, _describe_processor()]
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:24]


def _describe_processor() -> bytes:
    """Return what the processor can do: its model and the names of its instruction sets."""
    described = [platform.machine(), platform.processor()]
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        described += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return "\n".join(described).encode()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{command[0]} cannot be run: {error}") from error
