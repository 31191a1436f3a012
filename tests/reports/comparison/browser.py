"""A headless Chromium, where one is installed: how a page looks to a browser after it is laid out."""

import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=2000",
)


def find_browser() -> str | None:
    """Return the path of a browser; None where none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def browse(page: Path, profile: Path, *flags: str) -> str:
    """Open a page with the network out of reach and return what the browser wrote to standard output."""
    browser = find_browser()
    assert browser is not None
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    done = subprocess.run(
        [browser, *FLAGS, offline, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
