"""What an actor returns in place of a reply: why there is none, and will be none."""

from dataclasses import dataclass

from kvzero.errors import KvzeroError

__all__ = ["Refusal", "refused"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """In place of a reply."""

    host: str
    error: KvzeroError


def refused(name: str, refusal: Refusal) -> KvzeroError:
    """Return the error that is raised here, with the name of the actor and its host."""
    return type(refusal.error)(f"{name} on {refusal.host}: {refusal.error}")
