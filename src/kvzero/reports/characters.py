"""Text for terminals that cannot show every character: what is missing there is spelled with what is there."""

import codecs

__all__ = ["SPELLED", "spell"]

SPELLED = "kvzero.spelled"
"""Name of the error handler that spells, to be a stream's `errors`."""

SPELLINGS = {"·": "-", "±": "+-", "…": "..."}
"""What stands for a character; for any other a question mark does."""


def spell(text: str, encoding: str) -> str:
    """Return a text that `encoding` can write: characters it lacks are spelled, bytes of a path that mean none too."""
    return text.encode(encoding, SPELLED).decode(encoding, "backslashreplace")


def _spell(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return b"".join(_bytes(character) for character in error.object[error.start : error.end]), error.end


def _bytes(character: str) -> bytes:
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte of a path that is no text
        return bytes([ord(character) - 0xDC00])
    return SPELLINGS.get(character, "?").encode("ascii")


codecs.register_error(SPELLED, _spell)
