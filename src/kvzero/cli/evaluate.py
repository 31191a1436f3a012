"""`kvzero evaluate`: games played by the agent of a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import tyro

from kvzero.cache import TierConfig
from kvzero.cli.parse import join_repeated, parse
from kvzero.cli.places import beside
from kvzero.cli.streams import make_console
from kvzero.errors import ConfigError
from kvzero.reports import VideoWriter
from kvzero.training import Played, evaluate_run

__all__ = ["evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Play whole games with the agent of a run, without exploration."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or a file that kvzero export wrote."""

    checkpoint: str | None = None
    """Name of the checkpoint that plays, such as step_0000010000_0000004750; the newest one if not given."""

    episodes: int = 20
    """Games to play; an environment whose game is cut off plays no other, so that it may be fewer."""

    seed: int = 0
    """Seed of the environments."""

    num_simulations: int | None = None
    """Simulations per search; as configured for evaluation if not given."""

    device: str = "auto"
    """Where the network lives."""

    video: bool = False
    """Also record the first environment's games as a video in the run's folder, or beside the file; needs the extra
    `video`."""

    json: bool = False
    """Print one JSON object."""

    tiers: Annotated[TierConfig, tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff] = field(
        default_factory=TierConfig
    )
    """Where searches are looked for that were made before."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes is {self.episodes}; give at least 1")


def evaluate(arguments: Sequence[str]) -> int:
    """Run `kvzero evaluate`."""
    request = parse(Evaluate, join_repeated("--tier", arguments), prog="kvzero evaluate")
    path = beside(request.run, f"videos/evaluation-seed{request.seed}.mp4")
    with VideoWriter(path if request.video else None) as video:
        played = evaluate_run(
            request.run,
            checkpoint=request.checkpoint,
            num_episodes=request.episodes,
            seed=request.seed,
            num_simulations=request.num_simulations,
            device=request.device,
            on_frame=video.add if request.video else None,
            tiers=request.tiers,
        )
    spread = stdev(played.returns) if len(played.returns) > 1 else None
    if request.json:
        figures = {
            "run": str(request.run),
            "checkpoint": played.checkpoint.name,
            "episodes": len(played.returns),
            "seed": request.seed,
            "eval_return_mean": fmean(played.returns),
            "eval_return_std": spread,
            "eval_returns": played.returns,
            "eval_cut_games": played.num_cut,
            "tiers": {name: stats.figures() for name, stats in played.tiers.items()},
            "video": None if video.written is None else str(video.written),
        }
        print(json.dumps(figures))
        return 0
    console = make_console()
    checkpoint = "" if played.checkpoint == request.run else f", checkpoint {played.checkpoint.name}"
    console.print(f"{request.run}{checkpoint}, {_count(played, request.episodes)}")
    around = "" if spread is None else f" ± {spread:.1f}"
    console.print(
        f"return {fmean(played.returns):.1f}{around}, from {min(played.returns):.1f} to {max(played.returns):.1f}"
    )
    for name, stats in played.tiers.items():
        console.print(f"tier {name}: {stats}")
    if video.written is not None:
        console.print(f"video in {video.written}")
    return 0


def _count(played: Played, num_asked: int) -> str:
    """Say how many games were played, and how many of them were cut off."""
    num_played = len(played.returns)
    episodes = f"{num_played} episodes" if num_played == num_asked else f"{num_played} of {num_asked} episodes"
    return f"{episodes}, {played.num_cut} cut off" if played.num_cut else episodes
