"""A run with a tier has the bits of one without, whatever becomes of the tier; repeated, it is saved its searches."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cache.tiers.fakes import keep_one, wait_until
from tests.cache.tiers.servers import far_end, needs_namespaces, needs_server, serving
from tests.training.samples import continuous_config, tiny_config

import kvzero
from kvzero import ReanalysisConfig, RunConfig
from kvzero.cache import Tier, TierConfig, TierStats
from kvzero.cache.tiers.breaker import MAX_FAILURES
from kvzero.engines import StoreKind
from kvzero.errors import ConfigError, KvzeroWarning
from kvzero.training.session.components import build_components
from kvzero.training.session.loop import Loop

pytestmark = pytest.mark.usefixtures("own_random_state")

BREAKS_AT, MENDS_AT = 5, 8
"""Rounds before which a server fails, and is well again; every round from the fourth on looks results up."""


class Played(NamedTuple):
    """What a run came to."""

    losses: list[dict[str, float]]
    weights: bytes
    tiers: dict[str, TierStats]


def reanalysing(folder: Path, *tiers: str, make_config: Callable[..., RunConfig] = tiny_config, **options) -> RunConfig:
    """Return a tiny run that searches rows again, with tiers."""
    config = make_config(folder, **options)
    return replace(config, reanalysis=ReanalysisConfig(reanalysed_rows=5), tiers=TierConfig(tier=tiers))


def play(config: RunConfig, before_round: Callable[[int, Tier], None] | None = None) -> Played:
    """Train to the end."""
    components, progress = build_components(config)
    losses = []
    with closing(components):
        loop = Loop(config, components, progress)
        while not loop.is_done:
            if before_round is not None and components.tier is not None:
                before_round(len(losses), components.tier)
            loop.advance(lambda: False)
            losses.append(dict(loop.losses))
    tiers = {} if components.tier is None else components.tier.stats()
    return Played(losses, components.learner.network.digest, tiers)


@pytest.mark.parametrize(
    ("make_config", "store"), [(tiny_config, "tree"), (tiny_config, "legacy"), (continuous_config, "pooled")]
)
def test_a_run_that_is_repeated_takes_its_searches_from_the_tier(
    tmp_path: Path, disk: Path, make_config: Callable[..., RunConfig], store: StoreKind
) -> None:
    def run(*tiers: str) -> Played:
        config = reanalysing(tmp_path, *tiers, make_config=make_config)
        return play(replace(config, agent=replace(config.agent, store=store)))

    without = run()
    first, second = (run(f"lmdb:{disk}") for _ in range(2))
    assert first[:2] == second[:2] == without[:2]
    assert len(without.losses) == 10
    assert first.tiers["lmdb"].hits == 0
    assert second.tiers["lmdb"].hits == second.tiers["lmdb"].total_queries == first.tiers["lmdb"].written > 0
    assert second.tiers["lmdb"].written == 0


class Far(NamedTuple):
    """A server that can fail."""

    url: str
    fail: Callable[[], object]
    mend: Callable[[], object]


@contextmanager
def killed(folder: Path) -> Iterator[Far]:
    with serving(folder) as server:
        yield Far(server.url, server.kill, server.begin)


@contextmanager
def stopped(folder: Path) -> Iterator[Far]:
    with serving(folder) as server:
        yield Far(server.url, server.stop, server.go_on)


@contextmanager
def cut_off(folder: Path) -> Iterator[Far]:
    with (
        far_end() as (host, inside, link),
        serving(folder, "--protected-mode", "no", host=host, inside=inside) as server,
    ):
        down, up = (partial(subprocess.run, [*link, state], check=True) for state in ("down", "up"))
        yield Far(server.url, down, up)


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(killed, marks=needs_server),
        pytest.param(stopped, marks=needs_server),
        pytest.param(cut_off, marks=needs_namespaces),
    ],
)
@pytest.mark.filterwarnings("ignore:.*keeps nothing for now")  # said too where a write was on its way
def test_a_server_that_fails_in_mid_run_changes_no_loss_and_is_used_again(tmp_path: Path, failing) -> None:
    written: list[int] = []

    with failing(tmp_path) as server:

        def before_round(number: int, tier: Tier) -> None:
            if number == BREAKS_AT:
                server.fail()
            if number == MENDS_AT:
                waits = tier.stats()["redis"].misses["timeout"]
                assert waits <= MAX_FAILURES  # each of 50 ms
                server.mend()
                wait_until(lambda: keep_one(tier))
                written.append(tier.stats()["redis"].written)

        config = reanalysing(tmp_path, server.url)
        config = replace(config, tiers=replace(config.tiers, tier_trusts_network=True))
        with pytest.warns(KvzeroWarning, match="does not answer"):
            found = play(config, before_round)
    assert found[:2] == play(reanalysing(tmp_path))[:2]
    assert found.tiers["redis"].written > written[0]


def test_a_tier_that_cannot_be_used_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.warns(KvzeroWarning, match="is not used") as said:
        found = play(reanalysing(tmp_path, f"lmdb:{tmp_path}/file"))
    assert len(said) == 1
    assert found == play(reanalysing(tmp_path))


@pytest.mark.usefixtures("no_pictures")
def test_a_run_and_its_evaluations_tell_of_their_tiers_beside_the_pools(tmp_path: Path, disk: Path) -> None:
    config = reanalysing(tmp_path, f"lmdb:{disk}", run_name="run")
    config = replace(config, agent=replace(config.agent, store="pooled"))
    run = kvzero.train(config).run
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if "cache/lmdb/hits" in line][-1]
    assert last["cache/lmdb/misses_absent"] == last["cache/lmdb/misses"] > 0
    assert last["cache/lmdb/p99_seconds"] > 0
    assert "cache/global/hits" in last
    played = [kvzero.evaluate_run(run, num_episodes=2, tiers=config.tiers) for _ in range(2)]
    assert played[0].returns == played[1].returns == kvzero.evaluate_run(run, num_episodes=2).returns
    assert played[0].tiers["lmdb"].written > 0
    assert played[1].tiers["lmdb"].misses["absent"] == 0


def test_what_cannot_be_found_again_exactly_is_refused_at_once(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    cache = kvzero.CacheConfig(key_mode="latent")
    with pytest.raises(ConfigError, match="key_mode is latent"):
        replace(
            config, agent=replace(config.agent, store="pooled", cache=cache), tiers=TierConfig(tier=("lmdb:somewhere",))
        )
