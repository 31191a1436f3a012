"""What is installed is pinned, and facts that stand in more than one file of the project agree."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pathspec
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ["3.11", "3.12", "3.13"]
BUILD_BACKEND = "hatchling"  # not installed beside kvzero: pip builds in an environment of its own
PINNED_BY_TORCH = ("cuda-", "nvidia-", "triton")


def pins() -> dict[str, str]:
    """Return the exact version of each package in constraints.txt."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def declared() -> list[Requirement]:
    """Return what pyproject.toml asks for: build backend, dependencies and extras, but not kvzero's own extras."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    texts = [
        *PROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(text for extra in extras for text in extra),
    ]
    return [requirement for text in texts if (requirement := Requirement(text)).name != "kvzero"]


def drawn_in_by(requirement: Requirement) -> Iterator[Requirement]:
    """Return what an installed package asks for on this machine."""
    for text in metadata.requires(requirement.name) or []:
        asked = Requirement(text)
        extras = ("", *requirement.extras)
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras):
            yield asked


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Return the names of these packages and of all that they draw in."""
    seen: dict[str, Requirement] = {}
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen or requirement.name.startswith(PINNED_BY_TORCH):
            continue
        seen[str(requirement)] = requirement
        waiting += drawn_in_by(requirement)
    return {canonicalize_name(requirement.name) for requirement in seen.values()}


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_a_declared_package_is_pinned_to_a_version_that_its_range_admits(requirement: Requirement) -> None:
    assert pins()[canonicalize_name(requirement.name)] in requirement.specifier


def test_everything_that_an_install_draws_in_is_pinned() -> None:
    drawn = closure(requirement for requirement in declared() if requirement.name != BUILD_BACKEND)
    assert {"torch", "numpy", "pytest", "jinja2"} <= drawn
    assert sorted(drawn - set(pins())) == []


def test_the_supported_versions_of_python_are_the_same_everywhere() -> None:
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [minor for minor in range(30) if f"3.{minor}" in supported] == [11, 12, 13]
    classifiers = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if ":: 3." in line]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert classifiers == PYTHONS
    assert workflow["jobs"]["gates"]["strategy"]["matrix"]["python"] == PYTHONS


def test_the_version_stands_in_the_changelog_and_in_what_is_installed() -> None:
    version = PROJECT["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert metadata.version("kvzero") == version
    assert re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)", changelog)
    assert "## [Unreleased]" in changelog


def test_what_the_package_reads_beside_its_code_is_shipped() -> None:
    """hatchling ships every file below the package, but what .gitignore names, in wheel and source distribution."""
    targets = PROJECT["tool"]["hatch"]["build"]["targets"]
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    beside = {path for path in (ROOT / "src/kvzero").rglob("*") if path.suffix in {".c", ".h", ".j2", ".typed"}}
    assert {path.suffix for path in beside} == {".c", ".h", ".j2", ".typed"}
    assert targets["wheel"] == {"packages": ["src/kvzero"]}
    assert "/src" in targets["sdist"]["include"]
    assert set(targets["sdist"]) == {"include"}
    assert [path for path in beside if ignored.match_file(path.relative_to(ROOT))] == []


def test_every_room_has_a_page_of_reference() -> None:
    rooms = {
        path.stem for path in (ROOT / "src/kvzero").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    pages = {path.stem for path in (ROOT / "docs/reference").glob("*.md")}
    assert pages - {"kvzero"} == rooms - {"__init__", "__main__", "cli"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_a_page_that_lists_the_rooms_has_the_order_of_the_contract(page: str) -> None:
    (contract,) = PROJECT["tool"]["importlinter"]["contracts"]
    lines = re.findall(r"^ {4}(\w+(?: \| \w+)*)(?: {2,}.*)?$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines == [layer for layer in contract["layers"] if layer != "__main__"]
