"""What the guide tells of many collectors is what its measurement says, by the simulation as it is now."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PLACE = Path(__file__).parents[3] / "results" / "distributed"
FOUND = json.loads((PLACE / "collectors.json").read_text(encoding="utf-8"))


@pytest.fixture
def made(monkeypatch):
    monkeypatch.syspath_prepend(str(PLACE))
    yield SimpleNamespace(**runpy.run_path(str(PLACE / "forecast.py")))
    sys.modules.pop("simulation")


def test_the_table_is_what_the_measurement_says(made):
    kept = (PLACE / "collectors.md").read_text(encoding="utf-8")
    assert made.tabulate(FOUND) == kept, "run: python results/distributed/collectors.py"


@pytest.mark.parametrize("name", FOUND["environments"])
def test_what_was_simulated_follows_from_the_costs_that_were_measured(made, name):
    kept = FOUND["environments"][name]["forecast"]
    costs = made.Costs(**(kept["costs"] | {"collect": tuple(kept["costs"]["collect"])}))
    measured = {run["collectors"]: run["measured_env_steps_per_second"] for run in kept["runs"] if "error" in run}
    assert set(measured) == {1, 2}
    for run, again in zip(kept["runs"], made.forecast(costs, measured)["runs"], strict=True):
        assert again.pop("simulated") == pytest.approx(run["simulated"])
        assert again == pytest.approx({each: run[each] for each in again})


def test_an_error_is_told_as_it_is(made):
    costs = made.Costs(batch_steps=8, collect=(0.4,), update=0.1, transfer=0.0, reach=0.0, publish=0.0)
    (first, second, *more) = made.forecast(costs, {1: 25.0, 2: 40.0})["runs"]
    assert (first["collectors"], first["gain"], first["bound"]) == (1, pytest.approx(1.25), pytest.approx(1.25))
    assert first["error"] == pytest.approx(-0.2)
    assert second["error"] == pytest.approx(0.0)
    assert not any("error" in run for run in more)
    environment = {
        "alone_env_steps_per_second": 16.0,
        "busy_processors": {"1": 0.5, "2": 0.75},
        "collectors": 2,
        "ratio": 2.5,
        "forecast": {"runs": [first, second]},
    }
    machine = {"usable_cores": 2, "load_average": [0.25], "processor": "Abacus"}
    table = made.tabulate({"machine": machine, "environments": {"Ladder": environment}})
    assert "| none | 16 | - | 1 | 1 | - |\n| 1 | 25 | 20 | 1.25 | 1.25 | 75% |" in table
    assert "differ by 20% at most; what was measured kept 0.8 processors busy" in table
    assert table.endswith("Measured on Abacus, 2 processors, load 0.25 when it began.\n")
