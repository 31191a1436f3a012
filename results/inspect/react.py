"""Measure how large the page of a long game is, and how fast it reacts to keys: python results/inspect/react.py RUN.

The game has up to 500 steps of 50 simulations. A reaction is the time from a key to the end of the next frame but one
in a headless Chromium, so that it holds up to two frames of waiting, 17 ms each.
"""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.inspector.browser import Browser  # noqa: E402

from kvzero.inspector import inspect_run, render_page  # noqa: E402

KEYS = ("ArrowRight", "ArrowDown", "f", "ArrowLeft", "+", "0")
NUM_ROUNDS = 40

REACTION = """new Promise((done) => {
  const began = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: KEY, bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


def measure(run: Path) -> dict[str, float]:
    """Return the size of a page, what it takes to open, and reactions in milliseconds."""
    game = inspect_run(run, max_steps=500, num_simulations=50, device="cpu")
    content = render_page(game)
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder, "profile")) as browser:
        page = Path(folder, "inspect.html")
        page.write_text(content, encoding="utf-8")
        browser.open(page)
        opened = browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        times = [browser.evaluate(REACTION.replace("KEY", json.dumps(key))) for _ in range(NUM_ROUNDS) for key in KEYS]
        if browser.complaints:
            raise RuntimeError(browser.complaints[0])
    return {
        "steps": len(game.records),
        "megabytes": len(content.encode()) / 1e6,
        "open_ms": opened,
        "reaction_ms_median": median(times),
        "reaction_ms_95_percent": quantiles(times, n=20)[-1],
        "reaction_ms_most": max(times),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1])), indent=2))
