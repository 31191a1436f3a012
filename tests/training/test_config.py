"""Every value that cannot work is refused by name, before anything is built."""

from dataclasses import fields, is_dataclass, replace
from typing import get_args

import pytest

from kvzero import (
    AgentConfig,
    CacheConfig,
    EnvConfig,
    LearnerConfig,
    ModelConfig,
    ReanalysisConfig,
    RunConfig,
    ScheduleConfig,
    SearchConfig,
)
from kvzero.cache import TierConfig
from kvzero.errors import ConfigError
from kvzero.records import structure, unstructure
from kvzero.training.config import Purpose

INF, NAN = float("inf"), float("nan")

REFUSED = [
    *((LearnerConfig, name, value) for name in ("batch_size", "unroll_steps", "bootstrap_steps") for value in (0, -2)),
    *(
        (LearnerConfig, name, value)
        for name in ("learning_rate", "max_gradient_norm")
        for value in (0.0, -1.0, INF, NAN)
    ),
    *(
        (LearnerConfig, name, value)
        for name in (
            "weight_decay",
            "latent_weight",
            "reward_weight",
            "value_weight",
            "policy_weight",
            "entropy_weight",
        )
        for value in (-0.5, INF, NAN)
    ),
    *(
        (LearnerConfig, name, value)
        for name in ("ema_rate", "final_learning_rate_share")
        for value in (0.0, -0.1, 1.5, NAN)
    ),
    *(
        (ScheduleConfig, name, value)
        for name in (
            "total_env_steps",
            "round_env_steps",
            "eval_every",
            "eval_episodes",
            "final_eval_episodes",
            "num_eval_envs",
            "max_eval_steps",
            "temperature_env_steps",
            "checkpoint_every",
            "keep_checkpoints",
            "log_every",
        )
        for value in (0, -3)
    ),
    (ScheduleConfig, "learning_starts", -1),
    *((ScheduleConfig, "replay_ratio", value) for value in (-0.5, INF, NAN)),
    *(
        (ScheduleConfig, name, value)
        for name in ("first_temperature", "final_temperature")
        for value in (0.0, -1.0, INF)
    ),
    *((LearnerConfig, name, -1) for name in ("search_value_age", "search_value_starts")),
    (LearnerConfig, "search_value_starts", 10),  # without an age
    (ReanalysisConfig, "reanalysed_rows", -1),
    *((ReanalysisConfig, "max_age_updates", value) for value in (-1, 5)),  # the second without rows
    (ReanalysisConfig, "results_max_bytes", 0),
    *((LearnerConfig, "warmup_updates", value) for value in (-1, -9)),
    *((LearnerConfig, "final_bootstrap_steps", value) for value in (0, 11)),
    *((LearnerConfig, "first_discount", value) for value in (-0.1, 1.0, NAN)),
    *((LearnerConfig, "annealing_updates", value) for value in (0, 5)),
    *((LearnerConfig, "annealing_begins", value) for value in (-0.1, 0.5, 1.0)),  # the second with nothing that moves
    *(
        (ScheduleConfig, name, value)
        for name in ("persistence", "epsilon", "final_epsilon")
        for value in (-0.1, 1.1, NAN)
    ),
    *((ScheduleConfig, "epsilon_env_steps", value) for value in (0, 10)),  # the second without what it leads to
    (AgentConfig, "num_eval_simulations", 0),
    (AgentConfig, "num_eval_simulations", -4),
]


@pytest.mark.parametrize(("config", "name", "value"), REFUSED)
def test_a_value_that_cannot_work_is_refused_by_name(config, name, value):
    with pytest.raises(ConfigError, match=name):
        config(**{name: value})


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LearnerConfig, "latent_loss"),
        (LearnerConfig, "precision"),
        (LearnerConfig, "bootstrap"),
        (AgentConfig, "store"),
    ],
)
def test_a_choice_that_is_not_offered_is_refused_by_name(config, name):
    chosen = config()
    object.__setattr__(chosen, name, "cupboard")  # the constructor's types are checked in this session, not by users
    with pytest.raises(ConfigError, match=f"{name} is 'cupboard'; choose"):
        chosen.__post_init__()


def test_sinks_are_named_once_each_and_exist():
    with pytest.raises(ConfigError, match=r"sinks is .*; name each once"):
        RunConfig(preset="mine", sinks=("tensorboard", "tensorboard"))
    chosen = RunConfig(preset="mine")
    object.__setattr__(chosen, "sinks", ("drain",))  # as above
    with pytest.raises(ConfigError, match=r"sinks\[0\] is 'drain'; choose one of tensorboard"):
        chosen.__post_init__()


@pytest.mark.parametrize("moving", [{"first_discount": 0.9}, {"final_bootstrap_steps": 2}])
@pytest.mark.parametrize(
    ("begins", "updates", "num_updates", "does_end"),
    [
        (0.0, None, 7, True),
        (0.5, None, 7, True),
        (0.52, None, 100, False),
        (0.5, 50, 100, True),
        (0.5, 51, 100, False),
        (1 - 959 / 15_999, 959, 15_999, True),  # whose sum in floats is above 15,999
    ],
)
def test_a_run_whose_annealing_would_not_end_is_refused_where_it_is_to_begin(
    moving, begins, updates, num_updates, does_end
):
    learner = LearnerConfig(annealing_begins=begins, annealing_updates=updates, **moving)
    schedule = ScheduleConfig(total_env_steps=num_updates, replay_ratio=1.0)
    config = RunConfig(preset="mine", learner=learner, schedule=schedule)  # one that began so is still read
    if does_end:
        config.refuse_endless_annealing()
    else:
        with pytest.raises(ConfigError, match=rf"annealing_begins is {begins}.* of the run's {num_updates} updates"):
            config.refuse_endless_annealing()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(None, [1.0, 0.6, 0.2, 0.2, 0.2]), (10, [1.0, 0.2, 0.2, 0.2, 0.2]), (80, [1, 0.9, 0.8, 0.7, 0.6])],
)
def test_the_temperature_falls_linearly_to_the_middle_of_the_run_or_for_as_long_as_is_asked(steps, expected):
    schedule = ScheduleConfig(
        total_env_steps=40, first_temperature=1.0, final_temperature=0.2, temperature_env_steps=steps
    )
    found = [schedule.exploration_at(env_steps).temperature for env_steps in (0, 10, 20, 30, 40)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0.3, 0.3, 0.3, 0.3]),
        ({"final_epsilon": 0.1}, [0.3, 0.2, 0.1, 0.1]),
        ({"final_epsilon": 0.5}, [0.3, 0.4, 0.5, 0.5]),
        ({"final_epsilon": 0.0, "epsilon_env_steps": 60}, [0.3, 0.25, 0.2, 0.15]),
        ({"final_temperature": 0.2}, [0.3, 0.3, 0.3, 0.3]),
    ],
)
def test_epsilon_stays_or_changes_linearly(fields, expected):
    schedule = ScheduleConfig(total_env_steps=40, epsilon=0.3, **fields)
    found = [schedule.exploration_at(env_steps).epsilon for env_steps in (0, 10, 20, 30)]
    assert found == pytest.approx(expected)


def test_every_purpose_has_a_seed_of_its_own():
    config = RunConfig(preset="mine", seed=3)
    seeds = [*(config.seed_for(purpose) for purpose in get_args(Purpose)), config.seed_for("collect", 40)]
    assert len(set(seeds)) == len(seeds)
    assert replace(config).seed_for("collect", 40) == seeds[-1]
    assert replace(config, seed=4).seed_for("weights") not in seeds


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (LearnerConfig, {"weight_decay": 0.0, "latent_weight": 0.0, "ema_rate": 1.0, "final_learning_rate_share": 1.0}),
        (ScheduleConfig, {"learning_starts": 0, "replay_ratio": 0.0, "max_eval_steps": None, "round_env_steps": 1}),
        (AgentConfig, {"num_eval_simulations": None}),
    ],
)
def test_values_at_the_edge_of_what_works_are_taken(config, values):
    assert all(getattr(config(**values), name) == value for name, value in values.items())


def test_a_run_refuses_a_negative_seed_no_threads_and_a_latent_loss_that_its_norm_does_not_fit():
    with pytest.raises(ConfigError, match="num_threads is 0"):
        RunConfig(preset="mine", num_threads=0)
    with pytest.raises(ConfigError, match="seed is -1"):
        RunConfig(preset="mine", seed=-1)
    agent = AgentConfig(model=ModelConfig(latent_norm="layernorm"))
    with pytest.raises(ConfigError, match=r"group_kl.*layernorm"):
        RunConfig(preset="mine", agent=agent)
    RunConfig(preset="mine", agent=agent, learner=LearnerConfig(latent_loss="smooth_l1"))


def leaves(config: object) -> list[str]:
    """Return the names of all fields that are not configs themselves."""
    names = []
    for field in fields(config):
        value = getattr(config, field.name)
        names += leaves(value) if is_dataclass(value) else [field.name]
    return names


def test_a_run_refuses_pools_that_its_evaluations_would_not_fit():
    pools = CacheConfig(recur_pool_bounds=(8, 8 * 25))
    agent = AgentConfig(store="pooled", cache=pools)
    RunConfig(preset="x", agent=agent, schedule=ScheduleConfig(num_eval_envs=8))
    with pytest.raises(ConfigError, match="one search makes 500 nodes"):
        RunConfig(preset="x", agent=agent)
    with pytest.raises(ConfigError, match="one search makes 320 nodes"):
        RunConfig(preset="x", agent=replace(agent, num_eval_simulations=40), schedule=ScheduleConfig(num_eval_envs=8))
    with pytest.raises(ConfigError, match="cache_max_bytes is 9,999"):
        RunConfig(preset="x", agent=AgentConfig(store="legacy", cache=CacheConfig(cache_max_bytes=9_999)))


def test_no_two_fields_of_a_run_share_a_name_so_that_flags_can_be_flat():
    names = leaves(RunConfig(preset="mine"))
    assert len(names) > 50
    assert sorted(names) == sorted(set(names))


def test_learned_positions_need_a_table_as_long_as_a_training_window():
    agent = AgentConfig(store="pooled", model=ModelConfig(positions="learned", context_tokens=8, max_tokens=25))
    with pytest.raises(ConfigError, match=r"max_tokens is 25.*unroll_steps 7 and bootstrap_steps 6.*26 tokens"):
        RunConfig(preset="mine", agent=agent, learner=LearnerConfig(unroll_steps=7, bootstrap_steps=6))
    RunConfig(preset="mine", agent=agent, learner=LearnerConfig(unroll_steps=6, bootstrap_steps=6))


@pytest.mark.parametrize(
    "asking",
    [
        {"reanalysis": ReanalysisConfig(reanalysed_rows=1)},
        {"learner": LearnerConfig(bootstrap="search")},
        {"learner": LearnerConfig(search_value_age=100)},
    ],
    ids=lambda asking: next(iter(asking)),
)
def test_rows_keep_searches_where_something_reads_them(asking):
    assert RunConfig(preset="mine", **asking).keeps_searches
    assert not RunConfig(preset="mine").keeps_searches


def test_a_bound_of_results_is_refused_where_reanalysis_keeps_none():
    tiers = TierConfig(tier=("lmdb:somewhere",))
    none, old = (ReanalysisConfig(reanalysed_rows=1, results_max_bytes=9, max_age_updates=age) for age in (0, 5))
    for kept in ({"reanalysis": old}, {"reanalysis": none, "tiers": tiers}):
        assert RunConfig(preset="mine", **kept).keeps_results
    for idle in ({"reanalysis": none}, {"reanalysis": ReanalysisConfig(results_max_bytes=9), "tiers": tiers}):
        with pytest.raises(ConfigError, match=r"results_max_bytes is 9, which would have no effect: .*tier or max_age"):
            RunConfig(preset="mine", **idle)


def test_pools_that_would_not_do_for_reanalysis_are_refused():
    agent = AgentConfig(store="pooled", cache=CacheConfig(init_pool_size=20, cache_max_bytes=30_000_000))
    RunConfig(preset="mine", agent=agent)
    with pytest.raises(ConfigError, match="cache_max_bytes"):
        RunConfig(preset="mine", agent=agent, reanalysis=ReanalysisConfig(reanalysed_rows=8))


@pytest.mark.parametrize(
    ("name", "value"), [("first_temperature", 0.5), ("final_temperature", 0.5), ("temperature_env_steps", 100)]
)
def test_a_temperature_is_refused_where_the_rule_of_search_knows_none(name, value):
    schedule, agent = ScheduleConfig(**{name: value}), AgentConfig(search=SearchConfig(rule="gumbel"))
    RunConfig(preset="mine", schedule=schedule)
    RunConfig(preset="mine", agent=agent)
    with pytest.raises(
        ConfigError,
        match=f"^{name} is {value}, which would have no effect with rule=gumbel.* give the default, {name} ",
    ):
        RunConfig(preset="mine", schedule=schedule, agent=agent)


PONG = {"env_id": "ALE/Pong-v5"}
PIXELS = {"env_id": "dmc", "task": "walker-walk", "from_pixels": True}


@pytest.mark.parametrize(
    ("env", "model", "words"),
    [
        ({**PONG, "image_size": 31}, {"image_encoder": "strided"}, ["ALE/Pong-v5: images are 31x31", "=strided"]),
        (PONG, {"image_encoder": "small"}, ["ALE/Pong-v5: images are 64x64", "image_encoder=small"]),
        ({**PONG, "image_size": 4}, {}, ["ALE/Pong-v5: images are 4x4", "another --image-size"]),
        ({**PONG, "frame_stack": 171}, {}, ["ALE/Pong-v5: images have 513 channels", "--frame-stack"]),
        ({**PONG, "grayscale": True, "frame_stack": 513}, {}, ["images have 513 channels"]),
        ({**PONG, "image_size": 9}, {"encoder_blocks": 2}, ["ALE/Pong-v5: encoder_blocks is 2"]),
        ({**PIXELS, "image_size": 24}, {"image_encoder": "strided"}, ["dmc walker-walk: images are 24x24", "strided"]),
    ],
)  # fmt: skip
def test_images_that_the_encoder_does_not_read_are_refused_before_anything_is_made(env, model, words):
    with pytest.raises(ConfigError) as caught:
        RunConfig(preset="x", env=EnvConfig(**env), agent=AgentConfig(model=ModelConfig(**model)))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        ({"first_discount": 0.998}, r"first_discount is 0\.998, above the discount 0\.997 that it rises to"),
        ({"warmup_updates": 101}, "warmup_updates is 101, longer than the run: .* make 100 updates"),
        ({"final_bootstrap_steps": 3, "annealing_updates": 102}, "annealing_updates is 102, longer than the run"),
    ],
)
def test_a_run_refuses_schedules_that_do_not_fit_it(learner, message):
    schedule = ScheduleConfig(total_env_steps=400, replay_ratio=0.25)
    with pytest.raises(ConfigError, match=message):
        RunConfig(preset="mine", learner=LearnerConfig(**learner), schedule=schedule)


def test_a_horizon_without_end_is_none_that_a_discount_could_rise_to():
    agent = AgentConfig(search=SearchConfig(discount=1.0))
    RunConfig(preset="mine", agent=agent)
    with pytest.raises(ConfigError, match=r"first_discount is 0\.9, but discount is 1"):
        RunConfig(preset="mine", agent=agent, learner=LearnerConfig(first_discount=0.9))


def test_schedules_as_long_as_the_run_are_taken():
    learner = LearnerConfig(first_discount=0.997, final_bootstrap_steps=10, annealing_updates=100, warmup_updates=100)
    schedule = ScheduleConfig(total_env_steps=400, replay_ratio=0.25)
    assert RunConfig(preset="mine", learner=learner, schedule=schedule).total_updates == 100


def test_a_run_of_an_earlier_version_goes_on_with_the_arithmetic_that_it_began_with():
    older = unstructure(LearnerConfig())
    del older["arithmetic"]
    assert structure(older, LearnerConfig) == LearnerConfig(arithmetic="plain")
    assert structure(unstructure(LearnerConfig()), LearnerConfig) == LearnerConfig()
