"""How curves look: matplotlib figures, drawn without its global state."""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from kvzero.reports.figures import (
    ENV_STEPS,
    EVAL_RETURN_MAX,
    EVAL_RETURN_MEAN,
    EVAL_RETURN_MIN,
    OPEN_LOOP,
    TRAIN_RETURN,
)

__all__ = ["draw_costs", "draw_open_loop", "draw_others", "draw_returns", "png"]

Metrics = Sequence[dict[str, float]]

INK, FAINT, BLUE, GREY = "#24292f", "#d8dee4", "#0b62c4", "#9aa5b1"
RETURNS = (TRAIN_RETURN, EVAL_RETURN_MEAN, EVAL_RETURN_MIN, EVAL_RETURN_MAX)
NUM_COLUMNS = 3
EVALUATIONS_SHOWN = (0.0, 1 / 3, 2 / 3, 1.0)
"""Of all evaluations of a run, those whose open-loop errors are drawn."""

DOTS_PER_INCH = 150


def draw_returns(metrics: Metrics, *, title: str) -> Figure:
    """Draw evaluation returns (mean, lowest to highest) over environment steps, training returns behind them."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    _dress(axes, title)
    axes.set_ylabel("return")
    axes.set_xlabel("environment steps")
    steps, returns = _series(metrics, TRAIN_RETURN)
    if steps:
        axes.plot(steps, returns, ".", color=GREY, alpha=0.55, markersize=4, markeredgewidth=0, label="training")
    _draw_evaluations(axes, metrics)
    if axes.lines:
        axes.legend(loc="upper left", frameon=False, labelcolor=INK, fontsize=9)
    else:
        axes.text(0.5, 0.5, "no episode has ended yet", transform=axes.transAxes, ha="center", color=GREY)
    return figure


def draw_others(metrics: Metrics) -> Figure | None:
    """Draw every figure that is no return and no open-loop error into a plot of its own; None if there is none."""
    named = {name for line in metrics for name in line if not name.startswith(f"{OPEN_LOOP}/")}
    names = sorted(named - {ENV_STEPS, *RETURNS})
    if not names:
        return None
    num_rows = math.ceil(len(names) / NUM_COLUMNS)
    figure = Figure(figsize=(10, 2.3 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _dress(axes, name)
        axes.plot(*_series(metrics, name), color=BLUE, linewidth=1.1)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def draw_open_loop(metrics: Metrics) -> Figure | None:
    """Draw open-loop errors by depth, a plot for each kind, a line for each of a few evaluations; None without any."""
    lines = [(line[ENV_STEPS], found) for line in metrics if (found := _open_loop(line))]
    if not lines:
        return None
    shown = [lines[index] for index in sorted({round(share * (len(lines) - 1)) for share in EVALUATIONS_SHOWN})]
    kinds = sorted({kind for _, found in shown for kind in found})
    figure = Figure(figsize=(2.6 * len(kinds), 2.8), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False).ravel()
    for axes, kind in zip(panels, kinds, strict=True):
        _dress(axes, f"{OPEN_LOOP}/{kind}")
        axes.set_xlabel("depth")
        for rank, (env_steps, found) in enumerate(shown, start=1):
            if kind in found:
                label, alpha = f"{env_steps:,.0f} steps", rank / len(shown)
                axes.plot(*_sorted(found[kind]), "o-", color=BLUE, alpha=alpha, markersize=3, label=label)
    panels[0].legend(frameon=False, labelcolor=INK, fontsize=7)
    return figure


def draw_costs(lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, title: str) -> Figure:
    """Draw milliseconds over each named size; the dashed line through the first point is what linear would be."""
    figure = Figure(figsize=(3.1 * len(lines), 3.4), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=10)
    panels = figure.subplots(1, len(lines), squeeze=False).ravel()
    for axes, (name, (sizes, milliseconds)) in zip(panels, lines.items(), strict=True):
        _dress(axes, name)
        axes.set(xscale="log", yscale="log", ylabel="milliseconds")
        linear = [milliseconds[0] * size / sizes[0] for size in sizes]
        axes.plot(sizes, linear, "--", color=GREY, linewidth=1, label="linear")
        axes.plot(sizes, milliseconds, "o-", color=BLUE, linewidth=1.6, markersize=4, label="measured")
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axes.minorticks_off()
        axes.legend(loc="upper left", frameon=False, labelcolor=INK, fontsize=8)
    return figure


def png(figure: Figure) -> bytes:
    """Return the figure as the content of a PNG file."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return file.getvalue()


def _draw_evaluations(axes: Axes, metrics: Metrics) -> None:
    """Draw the mean return of each evaluation, in a band from the lowest to the highest, and name the last one."""
    steps, means = _series(metrics, EVAL_RETURN_MEAN)
    if not steps:
        return
    ranged = [line for line in metrics if EVAL_RETURN_MIN in line and EVAL_RETURN_MAX in line]
    low, high = _series(ranged, EVAL_RETURN_MIN), _series(ranged, EVAL_RETURN_MAX)
    axes.fill_between(low[0], low[1], high[1], color=BLUE, alpha=0.15, linewidth=0, label="evaluation, min to max")
    axes.plot(steps, means, "o-", color=BLUE, linewidth=2, markersize=4, label="evaluation, mean")
    axes.annotate(
        f"{means[-1]:,.1f}",
        (steps[-1], means[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=BLUE,
        fontweight="bold",
        fontsize=9,
        annotation_clip=False,
    )


def _open_loop(line: dict[str, float]) -> dict[str, dict[int, float]]:
    """Return the open-loop errors of a line of metrics, by kind and depth."""
    found: dict[str, dict[int, float]] = {}
    for name, error in line.items():
        if name.startswith(f"{OPEN_LOOP}/"):
            _, kind, depth = name.split("/")
            found.setdefault(kind, {})[int(depth)] = error
    return found


def _sorted(errors: dict[int, float]) -> tuple[list[int], list[float]]:
    """Return depths and their errors, in order."""
    depths = sorted(errors)
    return depths, [errors[depth] for depth in depths]


def _series(metrics: Metrics, name: str) -> tuple[list[float], list[float]]:
    """Return environment steps and values of one figure, where it was finite."""
    points = [(line[ENV_STEPS], line[name]) for line in metrics if math.isfinite(line.get(name, math.nan))]
    return [step for step, _ in points], [value for _, value in points]


def _dress(axes: Axes, title: str) -> None:
    """Give axes the house look: a title at the left, a faint grid, no box."""
    axes.set_title(title, loc="left", color=INK, fontsize=10, fontweight="bold", parse_math=False)
    axes.grid(visible=True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.02)
