"""Collects what a machine with a GPU and without a network lacks, as wheels: what `make gpu-wheels` runs.

    python results/gpu/wheels.py --python 3.12

Such a machine has PyTorch with CUDA, JAX, numba and what these draw in; all else that the parts of `make gpu` import is
collected into `.wheels`, in the versions of this environment, with a wheel of kvzero for its version number.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

THERE = ("torch", "jax", "jaxlib", "numba", "numpy")
"""What the other machine has, with all that these draw in, in whatever version: too large to carry, or built for its
card."""

NEEDED = ("kvzero", "pytest", "pytest-xdist", "hypothesis", "beartype", "mctx")

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main() -> int:
    """Download the wheels, and build that of kvzero."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", help="version of Python there")
    parser.add_argument("--out", type=Path, default=ROOT / ".wheels", help="folder of the wheels")
    asked = parser.parse_args()
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    kind = ["--only-binary=:all:", "--implementation", "cp", "--python-version", asked.python, *platforms]
    flags = ["--quiet", "--no-deps", "--dest", str(asked.out), *kind]
    subprocess.run([*pip, "download", *flags, *carried()], check=True)  # noqa: S603
    wheel = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(asked.out), str(ROOT)]
    subprocess.run(wheel, check=True)  # noqa: S603
    megabytes = sum(path.stat().st_size for path in asked.out.glob("*.whl")) / 1e6
    print(f"{len(list(asked.out.glob('*.whl')))} wheels, {megabytes:.0f} MB, are in {asked.out}")
    return 0


def carried() -> list[str]:
    """Return what has to be carried, each with the version that is installed here.

    What is asked for by name is carried even if PyTorch draws it in as well, since it may have an older one.
    """
    asked_for = {canonicalize_name(name) for needed in NEEDED for name in drawn_in_by(needed)} - set(THERE)
    names = (closure(NEEDED) - closure(THERE) - {"kvzero"}) | asked_for
    return sorted(f"{name}=={version(name)}" for name in names)


def closure(names: Iterable[str]) -> set[str]:
    """Return the names of these packages and of all that they draw in, without extras."""
    seen, waiting = set[str](), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in seen and _is_installed(name):
            seen.add(name)
            waiting += drawn_in_by(name)
    return seen


def drawn_in_by(name: str) -> Iterator[str]:
    """Return what an installed package asks for, as far as it does so without extras."""
    for text in requires(name) or []:
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            yield asked.name


def _is_installed(name: str) -> bool:
    """Whether a package is here; parts of PyTorch's CUDA build are not, beside its build for CPUs."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
