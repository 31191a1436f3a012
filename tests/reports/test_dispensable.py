"""What only shows may fail: once, in a line."""

import pytest

from kvzero.reports import Dispensable


def test_a_failure_is_told_of_once_and_nothing_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def show(number: int) -> None:
        calls.append(number)
        if number == 2:
            raise ValueError("no more")

    plot = Dispensable("the plot")
    for number in range(5):
        plot.attempt(show, number)
    assert calls == [0, 1, 2]
    assert plot.is_lost
    assert [record.getMessage() for record in caplog.records] == [
        "the plot failed (ValueError: no more); going on without"
    ]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_asks_to_end_ends(kind: type[BaseException]) -> None:
    def show() -> None:
        raise kind

    plot = Dispensable("the plot")
    with pytest.raises(kind):
        plot.attempt(show)
    assert not plot.is_lost
