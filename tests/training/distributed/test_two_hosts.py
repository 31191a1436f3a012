"""A run across two hosts whose cable is pulled for good ends with a checkpoint of all its steps, and says why."""

import importlib
import re
from math import inf
from pathlib import Path

import pytest

pytest.importorskip("ray")

SCRIPTS = Path(__file__).parents[3] / "results" / "distributed"
SETTINGS = {
    "max-restarts": 0,
    "silent-seconds": 2,
    "total-env-steps": 100_000,
    "log-every": 1,
    "num-threads": 1,
}
CUT_AT = 100
REASON = (
    r"error: collector [01] was lost: it said nothing any more; that makes 1 within a minute, and max_restarts is 0; "
    r"mend the cause, then go on with --resume"
)


@pytest.fixture
def two_hosts(monkeypatch):
    """Give the script that plays such scenes."""
    monkeypatch.syspath_prepend(SCRIPTS)
    if lack := importlib.import_module("hosts").missing():
        pytest.skip(f"two hosts take root and network namespaces: {lack}")
    return importlib.import_module("two_hosts")


def test_a_cable_pulled_for_good_ends_the_run_with_all_its_steps_and_the_reason(two_hosts, tmp_path):
    told = two_hosts.play(inf, SETTINGS, CUT_AT, tmp_path)
    assert told["status"] == 1
    assert re.fullmatch(REASON, told["said"])
    assert told["env_steps"] > CUT_AT
    assert told["is_complete"]
