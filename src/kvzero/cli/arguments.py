"""How words such as `size=8` become arguments of an environment's constructor, and how these are written as words."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kvzero.errors import ConfigError

__all__ = ["read_words", "to_words"]

WORDS = {"True": True, "False": False, "None": None}
"""What Python writes otherwise than JSON."""

BEGINS_LITERAL = ("[", "{", '"', "'")


def read_words(words: Sequence[str]) -> dict[str, Any]:
    """Return what `key=value` words say: values are JSON (or True, False, None), anything else is a string as it is.

    Raises:
        ConfigError: if a word has no `=`, a name comes twice, or a value begins as a list, dict or quoted string and
            does not end as one.
    """
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} gives no value; write key=value, such as size=8")
        if name in arguments:
            raise ConfigError(f"{name!r} is given twice; give it once")
        arguments[name] = _read_value(word, text)
    return arguments


def to_words(arguments: Mapping[str, Any]) -> list[str]:
    """Return the words that `read_words` reads so."""
    return [f"{name}={json.dumps(value)}" for name, value in arguments.items()]


def _read_value(word: str, text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except ValueError as error:
        if text.startswith(BEGINS_LITERAL):
            raise ConfigError(
                f'{word!r} cannot be read ({error}); write values as JSON does, such as [8, 8] or "a string", or a '
                "string as it is"
            ) from error
    for number in (int, float):  # for what JSON does not write so: +5, .5
        with suppress(ValueError):
            return number(text)
    return text
