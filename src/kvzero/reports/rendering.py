"""How what was measured becomes a page: the templates beside this file, filled in and escaped by jinja."""

from pathlib import Path
from typing import Any

__all__ = ["render"]

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, kind: str = "html", **content: Any) -> str:
    """Return the template of this name and kind filled in: what it shows is escaped, a name that is missing raises."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # a run ends with it

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(f"{template}.{kind}.j2").render(content)
