"""Two ranks on this machine, as processes that the tests start, watch and end."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS = 240


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
