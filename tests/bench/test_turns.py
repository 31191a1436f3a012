"""Two searches take turns, and each pair of turns gives one ratio."""

from itertools import count

import pytest

from kvzero.bench.turns import Pair, compete, take_turn


class Steady:
    """A searcher that takes the same time whenever it is called, and writes down that it was."""

    def __init__(self, name: str, seconds: float, diary: list[str]) -> None:
        self._name, self._seconds, self._diary = name, seconds, diary

    def search(self) -> float:
        self._diary.append(self._name)
        return self._seconds


class Warming:
    """A searcher whose first search of all is slow, and whose n-th takes n seconds."""

    def __init__(self) -> None:
        self._numbers = count()

    def search(self) -> float:
        number = next(self._numbers)
        return float(number) if number else 1000.0


def test_the_first_search_of_a_turn_is_not_counted():
    assert take_turn(Warming(), num_searches=3, min_seconds=0.0) == [1.0, 2.0, 3.0]


def test_a_turn_goes_on_until_it_has_lasted():
    assert take_turn(Warming(), num_searches=2, min_seconds=9.0) == [1.0, 2.0, 3.0, 4.0]


def test_who_begins_changes_from_pair_to_pair_and_each_gets_its_own_seconds():
    diary: list[str] = []
    pairs = list(
        compete(Steady("us", 2.0, diary), Steady("them", 6.0, diary), num_pairs=3, num_searches=1, min_seconds=0.0)
    )
    assert diary == ["us", "us", "them", "them", "them", "them", "us", "us", "us", "us", "them", "them"]
    assert pairs == [Pair([2.0], [6.0])] * 3
    assert [pair.ratio for pair in pairs] == [3.0] * 3


def test_a_ratio_is_of_medians():
    assert Pair([1.0, 2.0, 90.0], [3.0, 5.0, 500.0]).ratio == pytest.approx(2.5)
