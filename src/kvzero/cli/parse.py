"""How words become a record: tyro parses them, and what it refuses becomes one line."""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from kvzero.cli.arguments import read_words, to_words
from kvzero.envs import EnvArguments
from kvzero.errors import ConfigError

__all__ = ["parse", "parse_some"]

Record = TypeVar("Record")

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BORDER = re.compile(r"^\s*[╭╰].*$", re.MULTILINE)
SIDE = re.compile(r"^\s*│|│\s*$", re.MULTILINE)
RULE = re.compile(r"[─-]{4,}")
PLACE = re.compile(r"^(Value error; )?(Error parsing [\w.]+: )?")
FOOTER = "For full helptext"
"""What tyro draws around a refusal, in colour on a terminal, and without a frame where there is only ASCII."""

REGISTRY = ConstructorRegistry()


@REGISTRY.primitive_rule
def _read_arguments(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[EnvArguments] | None:
    """Return how an environment's arguments are read; tyro would want names and values in turn, all of one type."""
    if info.type != EnvArguments:
        return None
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar="KEY=VALUE",
        instance_from_str=read_words,
        is_instance=lambda found: isinstance(found, dict),
        str_from_instance=to_words,
    )


def parse(kind: type[Record], words: Sequence[str], *, prog: str, **options: Any) -> Record:
    """Return the record that these words describe; `--help` prints and exits.

    Raises:
        ConfigError: if a flag or a value is not understood, missing, or cannot work.
    """
    record: Record = _refused_in_a_line(lambda: tyro.cli(kind, args=list(words), prog=prog, **options), prog)
    return record


def parse_some(kind: type[Record], words: Sequence[str], *, prog: str) -> tuple[Record, list[str]]:
    """Return the record that some of these words describe, and the words that are not for it.

    Raises:
        ConfigError: if a value of a flag that is for it is missing or cannot work.
    """
    found: tuple[Record, list[str]] = _refused_in_a_line(
        lambda: tyro.cli(kind, args=list(words), prog=prog, return_unknown_args=True), prog
    )
    return found


def _refused_in_a_line(read: Callable[[], Any], prog: str) -> Any:
    with REGISTRY, redirect_stderr(io.StringIO()) as said:
        try:
            return read()
        except SystemExit as end:
            if not end.code:
                raise
            raise ConfigError(f"{_one_line(said.getvalue())}; see {prog} --help") from None


def _one_line(box: str) -> str:
    """Return the text in tyro's box of an error, its parts parted by semicolons."""
    text = SIDE.sub("", BORDER.sub("", COLOUR.sub("", box)))
    parts = (" ".join(part.split()) for part in RULE.split(text))
    return PLACE.sub("", "; ".join(part.rstrip(".") for part in parts if part and not part.startswith(FOOTER)))
