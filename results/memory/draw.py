"""Draw what a context is good for, from the evaluations kept here: python results/memory/draw.py."""

import json
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).parent
FIGURE = HERE.parents[1] / "docs" / "assets" / "memory-curves.png"
CONTEXTS = {"context-32": ("32 tokens of context", "#0b62c4"), "context-2": ("2 tokens of context", "#d1570a")}
LEVELS = {"always right": 1.0, "one answer in four right": -0.5}


def draw() -> Figure:
    """Draw mean evaluation returns over environment steps: one colour for each context, one line for each seed."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, level in LEVELS.items():
        axes.axhline(level, color="#9aa5b1", linestyle="--", linewidth=1)
        axes.annotate(name, (0, level), textcoords="offset points", xytext=(2, 4), fontsize=8, color="#616e7c")
    for context, (label, colour) in CONTEXTS.items():
        for index, folder in enumerate(sorted((HERE / context).iterdir())):
            lines = json.loads((folder / "evaluations.json").read_text(encoding="utf-8"))
            steps, means = zip(*((line["env_steps"], line["eval_return_mean"]) for line in lines), strict=True)
            axes.plot(steps, means, "o-", color=colour, markersize=3, linewidth=1.4, label="" if index else label)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("evaluation return")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center right")
    return figure


if __name__ == "__main__":
    draw().savefig(FIGURE, dpi=110, facecolor="white")
