"""A report in Markdown, its charts as pictures beside it."""

from collections.abc import Sequence
from pathlib import Path

from kvzero.files import write_atomically
from kvzero.reports.characters import spell
from kvzero.reports.drawing import NUM_COLOURS, Table
from kvzero.reports.rendering import render
from kvzero.reports.results.sections import Section

__all__ = ["write_markdown"]


def write_markdown(out: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the report, and `<its name>-<number>.svg` for each chart.

    Raises:
        RunError: if a file cannot be written.
    """
    parts, num_charts = [f"# {_plain(title)}"], 0
    for section in sections:
        parts += [f"## {_plain(section.title)}", *map(_plain, section.notes)]
        for chart in section.charts:
            num_charts += 1
            picture = out.with_name(f"{out.stem}-{num_charts}.svg")
            drawn = render("chart", kind="svg", chart=chart, names=section.names, num_colours=NUM_COLOURS)
            write_atomically(picture, spell(drawn, "utf-8").encode())
            parts.append(f"![{_plain(chart.title)}]({picture.name})")
        parts += map(_table, section.tables)
        if section.commands:
            parts.append("\n".join(["```console", *(f"$ {command}" for command in section.commands), "```"]))
    write_atomically(out, spell("\n\n".join(parts) + "\n", "utf-8").encode())


def _table(table: Table) -> str:
    lines = [table.titles, ["---"] * len(table.titles), *table.rows]
    return "\n".join(f"| {' | '.join(map(_plain, cells))} |" for cells in lines)


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text).replace("\n", " ")
