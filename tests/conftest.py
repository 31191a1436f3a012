"""What all tests share: one thread for PyTorch, what needs a GPU skipped without one, and one tiny trained run."""

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import kvzero
from kvzero.cache.tiers.backend import BackendError
from kvzero.cache.tiers.folders import make_folder
from tests.training.samples import tiny_config

settings.register_profile("kvzero", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("kvzero")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run; do not write into it."""
    return kvzero.train(tiny_config(tmp_path_factory.mktemp("runs"), run_name="trained")).run


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs end without pictures, which would take most of their time; `trained_run` has them."""
    train = importlib.import_module("kvzero.training.train")  # the room's façade has a function of this name

    def draw_nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(train, "_show_curve", draw_nothing)
    monkeypatch.setattr(train, "write_report", draw_nothing)


@pytest.fixture
def own_random_state() -> Iterator[None]:
    """Give PyTorch's random state back as it was."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder that a tier can keep a file in: the temporary folder of a machine may lie in memory."""
    try:
        make_folder(tmp_path / "tier")
        yield tmp_path / "tier"
    except BackendError:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            yield Path(folder)
