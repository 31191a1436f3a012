"""The curve and the report are drawn from what a run left, whatever is missing, and need no network."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kvzero.errors import RunError
from kvzero.reports import FigureLog, Summary, plot_learning_curve, read_metrics, write_report, write_summary
from kvzero.reports.pictures.plots import draw_costs, draw_open_loop, draw_others, draw_returns

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects text, images and everything that would be fetched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]


def test_the_learning_curve_is_a_png(tmp_path: Path, write_metrics: Callable[[Path], None]) -> None:
    write_metrics(tmp_path)
    path = plot_learning_curve(tmp_path)
    assert path == tmp_path / "learning_curve.png"
    assert path.read_bytes().startswith(PNG_MAGIC)


def test_the_curve_shows_evaluations_over_training_returns(
    tmp_path: Path, write_metrics: Callable[[Path], None]
) -> None:
    write_metrics(tmp_path)
    axes = draw_returns(read_metrics(tmp_path), title="a run").axes[0]
    training, evaluation = axes.lines
    assert len(training.get_xydata()) == 10
    assert evaluation.get_xydata().tolist() == [[500, 500 / 3], [1000, 1000 / 3]]
    band = axes.collections[0].get_datalim(axes.transData)
    assert (band.ymin, band.ymax) == (20, 500)


def test_a_run_without_returns_still_has_a_curve(tmp_path: Path) -> None:
    FigureLog(tmp_path).close()
    assert plot_learning_curve(tmp_path).read_bytes().startswith(PNG_MAGIC)
    assert draw_others(read_metrics(tmp_path)) is None


def test_other_figures_get_a_panel_each(tmp_path: Path, write_metrics: Callable[[Path], None]) -> None:
    write_metrics(tmp_path)
    figure = draw_others(read_metrics(tmp_path))
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == ["loss", "loss_value"]


def test_open_loop_errors_are_drawn_by_depth_for_a_few_evaluations() -> None:
    names = [f"open_loop/{kind}/{depth:02d}" for kind in ("latent", "value") for depth in (1, 2, 10)]
    metrics = [
        {"env_steps": 100.0 * step, **{name: float(step + place) for place, name in enumerate(names)}, "loss": 1.0}
        for step in range(1, 12)
    ]
    figure = draw_open_loop([{"env_steps": 50.0, "loss": 2.0}, *metrics])
    assert figure is not None
    latent, value = figure.axes
    assert [line.get_label() for line in latent.lines] == ["100 steps", "400 steps", "800 steps", "1,100 steps"]
    assert value.lines[-1].get_xydata().tolist() == [[1, 14], [2, 15], [10, 16]]
    others = draw_others(metrics)
    assert others is not None
    assert [axes.get_title(loc="left") for axes in others.axes if axes.get_visible()] == ["loss"]
    assert draw_open_loop([{"env_steps": 50.0, "loss": 2.0}]) is None


def test_a_depth_that_one_evaluation_did_not_reach_is_left_out_there() -> None:
    metrics = [
        {"env_steps": 1.0, "open_loop/value/01": 0.5},
        {"env_steps": 2.0, "open_loop/value/01": 0.25, "open_loop/value/02": 0.75},
        {"env_steps": 3.0, "open_loop/latent/01": 0.125},
    ]
    figure = draw_open_loop(metrics)
    assert figure is not None
    latent, value = figure.axes
    assert [line.get_xydata().tolist() for line in value.lines] == [[[1, 0.5]], [[1, 0.25], [2, 0.75]]]
    assert [line.get_xydata().tolist() for line in latent.lines] == [[[1, 0.125]]]


def test_drawing_needs_a_run(tmp_path: Path) -> None:
    for draw in (plot_learning_curve, write_report):
        with pytest.raises(RunError, match="does not exist"):
            draw(tmp_path)


def test_the_report_holds_all_and_fetches_nothing(
    tmp_path: Path, write_metrics: Callable[[Path], None], summary: Summary
) -> None:
    write_metrics(tmp_path)
    write_summary(tmp_path, summary)
    config = {"seed": 3, "model": {"embed_dim": 64, "norm": "<script>alert('x')</script>"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    html = write_report(tmp_path).read_text(encoding="utf-8")
    page = Page(html)
    for shown in ("487.2", "20,000", "cartpole", "500, 474.5", "embed_dim", "<script>alert('x')</script>", "3.11.7"):
        assert shown in page.text
    assert (
        "Collecting is 40% and reanalysis 20% of the work of this run: 3 collectors can make it at most 1.67x as fast"
        in page.text
    )
    assert "script" not in page.tags
    assert len(page.sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "url(" not in html
    assert "@import" not in html


def test_the_configuration_is_shown_part_by_part(tmp_path: Path, write_metrics: Callable[[Path], None]) -> None:
    write_metrics(tmp_path)
    config = {"seed": 3, "agent": {"store": "tree", "model": {"embed_dim": 64}}, "env": {"sizes": [2, 0.5]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shown = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    words = " ".join(shown[shown.index("Configuration") :].split())
    assert words == "Configuration run seed 3 agent store tree agent.model embed_dim 64 env sizes 2, 0.5"


@pytest.mark.parametrize(("codec", "is_told"), [("none", False), ("int8", True)])
def test_a_run_whose_pools_rounded_says_so(
    tmp_path: Path, write_metrics: Callable[[Path], None], codec: str, is_told: bool
) -> None:
    write_metrics(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"agent": {"cache": {"pool_codec": codec}}}))
    shown = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert (f"kept as {codec}, which rounds them: predictions in search were not exact" in shown) == is_told


def test_a_run_that_has_not_ended_has_a_report(tmp_path: Path, write_metrics: Callable[[Path], None]) -> None:
    write_metrics(tmp_path)
    assert "has not ended" in Page(write_report(tmp_path).read_text(encoding="utf-8")).text


@pytest.mark.parametrize("content", ["{", "3"])
def test_a_damaged_configuration_is_refused(
    tmp_path: Path, write_metrics: Callable[[Path], None], content: str
) -> None:
    write_metrics(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match="no configuration"):
        write_report(tmp_path)


def test_costs_are_drawn_beside_what_linear_would_be():
    figure = draw_costs({"envs": ([2, 4], [3.0, 5.0]), "width": ([8, 16, 24], [1.0, 4.0, 9.0])}, title="one search")
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["envs", "width"]
    linear, measured = panels[1].lines
    assert list(linear.get_ydata()) == [1, 2, 3]
    assert list(measured.get_ydata()) == [1, 4, 9]
    assert {panels[1].get_xscale(), panels[1].get_yscale()} == {"log"}
    assert [label.get_text() for label in panels[1].get_xticklabels()] == ["8", "16", "24"]
