"""What a machine says of itself, wherever it is asked."""

import json
from importlib.metadata import version
from pathlib import Path

import psutil

from kvzero.reports import machine as room
from kvzero.reports import machine_facts


def test_a_machine_is_described_by_what_speed_depends_on():
    found = machine_facts(also=("pytest", "no-such-library"))
    assert found["versions"]["pytest"] == version("pytest")
    assert found["versions"]["torch"] == version("torch")
    assert "no-such-library" not in found["versions"]
    assert 1 <= found["usable_cores"] <= found["logical_cores"]
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert len(found["load_average"]) == 3
    assert json.loads(json.dumps(found)) == found


def test_name_and_abilities_of_a_processor_are_read_as_linux_tells_them(monkeypatch, tmp_path):
    told = "processor\t: 0\nmodel name\t: Abacus: 3000\nflags\t\t: fpu avx2 fma sse amx_bf16\n\nprocessor\t: 1\n"
    (tmp_path / "cpuinfo").write_text(told, encoding="utf-8")
    monkeypatch.setattr(room, "CPU_FACTS", tmp_path / "cpuinfo")
    found = machine_facts()
    assert found["processor"] == "Abacus: 3000"
    assert found["processor_flags"] == ["avx2", "fma", "amx_bf16"]


def test_a_system_that_tells_nothing_of_its_processor_has_no_flags(monkeypatch):
    monkeypatch.setattr(room, "CPU_FACTS", Path("/nowhere"))
    assert machine_facts()["processor_flags"] == []
