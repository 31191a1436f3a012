"""The parts of `make gpu`: what each of them runs, in full on a GPU, and small on a CPU."""

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Options", "Part", "make_parts"]

ROOT = Path(__file__).resolve().parents[2]

ENGINES = {
    "eager": ("--engine", "eager"),
    "device": ("--engine", "device"),
    "one-pass": ("--engine", "device", "--one-pass"),
}
EQUIVALENCE = {
    "eager": "not native and not device and not one_pass",
    "device": "device and not native",
    "one-pass": "one_pass and not native",
}
"""Which tests of the equivalence suite are about an engine; the native one serves on CPUs only."""

BROKEN_ON_PURPOSE = "not suite_fails and not mutation"

SMALL_RUN = (
    "--total-env-steps 24 --num-envs 2 --learning-starts 8 --round-env-steps 8 --batch-size 2 --unroll-steps 3 "
    "--bootstrap-steps 2 --embed-dim 16 --num-layers 1 --num-heads 2 --context-tokens 4 --num-simulations 2 "
    "--num-eval-simulations 2 --final-eval-episodes 1 --encoder-channels 16 --max-frames 200 --replay-capacity 200 "
    "--warmup-updates 0 --engine device --one-pass True"
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for."""

    device: str
    is_small: bool
    out: Path
    """Folder of what is found out."""
    runs: Path
    """Folder of the training's checkpoints."""
    num_workers: int = 0
    """Processes among which tests are shared; 0 is this one."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One command, whose exit status says whether it passed."""

    name: str
    words: tuple[str, ...]
    """What Python is called with."""
    figures: Path | None = None
    """JSON that it writes."""
    goes_on: bool = False
    """Whether it goes on where it was cut off when it is called again; if not, it begins anew."""
    ends_with: Path | None = None
    """A file that is there once all is done; where there is none, the exit status is enough."""
    begins_in: Path | None = None
    """A folder that is not to be there when it begins: what was killed left it, and nothing in it to go on from."""
    environment: dict[str, str] = field(default_factory=dict)


def make_parts(options: Options) -> list[Part]:
    """Return all parts in their order; small, one of each kind."""
    if options.is_small:
        return [_gpu_tests(options), _equivalence(options, "one-pass"), _suite(options, "one-pass"),
                _bench_train(options, "atari-small"), _pong(options)]  # fmt: skip
    return [
        _gpu_tests(options),
        *(_equivalence(options, engine) for engine in ENGINES),
        _goal(options),
        *(_suite(options, engine) for engine in ENGINES),
        *(_bench_train(options, preset) for preset in ("atari", "atari-small")),
        _pong(options),
    ]


def _gpu_tests(options: Options) -> Part:
    """Return the tests that are marked `gpu`, in the files that hold one; small, one of those files."""
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text("utf-8")]
    names = [str(path.relative_to(ROOT)) for path in files]
    if options.is_small:
        names = [name for name in names if name.endswith("test_recordings.py")]
    return Part(name="tests-marked-gpu", words=(*_pytest(options), "-m", "gpu", *names))


def _equivalence(options: Options, engine: str) -> Part:
    """Return the equivalence suite of an engine, with all networks on the device."""
    chosen = f"{EQUIVALENCE[engine]} and {BROKEN_ON_PURPOSE}"
    files = ["tests/equivalence"]
    if options.is_small:
        chosen, files = f"every_node and {EQUIVALENCE[engine]} and vector", ["tests/equivalence/test_exactness.py"]
    return Part(
        name=f"equivalence-{engine}",
        words=(*_pytest(options), "-k", chosen, *files),
        environment={"KVZERO_TEST_DEVICE": options.device},
    )


def _pytest(options: Options) -> tuple[str, ...]:
    """Return a call of pytest that names what failed and leaves nothing behind."""
    shared = ("-n", str(options.num_workers)) if options.num_workers else ()
    return ("-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "-p", "no:benchmark", *shared)


def _goal(options: Options) -> Part:
    """Return the search that is to take 5 ms at most, 1 ms if all goes well: 50 simulations, E = 768, bfloat16."""
    out = options.out / "goal" / "search.json"
    sizes = "--num-envs 8 --num-simulations 50 --embed-dim 768 --num-heads 8 --dtype bfloat16 --peer mctx"
    words = ("-m", "kvzero", "bench", "search", *sizes.split(), *ENGINES["one-pass"])
    return Part(name="goal", words=(*words, "--device", options.device, "--out", str(out)), figures=out)


def _suite(options: Options, engine: str) -> Part:
    out = options.out / f"suite-{engine}"
    words = ("-m", "kvzero", "bench", "suite", "--resume", "--device", options.device, *ENGINES[engine])
    small = ("--num-rows", "1", "--num-pairs", "1", "--num-threads", "1") if options.is_small else ()
    return Part(
        name=f"suite-{engine}", words=(*words, *small, "--out", str(out)), figures=out / "suite.json", goes_on=True
    )


def _bench_train(options: Options, preset: str) -> Part:
    out = options.out / f"bench-train-{preset}" / "train.json"
    words = ("-m", "kvzero", "bench", "train", "--preset", preset, "--device", options.device)
    small = ("--num-steps", "1", "--num-updates", "1", "--num-threads", "1") if options.is_small else ()
    return Part(name=f"bench-train-{preset}", words=(*words, *small, "--out", str(out)), figures=out)


def _pong(options: Options) -> Part:
    """Return a training of 100,000 steps; the run's folder, once it holds a checkpoint, says how to go on."""
    run = options.runs / "pong"
    summary, train = run / "summary.json", ("-m", "kvzero", "train")
    if any((run / "checkpoints").glob("step_*")):
        words = (*train, "--resume", str(run))
        return Part(name="pong", words=words, figures=summary, goes_on=True, ends_with=summary)
    sizes = SMALL_RUN.split() if options.is_small else ["--total-env-steps", "100000"]
    preset = "atari-small" if options.is_small else "atari"
    where = ("--device", options.device, "--runs-dir", str(options.runs), "--run-name", "pong")
    words = (*train, preset, *where, *sizes)
    return Part(name="pong", words=words, figures=summary, goes_on=True, ends_with=summary, begins_in=run)
