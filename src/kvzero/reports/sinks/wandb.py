"""Figures, pictures and videos in Weights & Biases, offline too; the extra `wandb`."""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, SupportsFloat

from kvzero.errors import ConfigError, RunError
from kvzero.files import write_atomically
from kvzero.reports.figures import ENV_STEPS

__all__ = ["WandbSink", "require_wandb"]

ID_FILE = "wandb-id"
"""Keeps the name by which a run is found again when it is resumed."""


def require_wandb() -> Any:
    """Return the package wandb.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import wandb  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ConfigError(f'the sink wandb needs {error.name}; install it with: pip install "kvzero[wandb]"') from error
    return wandb


class WandbSink:
    """Writes into one run of Weights & Biases, which a session that resumes goes on with.

    Everything is drawn over environment steps. What an earlier session logged beyond the checkpoint that a run resumes
    from cannot be taken back: there a curve has two points. Account, project and mode are wandb's own, from
    `wandb login`, `WANDB_PROJECT` (kvzero if not given) and `WANDB_MODE`; offline it writes below the run's folder.

    Raises:
        ConfigError: if wandb is not installed.
        RunError: if it cannot begin, such as without a login.
    """

    def __init__(self, run_dir: Path, *, resume_from: int | None = None) -> None:
        self._wandb = wandb = require_wandb()
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "kvzero"),
                dir=run_dir,
                id=_find_id(run_dir, is_new=resume_from is None),
                name=run_dir.resolve().name,
                config=_read_config(run_dir),
                resume="allow",
                settings=wandb.Settings(console="off", silent=True),
            )
        except wandb.Error as error:
            raise RunError(
                f"Weights & Biases cannot take in {run_dir} ({error}); log in with wandb login, set WANDB_MODE=offline "
                "or leave the sink out"
            ) from error
        self._run.define_metric(ENV_STEPS)
        self._run.define_metric("*", step_metric=ENV_STEPS)

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Log one number per figure."""
        self._run.log({ENV_STEPS: env_steps, **{name: float(figure) for name, figure in figures.items()}})

    def write_picture(self, env_steps: int, name: str, png: bytes) -> None:
        """Log a picture."""
        from PIL import Image  # noqa: PLC0415  # matplotlib brings it along; a run without pictures needs none

        with Image.open(BytesIO(png)) as picture:
            self._run.log({ENV_STEPS: env_steps, name: self._wandb.Image(picture)})

    def write_video(self, env_steps: int, name: str, path: Path) -> None:
        """Log an MP4 file."""
        self._run.log({ENV_STEPS: env_steps, name: self._wandb.Video(str(path), format="mp4")})

    def close(self) -> None:
        """Hand over what is waiting."""
        self._run.finish()


def _find_id(run_dir: Path, *, is_new: bool) -> str:
    """Return what a run is called at Weights & Biases: a new name that is kept in its folder, or the one kept there."""
    path = run_dir / ID_FILE
    if not is_new:
        with suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8").strip()
    name = secrets.token_hex(8)
    write_atomically(path, name.encode())
    return name


def _read_config(run_dir: Path) -> dict[str, Any]:
    """Return the run's settings, which its folder holds before any sink is opened; none where a caller has no run."""
    path = run_dir / "config.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
