"""`kvzero inspect`: a game and what was thought at each of its steps, as one page."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from kvzero.checks import LAST_PORT
from kvzero.cli.parse import parse
from kvzero.cli.places import beside, refuse_folder
from kvzero.cli.streams import make_console
from kvzero.errors import ConfigError
from kvzero.files import make_parent, write_atomically
from kvzero.inspector import check_kind, inspect_run, render_page, serve_page, write_records

__all__ = ["inspect"]

LOOPBACK = "127.0.0.1"
PORT = 8000
PAGE = "inspect.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """Play a game with the agent of a run and show what it thought at every step: one page, which needs no network."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or a file that kvzero export wrote."""

    checkpoint: str | None = None
    """Name of the checkpoint that plays, such as step_0000010000_0000004750; the newest one if not given."""

    seed: int = 0
    """Seed of the environment."""

    num_simulations: int | None = None
    """Simulations per search; as configured for evaluation if not given."""

    max_steps: int = 500
    """Steps after which the game is cut off."""

    num_foreseen: int = 10
    """Steps over which predictions are followed below every step, on predicted latents, and held against what came."""

    out: Path | None = None
    """The page; if not given, inspect.html in the run's folder or beside the file, and none where it is served."""

    json: Path | None = None
    """Also write the records of all searches here, as JSON or, where the name ends so, as npz."""

    serve: bool = False
    """Serve the page to a browser of this machine until interrupted."""

    host: str | None = None
    """Serve to others too: address to listen on, such as 0.0.0.0; this machine alone if not given."""

    port: int | None = None
    """Port to serve on; 8000 if not given, and with 0 any that is free."""

    device: str = "auto"
    """Where the network lives."""

    def __post_init__(self) -> None:
        if self.json is not None:
            check_kind(self.json)
        if self.port is not None and not 0 <= self.port <= LAST_PORT:
            raise ConfigError(f"port is {self.port}; give one from 1 to {LAST_PORT}, or 0 for any that is free")
        idle = [name for name in ("host", "port") if not self.serve and getattr(self, name) is not None]
        if idle:
            raise ConfigError(
                f"{' and '.join(idle)} would have no effect without --serve; give that too, or leave it out"
            )


def inspect(arguments: Sequence[str]) -> int:
    """Run `kvzero inspect`."""
    request = parse(Inspect, arguments, prog="kvzero inspect")
    refuse_folder(request.json, flag="--json", such_as="records.json")
    refuse_folder(request.out, such_as=PAGE)
    console = make_console()
    game = inspect_run(
        request.run,
        checkpoint=request.checkpoint,
        seed=request.seed,
        num_simulations=request.num_simulations,
        max_steps=request.max_steps,
        num_foreseen=request.num_foreseen,
        device=request.device,
    )
    ended = ", cut off" if game.is_cut else ""
    checkpoint = "" if game.checkpoint == request.run else f", checkpoint {game.checkpoint.name}"
    console.print(f"{request.run}{checkpoint}: return {game.total:.1f} in {len(game.records)} steps{ended}")
    if request.json is not None:
        write_records(request.json, game)
        console.print(f"records in {request.json}")
    page = render_page(game).encode()
    if request.out is not None or not request.serve:
        path = request.out or beside(request.run, PAGE)
        make_parent(path)
        write_atomically(path, page)
        console.print(f"page in {path}")
    if request.serve:
        with suppress(KeyboardInterrupt):  # which is how serving ends
            serve_page(
                page,
                host=request.host or LOOPBACK,
                port=PORT if request.port is None else request.port,
                on_ready=lambda address: console.print(f"serving {address} until Ctrl-C"),
            )
    return 0
