"""The figures of a run as lines of JSON over environment steps, which outlive a kill and can be read back."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from kvzero.errors import RunError
from kvzero.files import write_atomically
from kvzero.reports.figures import ENV_STEPS, EVAL_RETURN_MEAN

__all__ = ["METRICS_FILE", "JsonlSink", "read_metrics"]

METRICS_FILE = "metrics.jsonl"


class JsonlSink:
    """Appends figures to `metrics.jsonl` in the run's folder.

    A file that is there already is continued; a last line that a kill tore is dropped first.

    Args:
        run_dir: the run's folder; made if there is none.
        resume_from: environment steps of the checkpoint that the run resumes from; lines beyond it are cut off, so that
            the curve holds one history only.
        evaluated_at: environment steps of the newest evaluation that the checkpoint knows of, if it says so; one that
            was played after that, and after the checkpoint, is played again, so that its line is cut off, too.

    Raises:
        RunError: if the folder cannot be written to, or the file is damaged before its last line.
    """

    def __init__(self, run_dir: Path, *, resume_from: int | None = None, evaluated_at: int | None = None) -> None:
        self._path = run_dir / METRICS_FILE
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            _repair(self._path, resume_from, evaluated_at)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise _refusal(self._path, error) from error

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Write these figures as of so many environment steps; one that is not finite becomes `null`.

        Raises:
            RunError: if the folder cannot be written to.
        """
        numbers = {name: float(figure) for name, figure in figures.items()}
        finite = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        try:
            self._file.write(json.dumps({ENV_STEPS: env_steps, **finite}, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise _refusal(self._path, error) from error

    def close(self) -> None:
        """Write out what is waiting and close the file.

        Raises:
            RunError: if the folder cannot be written to.
        """
        try:
            self._file.close()
        except OSError as error:
            raise _refusal(self._path, error) from error


def read_metrics(run_dir: Path) -> list[dict[str, float]]:
    """Return the lines of a run's `metrics.jsonl`, each with its `env_steps`; what was not finite comes back as NaN.

    Raises:
        RunError: if there is no such file, or it is damaged before its last line.
    """
    path = run_dir / METRICS_FILE
    if not path.is_file():
        raise RunError(f"{path} does not exist; give the folder of a run")
    return [
        {name: math.nan if figure is None else float(figure) for name, figure in record.items()}
        for _, record in _whole_lines(path)
    ]


def _whole_lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the text and the content of each line, without a last line that a kill tore."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    whole = []
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise RunError(f"line {number} of {path} is no JSON ({error}); repair or delete that line") from error
            break
        if not _is_record(content):
            raise RunError(
                f"line {number} of {path} is {line[:80]}, where {ENV_STEPS} and other figures were wanted; "
                "repair or delete that line"
            )
        whole.append((line, content))
    return whole


def _is_record(content: object) -> bool:
    """Return whether this is what `JsonlSink.write` writes: names and numbers, or null, with environment steps."""
    return (
        isinstance(content, dict)
        and isinstance(content.get(ENV_STEPS), int | float)
        and all(figure is None or isinstance(figure, int | float) for figure in content.values())
    )


def _repair(path: Path, resume_from: int | None, evaluated_at: int | None) -> None:
    """Bring the file back to whole lines, none of them beyond `resume_from`, nor, of evaluations, `evaluated_at`."""
    if not path.exists():
        return
    last, last_evaluation = (math.inf if limit is None else limit for limit in (resume_from, evaluated_at))
    lines = (
        line
        for line, record in _whole_lines(path)
        if record[ENV_STEPS] <= (min(last, last_evaluation) if EVAL_RETURN_MEAN in record else last)
    )
    content = "".join(f"{line}\n" for line in lines).encode()
    if content != path.read_bytes():
        write_atomically(path, content)


def _refusal(path: Path, error: OSError) -> RunError:
    """Say what went wrong with the file, unless that has been said."""
    if isinstance(error, RunError):
        return error
    return RunError(f"cannot write {path}: {error.strerror or error}; free some space or choose another run folder")
