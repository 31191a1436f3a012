"""Two ranks on this machine, as processes that the tests start, watch and end."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from kvzero.reports import read_metrics

ROOT = Path(__file__).parents[3]
SECONDS = 900  # no more than a bound of what hangs
SMALL = shlex.split(
    "train cartpole --device cpu --num-envs 2 --num-simulations 2 --batch-size 6 --embed-dim 16 --num-heads 2 "
    "--encoder-width 16 --learning-starts 16 --round-env-steps 8 --log-every 8 --eval-every 10000 "
    "--eval-episodes 2 --final-eval-episodes 2 --max-eval-steps 20 --replay-capacity 2000"
)


def environment(**changed: str) -> dict[str, str]:
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return os.environ | threads | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"} | changed


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def start_rank(words: list[str], rank: int, port: str, num_ranks: int = 2) -> subprocess.Popen[str]:
    """Start one rank of `python WORDS`, as torchrun would."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    numbers = {"RANK": rank, "WORLD_SIZE": num_ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": num_ranks}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(**where, **{name: str(number) for name, number in numbers.items()}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_ranks(words: list[str], num_ranks: int = 2) -> list[subprocess.CompletedProcess[str]]:
    """Run ranks of `python WORDS` to their end."""
    port = free_port()
    started = [start_rank(words, rank, port, num_ranks) for rank in range(num_ranks)]
    try:
        said = [process.communicate(timeout=SECONDS)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        subprocess.CompletedProcess(words, process.returncode, text)
        for process, text in zip(started, said, strict=True)
    ]


def start_torchrun(*words: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.Popen(
        [*launcher, "-m", "kvzero", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return all that was said, once the process has ended; end it where it does not."""
    try:
        return process.communicate(timeout=SECONDS)[0]
    finally:
        process.terminate()  # torchrun ends its ranks then
        process.wait()


def await_update(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not (run / "metrics.jsonl").exists() or not any(line.get("updates") for line in read_metrics(run)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no update was made"
        time.sleep(0.1)


def rank_process(launcher: subprocess.Popen[str], rank: int) -> int:
    ranks = psutil.Process(launcher.pid).children()
    return next(each.pid for each in ranks if each.environ().get("RANK") == str(rank))


@contextmanager
def end_all(processes: list[subprocess.Popen[str]]) -> Iterator[None]:
    """Let none of these outlive the block."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
