"""`kvzero compare` from words to a report."""

import json
from pathlib import Path

import pytest
from tests.cli.test_train import SMALL
from tests.compat.samples import CONFIGS

from kvzero import CacheConfig
from kvzero.cache import TierConfig
from kvzero.cli.compare import parse_comparison
from kvzero.errors import ConfigError
from kvzero.training.comparison import variants

NEEDED = ["--env-steps", "12", "--out", "there"]


def tiny() -> list[str]:
    """Return the flags of a small run without those that a comparison refuses."""
    pairs = list(zip(SMALL[::2], SMALL[1::2], strict=True))
    refused = {"--total-env-steps", "--final-eval-episodes", "--max-eval-steps"}
    return [word for flag, value in pairs if flag not in refused for word in (flag, value)]


def test_flags_describe_the_comparison_and_the_runs_in_it():
    config = parse_comparison(["cartpole", *NEEDED, "--seeds", "3, 5", "--num-laps", "4", "--num-simulations", "7"])
    assert (config.env_steps, config.out, config.seeds, config.num_laps) == (12, Path("there"), (3, 5), 4)
    assert config.run.agent.search.num_simulations == 7
    assert config.run.preset == "cartpole"
    assert config.command.startswith("kvzero compare cartpole --env-steps 12 --out there --seeds '3, 5'")
    assert config.num_threads == 1
    assert parse_comparison(["cartpole", *NEEDED, "--num-threads", "2"]).num_threads == 2


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--seed", "3"], ["--seed ", "--seeds"]),
        (["--total-env-steps", "99"], ["--total-env-steps", "--env-steps"]),
        (["--run-name", "x"], ["--run-name", "--out"]),
        (["--runs-dir", "x"], ["--runs-dir", "--out"]),
        (["--eval-every", "7"], ["--eval-every", "does not evaluate"]),
        (["--log-every", "7"], ["--log-every"]),
        (["--monitor", "0"], ["--monitor", "is not monitored"]),
        (["--num-eval-simulations", "7"], ["--num-eval-simulations"]),
        (["--stores", "tree,cupboard"], ["'cupboard'", "tree"]),
        (["--stores", "tree,tree"], ["stores is tree, tree", "once"]),
        (["--pool-sizes", "4,4"], ["pool_sizes is 4, 4"]),
        (["--pool-sizes", "4,x"], ["--pool-sizes", "'4,x'"]),
        (["--pool-sizes", "0"], ["init_pool_size is 0"]),
        (["--stores", "tree", "--pool-sizes", "4"], ["pool_sizes would have no effect on tree", "pooled or legacy"]),
        (["--stores", "tree,legacy", "--eviction", "lru"], ["evictions would have no effect", "pooled"]),
        (["--stores", "tree", "--key-mode", "latent"], ["cache would have no effect on tree"]),
        (["--pool-sizes", "4", "--recur-pool-size", "9"], ["pool_sizes stands for"]),
        (["--eviction", "fifo,least"], ["'least'", "fifo, lru, priority"]),
        (["--store", "legacy"], ["--store ", "--stores"]),
        (["--stores", ""], ["''", "tree"]),
        (["--seeds", "0,one"], ["--seeds", "'0,one'"]),
        (["--seeds", "1,1"], ["seeds is 1, 1"]),
        (["--seeds", "0,-1"], ["seeds has -1"]),
        (["--env-steps", "0"], ["env_steps is 0"]),
        (["--num-laps", "0"], ["num_laps is 0"]),
        (["--tier", "lmdb:here", "--reanalysed-rows", "0"], ["tier would have no effect", "reanalysed_rows"]),
    ],
)
def test_what_cannot_work_or_would_have_no_effect_is_refused(words, parts):
    with pytest.raises(ConfigError) as refused:
        parse_comparison(["cartpole", *NEEDED, *words])
    assert [part for part in parts if part not in str(refused.value)] == []


def test_a_flag_that_no_run_has_is_named(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_comparison(["cartpole", *NEEDED, "--colour", "red"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--colour" in said
    assert "kvzero compare cartpole --help" in said


def test_with_a_tier_every_store_comes_without_and_with_it():
    words = ["--stores", "tree,pooled", "--reanalysed-rows", "4", "--tier", "lmdb:here", "--tier", "redis://there"]
    found = {
        variant.name: (variant, run.tiers) for variant, run in variants(parse_comparison(["cartpole", *NEEDED, *words]))
    }
    assert list(found) == ["tree", "tree-tier", "pooled", "pooled-tier"]
    assert found["tree"][0].settings == {}
    assert found["tree"][1] == TierConfig()
    assert found["pooled-tier"][0].settings == {"tier": "lmdb:here,redis://there"}
    assert found["pooled-tier"][1].tier == ("lmdb:here", "redis://there")


def test_stores_come_in_every_size_and_strategy_that_they_know():
    config = parse_comparison(["cartpole", *NEEDED, "--pool-sizes", "4,256", "--eviction", "fifo,lru"])
    found = {variant.name: run.agent for variant, run in variants(config)}
    assert list(found) == [
        "tree", "pooled-4-fifo", "pooled-4-lru", "pooled-256-fifo", "pooled-256-lru", "legacy-4", "legacy-256",
    ]  # fmt: skip
    agent = found["pooled-4-lru"]
    assert (agent.store, agent.cache.recur_pool_size, agent.cache.init_pool_size, agent.cache.eviction) == (
        "pooled", 4, 4, "lru",
    )  # fmt: skip
    assert found["tree"].cache == CacheConfig()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--engine", "native"],
            "engine is native, which serves the tree store in float32 only, and tree, pooled, legacy",
        ),
        (["--engine", "native", "--stores", "tree"], "which serves the tree store in float32 only, and tree are to"),
        (["--engine", "device"], "engine is device, which serves the tree store only"),
    ],
)
def test_an_engine_that_cannot_serve_all_stores_is_refused_before_anything_is_trained(words, message):
    with pytest.raises(ConfigError, match=message):
        parse_comparison(["cartpole", *NEEDED, *words])
    parse_comparison(["cartpole", *NEEDED, "--engine", "device", "--stores", "tree"])


def test_pools_that_round_are_named_after_their_codec():
    config = parse_comparison(["cartpole", *NEEDED, "--pool-codec", "int8", "--stores", "tree,pooled"])
    assert [(variant.name, variant.settings) for variant, _ in variants(config)] == [
        ("tree", {}),
        ("pooled-int8", {"pool_codec": "int8"}),
    ]


def test_one_engine_serves_all_stores_unless_another_is_asked_for():
    assert parse_comparison(["cartpole", *NEEDED]).run.agent.engine == "eager"
    assert parse_comparison(["cartpole", *NEEDED, "--engine", "auto"]).run.agent.engine == "auto"


def test_settings_of_pools_hold_for_all_stores_that_have_them():
    config = parse_comparison(["cartpole", *NEEDED, "--recur-pool-size", "9", "--stores", "legacy,tree,pooled"])
    found = {variant.name: run.agent.cache.recur_pool_size for variant, run in variants(config)}
    assert found == {"legacy": 9, "tree": None, "pooled": 9}


def test_three_stores_and_two_seeds_are_compared_if_nothing_else_is_said():
    config = parse_comparison(["cartpole", *NEEDED])
    assert [variant.name for variant, _ in variants(config)] == ["tree", "pooled", "legacy"]
    assert config.seeds == (0, 1)


@pytest.mark.parametrize("place", [0, 4])
def test_a_lightzero_config_takes_the_place_of_a_preset(place, capsys):
    file = str(CONFIGS / "cartpole.py")
    words = [*NEEDED[:place], "--lightzero-config", file, *NEEDED[place:], "--num-heads", "4"]
    config = parse_comparison(words)
    model = config.run.agent.model
    assert (config.run.env.env_id, model.embed_dim, model.num_heads) == ("CartPole-v0", 48, 4)
    assert [variant.name for variant, _ in variants(config)] == ["tree", "pooled", "legacy"]
    assert f"--lightzero-config {file}" in config.command
    assert capsys.readouterr().err.count("warning: not all of this LightZero config") == 1
    with pytest.raises(ConfigError, match=r"--seed would have no effect .* use --seeds"):
        parse_comparison([*words, "--seed", "4"])


def test_sizes_to_compare_take_the_place_of_those_of_a_lightzero_config(tmp_path):
    file = tmp_path / "config.py"
    text = (CONFIGS / "cartpole.py").read_text().replace("num_layers=", "use_new_cache_manager=True, num_layers=")
    file.write_text(text)
    words = [*NEEDED, "--lightzero-config", str(file), "--stores", "pooled"]
    sizes = parse_comparison(words).run.agent.cache
    assert sizes.init_pool_size == 50
    config = parse_comparison([*words, "--pool-sizes", "4,20"])
    assert [run.agent.cache.recur_pool_size for _, run in variants(config)] == [4, 20]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "say what to train"),
        (["--resume", "there"], "give the command that began it once more"),
        (["--env-steps", "8"], "give --lightzero-config FILE.py in place"),
        (["--lightzero-config"], "names no file"),
        (["--lightzero-config", "nowhere.py"], "nowhere.py is no file"),
        (["pong"], "'pong'"),
    ],
)
def test_it_has_to_be_said_what_to_train(words, part):
    with pytest.raises(ConfigError, match=part):
        parse_comparison(words)


@pytest.mark.parametrize("missing", ["--env-steps", "--out"])
def test_steps_and_folder_must_be_given(missing):
    words = [word for pair in zip(NEEDED[::2], NEEDED[1::2], strict=True) if pair[0] != missing for word in pair]
    with pytest.raises(ConfigError, match=missing):
        parse_comparison(["cartpole", *words])


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (["--env-id", "CartPol-v1"], 2, "did you mean"),
        (["--device", "cuda:9"], 2, "cuda:9"),
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(command, tmp_path, words, status, part):
    out = tmp_path / "out"
    said = command("compare", "cartpole", *tiny(), "--env-steps", 8, "--out", out, *words)
    assert said.status == status
    assert part in said.err
    assert not out.exists()


def test_a_folder_that_holds_something_is_left_alone(command, tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    said = command("compare", "cartpole", *tiny(), "--env-steps", 8, "--out", tmp_path)
    assert said.status == 1
    assert "already exists and is not empty" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_comparison_says_how_it_goes_and_ends_with_its_verdict(command, tmp_path):
    out = tmp_path / "out"
    words = [*tiny(), "--env-steps", 16, "--num-laps", 2, "--seeds", 4, "--stores", "tree", "--out", out]
    said = command("compare", "cartpole", *words)
    assert said.status == 0, said
    lines = said.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["lap 1/2", "lap 2/2"]
    assert lines[-1] == f"report in {out / 'report.html'}"
    found = json.loads((out / "report.json").read_text())
    assert found["verdict"]["sentence"] in said.out
    assert found["comparison"]["command"].startswith("kvzero compare cartpole --device cpu")
