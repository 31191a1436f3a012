"""The rooms keep to their façades, need no optional package to be imported, and share no setting's name."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

import kvzero

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
ROOMS = sorted(module.name for module in pkgutil.iter_modules(kvzero.__path__) if not module.name.startswith("_"))
OPTIONAL = (
    "ale_py",
    "Box2D",
    "imageio",
    "imageio_ffmpeg",
    "jax",
    "lmdb",
    "matplotlib",
    "mctx",
    "minatar",
    "minigrid",
    "popgym",
    "prometheus_client",
    "pygame",
    "redis",
    "rliable",
    "tensorboard",
    "triton",
    "wandb",
)


def configs(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Return the classes of a module that hold settings."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith("Config"))


def setting_names(config: type) -> Iterator[str]:
    """Return the names of all settings of a config and of the configs nested in it."""
    for field in fields(config):
        if isinstance(field.type, type) and is_dataclass(field.type):
            yield from setting_names(field.type)
        else:
            yield field.name


@pytest.mark.parametrize("name", ["kvzero", *(f"kvzero.{room}" for room in ROOMS)])
def test_a_facade_exports_what_it_lists_and_nothing_else(name: str) -> None:
    facade = importlib.import_module(name)
    public = {
        key for key, value in vars(facade).items() if not key.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(facade.__all__) <= public
    if hasattr(facade, "__path__"):
        assert public == set(facade.__all__)


def test_every_facade_imports_without_the_optional_packages() -> None:
    program = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({OPTIONAL!r}))\n"
        "import kvzero\n"
        f"for room in {ROOMS!r}:\n"
        "    importlib.import_module(f'kvzero.{room}')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_two_settings_of_a_run_share_a_name() -> None:
    counts = Counter(setting_names(kvzero.training.RunConfig))
    assert {"seed", "env_id", "embed_dim", "num_simulations", "replay_capacity", "batch_size"} <= set(counts)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_setting_says_what_it_is(path: Path) -> None:
    silent = [
        f"{config.name}.{ast.unparse(field.target)}"
        for config in configs(ast.parse(path.read_text(encoding="utf-8")))
        for field, following in zip(config.body, [*config.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign)
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]
    assert silent == []


def test_no_folder_has_more_modules_than_a_person_can_look_over() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {
        str(folder.relative_to(ROOT)): count for folder in folders if (count := len(list(folder.glob("*.py")))) > 15
    }
    assert crowded == {}


def test_only_the_room_of_engines_knows_what_an_engine_is_called() -> None:
    """Others hand on the name that a config has; a comparison with it would be a second place that chooses."""
    names = {"native", "device", "eager", "auto"}
    knowing = {
        str(path.relative_to(ROOT / "src/kvzero"))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare) and "engine" in ast.unparse(node.left)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and constant.value in names
    }
    assert knowing <= {"agent/config.py"}  # which refuses one_pass elsewhere than on the device


def test_nothing_that_is_read_can_run_code() -> None:
    """Files, tiers and contexts are read as JSON, safetensors, TOML and frames: no module can unpickle or evaluate."""
    wanted = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"}
    calls = {"torch.load", "np.load", "numpy.load", "eval", "exec", "__import__"}
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        found[str(path.relative_to(ROOT / "src/kvzero"))] = {name.partition(".")[0] for name in imported} | called
    assert "lmdb" in found["cache/tiers/embedded.py"]
    able = {name: words & (wanted | calls) for name, words in found.items() if words & (wanted | calls)}
    assert able == {"processes.py": {"multiprocessing"}}  # a line to a process of our own


def test_all_that_the_pictures_of_the_architecture_name_exists() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    pictures = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    names = {name for picture in pictures for name in re.findall(rf"\b(?:{'|'.join(ROOMS)})(?:\.\w+)+", picture)}
    assert len(pictures) == 4
    assert len(names) > 20
    for name in sorted(names):
        pkgutil.resolve_name(f"kvzero.{name}")


def test_no_file_is_named_after_nothing() -> None:
    assert [path for path in SOURCES if path.stem in {"base", "common", "helpers", "misc", "utils"}] == []
