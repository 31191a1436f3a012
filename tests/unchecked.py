"""Calls with values that the shape checks of a test session would stop before kvzero sees them."""

import json
import subprocess
import sys
from collections.abc import Iterable

EPILOGUE = """
import json, sys

def outcome(call):
    try:
        return repr(eval(call))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps([outcome(call) for call in json.load(sys.stdin)]))
"""


def outcomes_of(preamble: str, calls: Iterable[str]) -> dict[str, str]:
    """Return what each call says, or the error that it raises, after `preamble` in a process without those checks."""
    asked = list(calls)
    child = subprocess.run(
        [sys.executable, "-c", preamble + EPILOGUE], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return dict(zip(asked, json.loads(child.stdout), strict=True))
