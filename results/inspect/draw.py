"""Draw the screenshots of the guide on the inspector: python results/inspect/draw.py RUN [RUN ...].

Each run of any preset, or agent in one file, becomes docs/assets/inspect-<preset>.png: its page in a headless Chromium,
in the middle of a game; every other one in dark colours.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kvzero.inspector import inspect_run, render_page
from kvzero.training import read_config

ASSETS = Path(__file__).parents[2] / "docs" / "assets"
SIZE = (1400, 880)
MAX_STEPS = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--virtual-time-budget=3000",
)


def draw(run: Path, theme: str) -> Path:
    """Draw the page of one run and return where the picture is."""
    game = inspect_run(run, max_steps=MAX_STEPS, device="cpu")
    step = len(game.records) // 2
    line = game.records[step].principal_line
    node = line[min(2, len(line) - 1)]
    picture = ASSETS / f"inspect-{read_config(run).preset}.png"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "inspect.html")
        page.write_text(render_page(game), encoding="utf-8")
        browser = shutil.which("chromium") or "google-chrome"
        address = f"{page.as_uri()}#step={step}&node={node}&theme={theme}"
        words = [f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={folder}/profile", f"--screenshot={picture}"]
        subprocess.run(  # noqa: S603  # a browser that is installed here, on a page of our own
            [browser, *FLAGS, *words, address], check=True, capture_output=True
        )
    return picture


if __name__ == "__main__":
    for place, name in enumerate(sys.argv[1:]):
        print(draw(Path(name), ("light", "dark")[place % 2]))
