"""Everything that only a GPU can show, part by part, in calls that may be short: what `make gpu` runs.

    python results/gpu/prove.py --device cuda --seconds 540

Each part is a process of its own and writes `<part>.json`: whether it passed, how long it took, what it found out, the
card, the driver and the versions. Parts that passed are skipped by the next call; one that was cut off goes on, or
begins anew where it cannot. A part that fails costs the others nothing. Python's standard library is all that this
program needs; what the parts need is taken from wheels, see `wheels.py`.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from parts import ROOT, Options, Part, make_parts

PACKAGES = ROOT / ".gpu" / "packages"
WHEELS = ROOT / ".wheels"
LOGS = ROOT / ".gpu" / "logs"

CLOSING_SECONDS = 45
"""A part is told to stop so long before the end of the call; a training writes its checkpoint in that time."""
LEAST_SECONDS = 60
"""A part is not begun with less time than this, unless it is the call's first."""
KEPT_LINES = 60
MOST_WORKERS = 8

VERSIONS = ("kvzero", "torch", "triton", "jax", "jaxlib", "mctx", "numba", "numpy", "ale-py", "gymnasium")
PASSED, FAILED, UNFINISHED = "passed", "failed", "unfinished"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet; return 1 if a part failed."""
    asked = _parse(arguments)
    started = time.monotonic()
    install_wheels()
    options = Options(
        device=asked.device,
        is_small=asked.small,
        out=asked.out.resolve(),
        runs=asked.runs.resolve(),
        num_workers=0 if asked.small else count_workers(),
    )
    options.out.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(options.device)
    names = [part.name for part in make_parts(options)]
    again = {part.name for part in make_parts(options) if asked.again and part.ends_with is None}
    left = [name for name in asked.only or names if name in again or not has_passed(options.out, name)]
    for number, name in enumerate(left):
        seconds = asked.seconds - (time.monotonic() - started)
        if number and seconds < LEAST_SECONDS:
            break
        part = next(part for part in make_parts(options) if part.name == name)
        print(f"{name}: {json.dumps(' '.join(part.words))}", flush=True)
        found = run_part(part, options, machine, seconds=seconds, had_whole_call=number == 0)
        print(f"{name}: {found['status']} after {found['seconds']:.0f} s", flush=True)
    return report(options.out, names)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for a try")
    parser.add_argument("--small", action="store_true", help="one part of each kind, as small as it can be")
    parser.add_argument("--seconds", type=float, default=540, help="how long this call may take")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "gpu", help="folder of what is found out")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "gpu", help="folder of the training")
    parser.add_argument("--only", nargs="+", metavar="PART", help="run these parts only")
    parser.add_argument("--again", action="store_true", help="run parts that have passed, too, but no training")
    return parser.parse_args(arguments)


def install_wheels() -> None:
    """Unpack the wheels that were carried here, those that are not there yet, into a folder of this project's own.

    What is carried comes before what the machine has, so that the versions are those that kvzero is tested with.
    """
    held = {distribution.name.lower().replace("-", "_") for distribution in distributions(path=[str(PACKAGES)])}
    new = [path for path in sorted(WHEELS.glob("*.whl")) if path.name.partition("-")[0].lower() not in held]
    if new:
        flags = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", "--target", str(PACKAGES)]
        subprocess.run([sys.executable, "-m", "pip", "install", *flags, *map(str, new)], check=True)  # noqa: S603


def count_workers() -> int:
    """Return among how many processes tests are shared; 0, which is none, where pytest cannot share them."""
    is_shared = find_spec("xdist") is not None or (PACKAGES / "xdist").exists()
    return min(MOST_WORKERS, len(os.sched_getaffinity(0))) if is_shared else 0


def environment_of(part: Part) -> dict[str, str]:
    """Return the environment in which this clone's code and the carried packages are found first."""
    paths = [str(ROOT / "src"), *([str(PACKAGES)] if PACKAGES.exists() else []), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **part.environment}


def describe_machine(device: str) -> dict[str, Any]:
    """Return card, driver and versions, without asking PyTorch, which would hold memory of the card."""
    held = list(distributions(path=[str(PACKAGES), *sys.path]))
    found = {each.name.lower(): each.version for each in reversed(held)}  # what is found first comes last
    return {
        **(_describe_card() if device.startswith("cuda") else {}),
        "python": sys.version.split()[0],
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: found[name] for name in VERSIONS if name in found},
        "commit": _say("git", "-C", str(ROOT), "rev-parse", "HEAD"),
    }


def _describe_card() -> dict[str, str]:
    names = ("name", "driver_version", "memory.total")
    said = _say("nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader") or ""
    numbers = [number.strip() for number in said.partition("\n")[0].split(",")]
    return dict(zip(("card", "driver", "card_memory"), numbers, strict=False))


def _say(*words: str) -> str | None:
    """Return what a program says, if there is such a program and it has something to say."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None


def has_passed(out: Path, name: str) -> bool:
    """Whether an earlier call saw a part pass."""
    return (read_found(out, name) or {}).get("status") == PASSED


def read_found(out: Path, name: str) -> dict[str, Any] | None:
    """Return what the newest call that ran a part found out."""
    path = out / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run_part(
    part: Part, options: Options, machine: dict[str, Any], *, seconds: float, had_whole_call: bool
) -> dict[str, Any]:
    """Run a part for so long at most, and write what it came to."""
    before = read_found(options.out, part.name) or {}
    goes_on = part.goes_on and before.get("status") == UNFINISHED
    if part.begins_in is not None:
        clear(part.begins_in)
    log, started = LOGS / f"{part.name}.log", time.monotonic()
    status = run_command(part, log, seconds=max(1.0, seconds - CLOSING_SECONDS))
    took = time.monotonic() - started
    said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = {
        "part": part.name,
        "status": judge(part, status, had_whole_call=had_whole_call),
        "device": options.device,
        "is_small": options.is_small,
        "seconds": round(took + (before["seconds"] if goes_on else 0.0), 1),
        "calls": 1 + (before["calls"] if goes_on else 0),
        "exit_status": status,
        "command": [Path(sys.executable).name, *part.words],
        "machine": machine,
        "figures": read_figures(part, said),
        "output": said[-KEPT_LINES:],
    }
    text = json.dumps(found, indent=1) + "\n"
    (options.out / f"{part.name}.json").write_text(text, encoding="utf-8")
    return found


def clear(folder: Path) -> None:
    """Delete what a kill left of a training, unless it lives: the command will then say that somebody writes there."""
    with suppress(OSError):  # nothing is there, or it is locked
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(held)


def run_command(part: Part, log: Path, *, seconds: float) -> int | None:
    """Return a command's exit status; None where it was told to stop, which a training does after a checkpoint."""
    with log.open("w", encoding="utf-8") as file:
        child = subprocess.Popen(  # noqa: S603  # a command of our own
            [sys.executable, *part.words],
            cwd=ROOT,
            env=environment_of(part),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(CLOSING_SECONDS - 5)
        return None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def judge(part: Part, status: int | None, *, had_whole_call: bool) -> str:
    """Say what a command came to: one that must begin anew each time, and had a whole call, will never end."""
    if status is None:
        return UNFINISHED if part.goes_on or not had_whole_call else FAILED
    is_done = status == 0 and (part.ends_with is None or part.ends_with.exists())
    return PASSED if is_done else FAILED


def read_figures(part: Part, said: Sequence[str]) -> Any:
    """Return the JSON that a part wrote, or how many tests passed and which failed."""
    if part.figures is not None:
        return json.loads(part.figures.read_text(encoding="utf-8")) if part.figures.exists() else None
    counts = re.findall(r"(\d+) (passed|failed|skipped|errors?|deselected)", said[-1] if said else "")
    return {
        **{kind: int(number) for number, kind in counts},
        "failed_tests": [line.split()[1] for line in said if line.startswith(("FAILED ", "ERROR "))],
    }


def report(out: Path, names: Sequence[str]) -> int:
    """Say what there is and what is left; return 1 if a part failed."""
    statuses = {name: (read_found(out, name) or {}).get("status", "not run") for name in names}
    for name, status in statuses.items():
        print(f"{name:26}{status}")
    if not set(statuses.values()) & {UNFINISHED, "not run"}:
        print("all parts were run")
    else:
        print("parts are left: call again")
    return int(FAILED in statuses.values())


if __name__ == "__main__":
    sys.exit(main())
