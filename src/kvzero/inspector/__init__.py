"""The inspector: what an agent thought at every step of a game, as records and as one page."""

from kvzero.inspector.files import check_kind, write_records
from kvzero.inspector.game import Game, inspect_run
from kvzero.inspector.page import render_page
from kvzero.inspector.serve import serve_page

__all__ = ["Game", "check_kind", "inspect_run", "render_page", "serve_page", "write_records"]
