"""How words become a record: tyro parses them, and says itself what it does not understand."""

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Any, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from kvzero.cli.arguments import read_words, to_words
from kvzero.envs import EnvArguments
from kvzero.errors import ConfigError

__all__ = ["find_value", "join_repeated", "parse", "parse_some"]

Parsed = TypeVar("Parsed")

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


def parse(kind: type[Parsed], words: Sequence[str], *, prog: str, **options: Any) -> Parsed:
    """Return the record that these words describe.

    Raises:
        ConfigError: if a value cannot work.
        SystemExit: after `--help`; with status 2, after tyro has said what it does not understand or what is missing.
    """
    parsed: Parsed = _parsed(lambda: tyro.cli(kind, args=list(words), prog=prog, **options))
    return parsed


def parse_some(kind: type[Parsed], words: Sequence[str], *, prog: str) -> tuple[Parsed, list[str]]:
    """Return the record that some of these words describe, and the words that are not for it.

    Raises:
        ConfigError: if a value cannot work.
        SystemExit: as for `parse`.
    """
    found: tuple[Parsed, list[str]] = _parsed(
        lambda: tyro.cli(kind, args=list(words), prog=prog, return_unknown_args=True)
    )
    return found


def join_repeated(flag: str, words: Sequence[str]) -> list[str]:
    """Return the words with all values of a flag after its last occurrence; tyro would take those of the last only."""
    places = [place for place, word in enumerate(words) if word.partition("=")[0] == flag]
    if len(places) < 2:
        return list(words)
    values: list[str] = []
    rest: list[str] = []
    is_value = False
    for word in words:
        name, equals, value = word.partition("=")
        if name == flag:
            is_value = not equals
            values += [value] if equals else []
        elif is_value and not word.startswith("-"):
            values.append(word)
        else:
            is_value = False
            rest.append(word)
    return [*rest, flag, *values]


def find_value(flag: str, words: Sequence[str]) -> str | None:
    """Return the value that a flag is given last; None where it is not given, or nothing follows it."""
    found = None
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == flag:
            found = value if equals else next(iter(words[place + 1 :]), None)
    return found


def _parsed(read: Callable[[], Parsed]) -> Parsed:
    """Return what is read. A record's own refusal, which tyro would print as its own, is raised again."""
    stderr = sys.stderr
    with REGISTRY, redirect_stderr(io.StringIO()) as said:
        try:
            return read()
        except SystemExit as end:
            if (refusal := _find_refusal(end)) is not None:
                raise refusal from None
            stderr.write(said.getvalue())
            raise


def _find_refusal(error: BaseException | None) -> ConfigError | None:
    """Return the refusal that led to an error."""
    while error is not None and not isinstance(error, ConfigError):
        error = error.__context__
    return error
