"""`make gpu` cannot rot: its commands can be parsed, its calls go on from each other, and all of it runs small."""

import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kvzero.bench import TrainBench
from kvzero.cli.bench.search import SearchCommand
from kvzero.cli.bench.suite import SuiteCommand
from kvzero.cli.bench.train import TrainCommand
from kvzero.cli.parse import parse
from kvzero.cli.train import parse_run
from kvzero.training.storage.lock import sole_writer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results/gpu"
COMMANDS = {"search": SearchCommand, "suite": SuiteCommand, "train": TrainCommand}


@pytest.fixture
def prove(monkeypatch):
    """Return the names of the program."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / "prove.py"))


@pytest.fixture
def options(prove, tmp_path):
    return prove["Options"](device="cuda", is_small=False, out=tmp_path / "out", runs=tmp_path / "runs", num_workers=3)


def words_of(parts, *beginning):
    """Return the flags of the commands that begin like this, by the name of their part."""
    size = len(beginning)
    return {part.name: part.words[size:] for part in parts if part.words[:size] == beginning}


def test_every_benchmark_can_be_parsed_and_measures_what_the_page_says(prove, options):
    parts = prove["make_parts"](options)
    for kind, command in COMMANDS.items():
        for name, words in words_of(parts, "-m", "kvzero", "bench", kind).items():
            asked = parse(command, words, prog=name)
            assert asked.device == "cuda"
            assert name.endswith(asked.preset) if isinstance(asked, TrainBench) else name not in {"eager", "device"}
    suites = words_of(parts, "-m", "kvzero", "bench", "suite")
    ways = [(each.engine, each.one_pass) for each in (parse(SuiteCommand, words, prog="") for words in suites.values())]
    assert ways == [("eager", False), ("device", False), ("device", True)]
    (goal,) = words_of(parts, "-m", "kvzero", "bench", "search").values()
    asked = parse(SearchCommand, goal, prog="")
    assert (asked.num_simulations, asked.num_envs, asked.embed_dim, asked.dtype) == (50, 8, 768, "bfloat16")
    page = (ROOT / "docs/guides/on-a-gpu.md").read_text(encoding="utf-8")
    assert [part.name for part in parts if f"`{part.name}`" not in page] == []


def test_a_training_is_begun_once_and_resumed_afterwards(prove, options):
    (words,) = words_of(prove["make_parts"](options), "-m", "kvzero", "train").values()
    run = parse_run(words[0], words[1:])
    assert (run.preset, run.device, run.schedule.total_env_steps) == ("atari", "cuda", 100_000)
    (options.runs / "pong" / "checkpoints" / "step_0000000400_0000000100").mkdir(parents=True)
    (words,) = words_of(prove["make_parts"](options), "-m", "kvzero", "train").values()
    assert words == ("--resume", str(options.runs / "pong"))


def test_a_training_that_was_killed_before_its_first_checkpoint_begins_anew(prove, options, run, tmp_path):
    folder = options.runs / "pong"
    (folder / "checkpoints" / "partial_step_0000000400_0000000100").mkdir(parents=True)
    (part,) = (part for part in prove["make_parts"](options) if part.name == "pong")
    assert part.begins_in == folder
    assert parse_run(part.words[3], part.words[4:]).run_name == "pong"
    begins = program("begins", f"import pathlib; print(pathlib.Path({str(folder)!r}).exists())", begins_in=folder)
    with sole_writer(folder):
        assert run(begins)["output"] == ["True"]  # somebody lives there
    assert run(begins)["output"] == ["False"]
    assert run(begins)["output"] == ["False"]


def test_what_has_passed_is_run_again_if_it_is_asked_for_but_no_training(prove, options, monkeypatch, tmp_path):
    counted = tmp_path / "counted"
    count = ("-c", f"import sys; open({str(counted)!r}, 'a').write(sys.argv[1])")
    kinds = {"b": None, "t": tmp_path}  # a benchmark, and a training that has reached its end
    parts = [prove["Part"](name=name, words=(*count, name), ends_with=end) for name, end in kinds.items()]
    for name, known in {"make_parts": lambda _: parts, "install_wheels": lambda: None, "LOGS": tmp_path}.items():
        monkeypatch.setitem(prove["main"].__globals__, name, known)
    flags = ["--device", "cpu", "--out", str(options.out), "--runs", str(options.runs)]
    for again in ([], [], ["--again"]):
        assert prove["main"]([*flags, *again]) == 0
    assert counted.read_text() == "btb"


def test_every_test_that_is_marked_is_among_those_that_are_run(prove, options):
    (part,) = (part for part in prove["make_parts"](options) if part.name == "tests-marked-gpu")
    assert {"tests/engines/device/test_engine.py", "tests/bench/test_idle.py"} <= set(part.words)
    assert part.words[:3] == ("-m", "pytest", "-q")


def program(name, text, **settings):
    """Return a part that is a few lines of Python."""
    return {"name": name, "words": ("-c", text), **settings}


@pytest.fixture
def run(prove, options, tmp_path):
    """Return a function that runs a part as a call does, with so many seconds."""
    options.out.mkdir()
    prove["run_command"].__globals__.update(LOGS=tmp_path, CLOSING_SECONDS=6)

    def run(part, *, seconds=60.0, had_whole_call=True):
        found = prove["run_part"](
            prove["Part"](**part), options, {"card": "none"}, seconds=seconds, had_whole_call=had_whole_call
        )
        assert json.loads((options.out / f"{part['name']}.json").read_text(encoding="utf-8")) == found
        return found

    return run


def test_a_part_passes_or_fails_by_itself(prove, options, run):
    found = run(program("works", "print('some', 'words')"))
    assert (found["status"], found["exit_status"], found["output"]) == ("passed", 0, ["some words"])
    assert found["machine"] == {"card": "none"}
    found = run(program("fails", "raise SystemExit(3)"))
    assert (found["status"], found["exit_status"]) == ("failed", 3)
    assert prove["has_passed"](options.out, "works")
    assert not prove["has_passed"](options.out, "fails")
    assert prove["report"](options.out, ["works", "fails"]) == 1
    assert prove["report"](options.out, ["works", "never"]) == 0


def test_what_was_cut_off_goes_on_and_what_cannot_and_had_a_whole_call_fails(run, tmp_path):
    done = tmp_path / "done"
    sleepy = f"import pathlib, time; path = pathlib.Path({str(done)!r})\nif not path.exists(): time.sleep(60)"
    lasting = program("lasting", sleepy, goes_on=True, ends_with=done)
    assert run(lasting, seconds=7.0)["status"] == "unfinished"
    done.touch()
    found = run(lasting)
    assert (found["status"], found["calls"]) == ("passed", 2)
    assert found["seconds"] >= 1.0
    endless = program("endless", "import time; time.sleep(60)")
    assert run(endless, seconds=7.0, had_whole_call=False)["status"] == "unfinished"
    assert run(endless, seconds=7.0)["status"] == "failed"


def test_a_training_that_was_stopped_has_not_passed(run, tmp_path):
    part = program("stopped", "pass", goes_on=True, ends_with=tmp_path / "summary.json")
    assert run(part)["status"] == "failed"


def test_what_tests_say_is_counted(prove):
    said = ["FAILED tests/a.py::test_b - AssertionError", "1 failed, 12 passed, 3 skipped, 40 deselected in 3.21s"]
    figures = prove["read_figures"](prove["Part"](name="tests", words=()), said)
    assert figures == {
        "failed": 1, "passed": 12, "skipped": 3, "deselected": 40, "failed_tests": ["tests/a.py::test_b"]
    }  # fmt: skip


def test_what_is_carried_is_what_the_parts_import_and_no_torch(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {word.partition("==")[0] for word in runpy.run_path(str(FOLDER / "wheels.py"))["carried"]()}
    assert {"gymnasium", "ale-py", "tyro", "filelock", "mctx", "pytest-xdist", "hypothesis", "jaxtyping"} <= names
    assert not names & {"torch", "jax", "jaxlib", "numba", "numpy", "scipy", "llvmlite", "kvzero"}


def make_wheel(folder, name):
    """Write a wheel of one module that knows its own name."""
    files = {f"{name}.py": f"NAME = {name!r}\n"}
    info = f"{name}-1.0.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def test_carried_wheels_are_unpacked_once_and_found_by_the_parts(prove, run, tmp_path):
    places = {name: tmp_path / name.lower() for name in ("WHEELS", "PACKAGES")}
    prove["install_wheels"].__globals__.update(places)
    places["WHEELS"].mkdir()
    prove["install_wheels"]()
    assert not places["PACKAGES"].exists()
    make_wheel(places["WHEELS"], "carried_module")
    prove["install_wheels"]()
    found = run(program("imports", "import carried_module, kvzero; print(carried_module.NAME, kvzero.__file__)"))
    assert found["output"] == [f"carried_module {ROOT / 'src/kvzero/__init__.py'}"]
    unpacked = (places["PACKAGES"] / "carried_module.py").stat().st_mtime_ns
    prove["install_wheels"]()
    assert (places["PACKAGES"] / "carried_module.py").stat().st_mtime_ns == unpacked


def test_all_of_it_runs_small_on_a_cpu(tmp_path):
    flags = [
        "--device",
        "cpu",
        "--small",
        "--seconds",
        "3000",
        "--out",
        str(tmp_path / "out"),
        "--runs",
        str(tmp_path / "runs"),
    ]
    command = [sys.executable, str(FOLDER / "prove.py"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all parts were run" in done.stdout
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "out").glob("*.json")}
    assert len(found) == 5
    assert {each["status"] for each in found.values()} == {"passed"}
    assert found["equivalence-one-pass"]["figures"]["passed"] > 0
    assert found["suite-one-pass"]["figures"]["cases"][0]["engine"] == "device"
    assert 0 < found["bench-train-atari-small"]["figures"]["update_device_idle_share"] < 1
    assert found["pong"]["figures"]["env_steps"] == 24
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.stdout == "".join(done.stdout.splitlines(keepends=True)[-6:])
