"""The page *Performance report* is what its script writes from the comparisons that are kept."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_performance_report_is_made_of_the_comparisons_that_are_kept(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "compare", tmp_path / "results" / "compare")
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    script = tmp_path / "results" / "compare" / "report.py"
    subprocess.run([sys.executable, script, "write"], check=True)
    page = (tmp_path / "docs" / "performance-report.md").read_text(encoding="utf-8")
    assert page == (ROOT / "docs" / "performance-report.md").read_text(encoding="utf-8")
    drawn = {path.name for path in (tmp_path / "docs" / "assets").iterdir()}
    kept = (ROOT / "results" / "compare").glob("long-*.json")
    assert drawn == {f"compare-{path.stem.removeprefix('long-')}.png" for path in kept}
    assert all(f"assets/{name}" in page and (ROOT / "docs" / "assets" / name).is_file() for name in drawn)
