"""Draw the learning curves of the guide from the evaluations kept here: python results/continuous/draw.py."""

import json
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
FIGURE = HERE.parents[1] / "docs" / "assets" / "continuous-curves.png"
COLOURS = ("#0b62c4", "#d1570a")


def draw() -> Figure:
    """Draw mean evaluation returns over environment steps: one plot for each task, in it a line for each seed."""
    random_returns = json.loads((HERE / "random.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(17, 3.2), layout="constrained")
    panels = figure.subplots(1, len(random_returns))
    for axes, (task, level) in zip(panels, random_returns.items(), strict=True):
        axes.set_title(task, loc="left", fontsize=10)
        axes.axhline(level, color="#9aa5b1", linestyle="--", linewidth=1, label="random actions")
        for seed, folder in enumerate(sorted((HERE / task).iterdir())):
            lines = json.loads((folder / "evaluations.json").read_text(encoding="utf-8"))
            steps, means = zip(*((line["env_steps"], line["eval_return_mean"]) for line in lines), strict=True)
            axes.plot(steps, means, "o-", color=COLOURS[seed], markersize=3, linewidth=1.4, label=folder.name)
        axes.set_xlabel("environment steps")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.locator_params("x", nbins=4)
    panels[0].set_ylabel("evaluation return")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    draw().savefig(FIGURE, dpi=110, facecolor="white")
