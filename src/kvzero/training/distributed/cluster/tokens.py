"""The token by which a cluster knows who may use it, where Ray looks for it."""

import os
from pathlib import Path

__all__ = ["read_token"]


def read_token() -> str | None:
    """Return the token of this user: `RAY_AUTH_TOKEN`, else the file `RAY_AUTH_TOKEN_PATH` or ~/.ray/auth_token."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
