"""Rules of a search: what is selected at the root and inside, what to play and what to learn in the end.

A rule is a file here, a config beside `PuctConfig` where it has knobs, and a line in `RULES`.
"""

from collections.abc import Callable

from kvzero.search.config import RuleKind, SearchConfig
from kvzero.search.rules.gumbel import GumbelRule
from kvzero.search.rules.puct import PuctRule
from kvzero.search.rules.rule import Decision, Rule

__all__ = ["Decision", "GumbelRule", "PuctRule", "Rule", "make_rule"]

RULES: dict[RuleKind, Callable[[SearchConfig], Rule]] = {
    "puct": PuctRule,
    "gumbel": GumbelRule,
}


def make_rule(config: SearchConfig) -> Rule:
    """Return the rule that a config asks for."""
    return RULES[config.rule](config)
