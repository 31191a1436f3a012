"""The stand-ins behave as what they stand for, as far as config files go, and leave nothing behind."""

import importlib
import sys

import pytest

from kvzero.compat.lightzero.attributes import AttributeDict
from kvzero.compat.lightzero.stubs import stubbed_imports


def nothing(origin, values, options):
    return origin, values, options


def test_items_of_an_attribute_dict_are_attributes_at_every_depth():
    config = AttributeDict({"env": {"sizes": [{"width": 3}], "pair": ({"a": 1}, 2)}}, name="x")
    assert (config.name, config.env.sizes[0].width, config.env.pair[0].a) == ("x", 3, 1)
    config.env.more = {"deep": {"er": 5}}
    config.update({"policy": {"seed": 1}}, late=2)
    assert (config["env"]["more"].deep.er, config.policy.seed, config.late) == (5, 1, 2)
    assert isinstance(config.env, dict)
    del config.name
    with pytest.raises(AttributeError, match="name"):
        _ = config.name
    assert config == {"env": config.env, "policy": {"seed": 1}, "late": 2}


def test_everything_below_a_stubbed_package_can_be_imported_called_indexed_and_entered():
    with stubbed_imports(nothing):
        entry = importlib.import_module("lzero.entry")
        assert entry.train_unizero([1], seed=2) == ("lzero.entry.train_unizero", ([1],), {"seed": 2})
        table = importlib.import_module("zoo.atari.config.table")
        assert f"{table.sizes['Pong'].deep}" == "zoo.atari.config.table.sizes['Pong'].deep"
        ding = importlib.import_module("ding.utils")
        with ding.DDPContext.here as context:
            assert context.rank(1)[1] == (1,)
        assert importlib.import_module("easydict").EasyDict is AttributeDict
        with pytest.raises(TypeError, match="not iterable"):
            list(table.sizes)
        with pytest.raises(ImportError):
            importlib.import_module("zookeeper.of.lightzero")
        with pytest.raises(AttributeError):
            _ = entry.__path_of_nobody__


def test_afterwards_nothing_is_stubbed_and_what_was_imported_is_back(monkeypatch):
    mine = type(sys)("lzero")
    monkeypatch.setitem(sys.modules, "lzero", mine)
    before = list(sys.meta_path)
    with stubbed_imports(nothing):
        assert importlib.import_module("lzero") is not mine
    assert importlib.import_module("lzero") is mine
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.startswith(("lzero.", "zoo.", "ding"))]


def test_tables_that_are_there_are_read_and_training_that_is_there_is_not(tmp_path, monkeypatch):
    for package, text in {"zoo": "SIZES = {'Pong': 6}", "lzero": "raise RuntimeError('trained')"}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with stubbed_imports(nothing):
        assert importlib.import_module("zoo").SIZES["Pong"] == 6
        assert importlib.import_module("lzero.entry").train() == ("lzero.entry.train", (), {})
    assert not {"zoo", "lzero"} & set(sys.modules)
