"""The page shows the records of a game, needs nothing else, and obeys keyboard and pointer in a real browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from tests.inspector.browser import Browser
from tests.inspector.tiny import KINDS, NUM_SIMULATIONS
from tests.reports.comparison.browser import find_browser

from kvzero.inspector import Game, render_page

Play = Callable[[str], Game]

needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed (apt-get install chromium)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser for all tests of this file; each opens a page of its own."""
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Return a function that opens the page of a game."""

    def opened(game: Game, fragment: str = "") -> Browser:
        page = tmp_path / "inspect.html"
        page.write_text(render_page(game), encoding="utf-8")
        browser.complaints.clear()
        browser.open(page, fragment)
        return browser

    return opened


@needs_browser
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_chosen_by_keyboard_and_a_clicked_node_has_the_numbers_of_its_record(
    kind: str, game_of: Play, show: Callable[..., Browser]
) -> None:
    game = game_of(kind)
    page = show(game)
    page.press("ArrowRight")
    page.press("ArrowRight")
    page.press("ArrowLeft")
    page.press("ArrowRight")
    step = 2
    record = game.records[step]
    assert page.evaluate("document.getElementById('step').value") == str(step)
    for field, wanted in (
        ("prior", record.priors[0]), ("visits", record.visit_counts), ("policy", record.policy),
        ("q", record.action_values),
    ):  # fmt: skip
        assert page.exact(f"#root [data-field={field}]") == wanted.tolist()
    for node in (0, 2, NUM_SIMULATIONS):
        page.click(f".node[data-node='{node}'] circle")
        assert page.marks("#path", "node") == [str(node)]
        parent, action = int(record.parents[node]), int(record.actions[node])
        wanted = {
            "prior": record.priors[parent, action] if node else 1.0,
            "visits": record.visits[node],
            "reward": record.rewards[node],
            "value": record.values[node],
            "network": record.predicted_values[node],
        }
        assert {field: page.exact(f"#numbers [data-field={field}]") for field in wanted} == {
            field: [float(number)] for field, number in wanted.items()
        }
        assert page.text("#numbers [data-field=parent]") == (f"node {parent}" if node else "\N{EN DASH}")
        if record.block_table is not None:
            listed = record.block_table[node][record.block_table[node] >= 0]
            assert page.marks("#row [data-slot]", "slot") == [str(slot) for slot in listed]
            assert set(page.marks("#slots .read, #slots .own", "slot")) == {str(slot) for slot in listed}
    assert set(page.marks(".node.principal", "node")) == {str(node) for node in [0, *record.principal_line]}
    assert page.complaints == []


def step_of(page: Browser) -> int:
    return int(page.evaluate("document.getElementById('step').value"))


def node_of(page: Browser) -> int:
    return int(page.marks("#path", "node")[0])


def view_of(page: Browser) -> str:
    return str(page.evaluate("document.getElementById('layer').getAttribute('transform')"))


@needs_browser
def test_keys_go_through_the_game(game_of: Play, show: Callable[..., Browser]) -> None:
    game = game_of("cartpole")
    page, last = show(game), len(game.records) - 1
    page.press("End")
    assert step_of(page) == last
    page.press("ArrowRight")
    assert step_of(page) == last
    page.press("Home")
    assert step_of(page) == 0
    page.press("ArrowRight", shift=True)
    assert step_of(page) == min(10, last)
    page.press(" ")
    assert "pause" in page.text("#play")
    page.press(" ")
    assert "play" in page.text("#play")
    assert page.complaints == []


@needs_browser
def test_keys_go_through_the_tree(game_of: Play, show: Callable[..., Browser]) -> None:
    record = game_of("cartpole").records[0]
    page, line = show(game_of("cartpole")), record.principal_line
    assert len(line) > 1
    for expected in line:
        page.press("ArrowDown")
        assert node_of(page) == expected
    page.press("ArrowDown")
    assert node_of(page) == line[-1]
    page.press("ArrowUp")
    assert node_of(page) == line[-2]
    by_action = np.argsort(record.actions, kind="stable").tolist()
    first = [child for child in by_action if record.parents[child] == 0]
    page.click(f".node[data-node='{first[0]}'] circle")
    for place in range(1, len(first) + 1):
        page.press("]")
        assert node_of(page) == first[place % len(first)]
    page.press("[")
    assert node_of(page) == first[-1]


@needs_browser
def test_a_node_is_folded_and_the_view_moves(game_of: Play, show: Callable[..., Browser]) -> None:
    page = show(game_of("cartpole"))
    page.press("f")
    assert page.marks(".node", "node") == ["0"]
    assert page.text(".folded") == f"+{NUM_SIMULATIONS}"
    page.press("ArrowDown")
    assert len(page.marks(".node", "node")) == NUM_SIMULATIONS + 1
    fitted = view_of(page)
    page.press("+")
    assert view_of(page) != fitted
    page.press("0")
    assert view_of(page) == fitted
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.press("t")
    assert {theme, page.evaluate("document.documentElement.dataset.theme")} == {"light", "dark"}
    assert page.complaints == []


@needs_browser
def test_a_link_opens_a_step_and_a_node(game_of: Play, show: Callable[..., Browser]) -> None:
    page = show(game_of("cartpole"), "#step=4&node=3&theme=dark")
    assert page.evaluate("document.getElementById('step').value") == "4"
    assert page.marks("#path", "node") == ["3"]
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@needs_browser
@pytest.mark.parametrize("kind", ["cartpole", "pong"])
def test_what_was_seen_and_foreseen_is_shown(kind: str, game_of: Play, show: Callable[..., Browser]) -> None:
    game = game_of(kind)
    page, step = show(game, "#step=3"), 3
    foresight = game.foresight
    for name, found, came in (
        ("reward", foresight.rewards, foresight.played_rewards),
        ("value", foresight.values, foresight.read_values),
    ):
        shown = page.exact(f"[data-chart={name}] circle.a"), page.exact(f"[data-chart={name}] circle.b")
        assert shown == tuple(numbers[step][~np.isnan(numbers[step])].tolist() for numbers in (found, came))
    if kind == "pong":
        picture = "document.querySelector('#observation img')"
        assert page.evaluate(f"{picture}.decode().then(() => {picture}.naturalWidth)") == game.env.image_size
    else:
        shown = page.exact("#observation [data-exact]")
        assert shown == game.episode.observations[step].tolist()
        assert "pole angular velocity" in page.text("#observation")


@needs_browser
def test_the_pools_of_a_keyed_store_are_shown(game_of: Play, show: Callable[..., Browser]) -> None:
    game = game_of("pooled")
    page, step = show(game, "#step=2"), 2
    for name, figure in game.records[step].cache_figures.items():
        assert page.exact(f"#cache [data-field='{name}']") == [figure]


def test_the_page_of_a_long_game_is_small_and_fetches_nothing(game_of: Play) -> None:
    game = with_nodes(game_of("memory"), 51, 500)
    page = render_page(game)
    assert len(page) < 20e6
    assert set(re.findall(r"https?://[^\"]*", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|<link|<img|<iframe| src=", page)


def test_names_of_whatever_is_played_are_escaped(game_of: Play) -> None:
    page = render_page(replace(game_of("cartpole"), name="<script>alert(1)"))
    assert page.count("<script") == 2
    assert "<title><script>alert(1) · CartPole-v1" in unescape(page)


def with_nodes(game: Game, num_nodes: int, num_steps: int) -> Game:
    """Return a game as long, with trees as large, whose numbers are random: nothing of them repeats itself."""
    rng, first = np.random.default_rng(0), game.records[0]
    assert first.block_table is not None
    num_actions, context = first.priors.shape[1], 32
    numbers = {name: rng.normal(size=(num_steps, num_nodes)) for name in ("rewards", "values", "predicted_values")}
    records = [
        replace(
            first,
            parents=np.array([-1, *(rng.integers(0, node) for node in range(1, num_nodes))]),
            actions=rng.integers(num_actions, size=num_nodes),
            depths=np.zeros(num_nodes, np.int64),
            visits=rng.integers(1, num_nodes, size=num_nodes),
            priors=rng.random((num_nodes, num_actions)),
            block_table=rng.integers(context + 2 * num_nodes, size=(num_nodes, context)),
            num_slots=context + 2 * num_nodes,
            **{name: of_steps[step] for name, of_steps in numbers.items()},
        )
        for step in range(num_steps)
    ]
    times = np.arange(num_steps) % len(game.records)
    foresight = game.foresight
    longer = {name: getattr(foresight, name)[times] for name in foresight.__dataclass_fields__}
    observations = [game.episode.observations[time] for time in [*times, 0]]
    episode = replace(game.episode, observations=observations, rewards=rng.normal(size=num_steps).tolist())
    return replace(game, records=records, foresight=replace(foresight, **longer), episode=episode)
