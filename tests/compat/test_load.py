"""Whole configs: what they become, what is told of them, and what is refused."""

import warnings
from dataclasses import replace
from types import MappingProxyType

import pytest
from tests.compat.samples import CONFIGS, SILENT, WORLD, loaded, nested

from kvzero.compat import LightZeroWarning, load_config, load_file
from kvzero.compat.lightzero.attributes import AttributeDict
from kvzero.compat.lightzero.facts import CONTINUOUS
from kvzero.envs import make_environments
from kvzero.envs.gl import require_gl
from kvzero.errors import ConfigError
from kvzero.search import PuctConfig
from kvzero.training import ScheduleConfig

PONG = {"env.env_id": "PongNoFrameskip-v4"}
SWING = {"env.env_id": "Pendulum-v1", "env.continuous": True}


def test_a_cartpole_file_becomes_the_run_that_it_describes():
    with pytest.warns(LightZeroWarning) as told:
        config = load_file(CONFIGS / "cartpole.py")
    assert (config.preset, config.seed, config.device) == ("lightzero-CartPole-v0", 5, "cpu")
    assert (config.env.env_id, config.env.num_envs, config.replay.replay_capacity) == ("CartPole-v0", 4, 30_000)
    model, search, schedule = config.agent.model, config.agent.search, config.schedule
    assert (model.embed_dim, model.num_layers, model.num_heads, model.context_tokens) == (48, 1, 2, 8)
    assert (search.num_simulations, config.agent.num_eval_simulations, config.agent.store) == (12, None, "tree")
    assert (config.learner.batch_size, config.learner.unroll_steps, config.learner.learning_rate) == (32, 6, 0.0002)
    assert (schedule.total_env_steps, schedule.round_env_steps, schedule.eval_every) == (20_000, 200, 5_000)
    assert (schedule.learning_starts, schedule.eval_episodes, schedule.num_eval_envs) == (32, 3, 3)
    message = str(told.pop(LightZeroWarning).message)
    assert len(told) == 0
    assert "policy.target_update_freq" in message
    assert "exp_name" in message
    assert "game_segment_length=50" in message
    assert "not known" not in message
    assert "not done" not in message


def test_an_atari_file_becomes_the_run_that_it_describes():
    with pytest.warns(LightZeroWarning):
        config = load_file(str(CONFIGS / "pong_segment.py"))
    assert config.reanalysis.reanalysed_rows == round(160 * config.learner.unroll_steps / 10 / (160 / 4))
    assert (config.preset, config.seed, config.device) == ("lightzero-Pong-v5", 7, "auto")
    env, model, schedule = config.env, config.agent.model, config.schedule
    assert (env.env_id, env.image_size, env.frame_skip, env.sticky_action_probability) == ("ALE/Pong-v5", 96, 4, 0.0)
    assert (env.max_frames, model.num_layers, model.positions, config.agent.store) == (108_000, 4, "rotary", "pooled")
    assert (schedule.round_env_steps, schedule.learning_starts, schedule.total_env_steps) == (160, 2_000, 500_000)
    assert (schedule.first_temperature, schedule.final_temperature, schedule.temperature_env_steps) == (
        1,
        0.25,
        150_000,
    )
    assert (schedule.eval_every, schedule.checkpoint_every) == (20_000, 4_000_000)


def test_a_file_of_two_variables_is_read_by_their_names():
    with pytest.warns(LightZeroWarning, match="without max_env_step the run ends after 100,000"):
        config = load_file(CONFIGS / "variables.py")
    assert (config.agent.model.positions, config.agent.store, config.agent.model.latent_norm) == (
        "learned", "pooled", "layernorm",
    )  # fmt: skip
    assert (config.schedule.replay_ratio, config.schedule.total_env_steps) == (10 / 50, 100_000)


def test_a_sampled_agents_file_becomes_the_run_that_it_describes():
    with pytest.warns(LightZeroWarning) as told:
        config = load_file(CONFIGS / "pendulum_sampled.py")
    assert (config.preset, config.seed, config.env.env_id) == ("lightzero-Pendulum-v1", 2, "Pendulum-v1")
    sampling, learner, model = config.agent.sampling, config.learner, config.agent.model
    assert (sampling.num_sampled_actions, sampling.num_wide_actions) == (12, 0)
    weights = (learner.latent_weight, learner.reward_weight, learner.value_weight, learner.policy_weight)
    assert (weights, learner.entropy_weight, learner.max_gradient_norm) == ((10.0, 0.1, 0.1, 0.1), 0.02, 5.0)
    assert (model.embed_dim, model.latent_norm, learner.latent_loss) == (64, "simnorm", "group_kl")
    assert (config.agent.search.discount, learner.bootstrap_steps, config.env.action_bins_per_dim) == (0.98, 4, 0)
    message = str(told.pop(LightZeroWarning).message)
    assert "not known" not in message
    assert "cos_lr_scheduler=True" in message


def test_a_file_with_bins_plays_continuous_actions_as_numbered_ones():
    with pytest.warns(LightZeroWarning):
        config = load_file(CONFIGS / "pendulum_bins.py")
    assert (config.env.env_id, config.env.action_bins_per_dim) == ("Pendulum-v1", 9)
    envs = make_environments(config.env, num_envs=1, training=True)
    assert (envs.spec.num_actions, envs.spec.is_continuous) == (9, False)
    envs.close()


def test_a_file_of_deepmind_control_plays_its_task_from_states():
    pytest.importorskip("dm_control", reason="the extra dmc is not installed (it has no Python 3.13)")
    with pytest.warns(LightZeroWarning):
        config = load_file(CONFIGS / "walker.py")
    env = config.env
    assert (env.env_id, env.task, env.action_repeat, env.from_pixels) == ("dmc", "walker-walk", 4, False)
    assert (config.preset, config.seed, config.agent.sampling.num_sampled_actions) == ("lightzero-walker-walk", 0, 20)


def test_a_file_of_deepmind_control_plays_its_task_from_images():
    pytest.importorskip("dm_control", reason="the extra dmc is not installed (it has no Python 3.13)")
    try:
        require_gl("this test")
    except ConfigError:
        pytest.skip("neither EGL nor OSMesa works here")
    with pytest.warns(LightZeroWarning):
        config = load_file(CONFIGS / "walker_pixels.py")
    env = config.env
    assert (env.task, env.action_repeat, env.from_pixels, env.image_size) == ("walker-walk", 2, True, 48)


def test_the_norm_of_an_image_encoder_is_carried_over_and_one_over_a_batch_is_told():
    pixels = PONG | {"policy.model.observation_shape": (3, 64, 64)}
    assert loaded(pixels | {"policy.model.norm_type": "LN"}).agent.model.image_norm == "layer"
    with pytest.warns(LightZeroWarning, match="norm_type BN is a norm over groups"):
        assert loaded(pixels | {"policy.model.norm_type": "BN"}).agent.model.image_norm == "group"
    with pytest.warns(LightZeroWarning, match="norm_type BN"):  # LightZero's default
        loaded(pixels)
    with pytest.warns(LightZeroWarning, match=f"without meaning here: {WORLD}.norm_type"):  # which LightZero replaces
        assert loaded(pixels | {f"{WORLD}.norm_type": "LN"}).agent.model.image_norm == "group"


def test_a_vector_has_no_norm_of_images():
    """One that has no shape in the config may turn out to be a vector: a sampled agent's norm is LN by default."""
    agent = {"create_config.policy.type": "sampled_unizero"}
    for shape in ({}, {"policy.model.observation_shape": 3}):
        for norm in ({}, {"policy.model.norm_type": "LN"}):
            assert loaded(SWING | agent | shape | norm).agent.model.image_norm == "group"


def test_a_file_of_stacked_grey_frames_shows_them():
    with pytest.warns(LightZeroWarning):
        config = load_file(CONFIGS / "pong_stacked.py")
    env = config.env
    assert (env.env_id, env.grayscale, env.frame_stack, env.image_size) == ("ALE/Pong-v5", True, 4, 64)
    assert (env.max_frames, config.agent.model.embed_dim, config.seed) == (80_000, 64, 0)


def test_a_file_of_several_tasks_is_refused_in_one_short_line():
    with pytest.raises(ConfigError, match="trains one agent on several tasks") as refused:
        load_file(CONFIGS / "many_tasks.py")
    assert len(str(refused.value)) - len(str(CONFIGS)) < 240
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "store", "init_pool_size"), [("reported_old.py", "tree", None), ("reported_new.py", "pooled", 20)]
)
def test_the_configs_of_the_report_are_read_where_it_puts_their_names(file, store, init_pool_size):
    with pytest.warns(LightZeroWarning) as told:
        read = load_file(CONFIGS / file)
    assert "not known" not in str(told.pop(LightZeroWarning).message)
    assert (read.agent.store, read.agent.cache.init_pool_size) == (store, init_pool_size)
    assert (read.env.num_envs, read.schedule.num_eval_envs, read.schedule.round_env_steps) == (4, 3, 8 * 20)


@pytest.mark.parametrize(("value", "store"), [(True, "pooled"), (False, "legacy")])
def test_the_switch_of_the_report_is_read_in_policy_model(value, store):
    assert loaded({"policy.model.use_new_cache_manager": value}).agent.store == store


@pytest.mark.parametrize(("env_num", "num_envs", "num_eval_envs"), [(2, 2, 2), (5, 5, 3), (9, 8, 3)])
def test_no_more_environments_are_assumed_than_a_world_model_is_said_to_serve(env_num, num_envs, num_eval_envs):
    read = loaded({"policy.model.env_num": env_num})
    assert (read.env.num_envs, read.schedule.num_eval_envs) == (num_envs, num_eval_envs)


@pytest.mark.parametrize("kind", [dict, AttributeDict, MappingProxyType])
def test_any_mapping_is_read(kind):
    config = nested(SILENT | {f"{WORLD}.embed_dim": 32})
    assert load_config(kind(config), max_env_step=10).agent.model.embed_dim == 32


def test_a_config_that_is_followed_entirely_is_told_nothing_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded({"policy.use_priority": False, "policy.model_path": None, "env.stop_value": 1e6})


def test_one_warning_lists_everything_that_is_left_behind():
    given = {
        "policy.cuda": True,
        "policy.warp_speed": 9,
        "policy.ignore_done": True,
        "policy.manual_temperature_decay": True,
        f"{WORLD}.predict_latent_loss_type": "cos_sim",
    }
    with pytest.warns(LightZeroWarning) as told:
        loaded(given)
    lines = str(told.pop(LightZeroWarning).message).splitlines()
    assert len(told) == 0
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        "without meaning here", "not known", "not done here", "assumed",
    ]  # fmt: skip
    assert lines[1].endswith("here: policy.cuda")
    assert lines[2].endswith("known: policy.warp_speed")
    assert "policy.ignore_done=True (kvzero tells terminations from truncations by itself)" in lines[3]
    assert "linearly" in lines[4]
    assert "cos_sim" in lines[4]


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"env.env_id": "LunarLander-v2"}, "LunarLander-v2 is played as LunarLander-v3"),
        (
            {"policy.num_segments": None, "policy.n_episode": 4},
            "an episode of policy.n_episode counts as game_segment_length=7",
        ),
        (
            PONG | {"env.collect_max_episode_steps": 50, "env.eval_max_episode_steps": 60},
            "evaluation games end after 50 steps",
        ),
        ({"env.env_id": "ALE/Pong-v5"}, "ALE/Pong-v5 is played without sticky actions"),
        ({"env.env_id": "BipedalWalker-v3", "env.continuous": True}, "rewards below -10 stay as they are"),
        ({"env.collect_max_episode_steps": 50}, "episodes end as CartPole-v1 ends them, not after 50 steps"),
        (
            {
                "env.env_id": "LunarLanderContinuous-v2",
                "env.manually_discretization": True,
                "env.each_dim_disc_size": 4,
                "create_config.env.type": "lunarlander_cont_disc",
            },
            "bins reach from bound to bound, those of lunarlander_cont_disc leave out the upper one",
        ),
        ({f"{WORLD}.rotary_emb": False}, "the table of learned positions has 30 entries"),
        ({"policy.use_augmentation": True}, "policy.use_augmentation does nothing where a config tells of no images"),
        (PONG | {"policy.use_augmentation": True}, "of policy.augmentation shift alone is done, and not intensity"),
        ({"policy.use_priority": True}, "the power by which weights make up for priorities rises from 0.4 to 1"),
    ],
)
def test_what_is_followed_roughly_is_told(given, note):
    with pytest.warns(LightZeroWarning, match=note):
        loaded(given)


CONTRADICTIONS = [
    (
        {"policy.num_simulations": 25, f"{WORLD}.num_simulations": 50},
        ["policy.num_simulations is 25", f"{WORLD}.num_simulations is 50"],
    ),
    ({f"{WORLD}.game_segment_length": 8}, ["policy.game_segment_length is 7", "game_segment_length is 8"]),
    (
        {"policy.collector_env_num": 8, "env.collector_env_num": 4},
        ["policy.collector_env_num is 8", "env.collector_env_num is 4"],
    ),
    ({"env.env_name": "Acrobot-v1"}, ["env.env_id is 'CartPole-v1'", "env.env_name is 'Acrobot-v1'"]),
    ({f"{WORLD}.max_blocks": 10, f"{WORLD}.max_tokens": 30}, ["max_tokens is 30", "max_blocks is 10", "give 20"]),
    ({f"{WORLD}.context_length": 22}, ["context_length is 22", "max_blocks is 10"]),
    ({f"{WORLD}.context_length": 7}, ["context_length is 7", "even"]),
    ({"policy.num_unroll_steps": 11}, ["num_unroll_steps is 11", "max_blocks is 10"]),
    (
        {f"{WORLD}.context_length": 8, "policy.infer_context_length": 5},
        ["infer_context_length is 5", "context_length is 8", "are 10"],
    ),
    ({f"{WORLD}.context_length_for_recurrent": 6}, ["context_length_for_recurrent is 6", "context_length is 8"]),
    ({f"{WORLD}.embed_dim": 64, f"{WORLD}.num_heads": 6}, ["embed_dim is 64", "6 heads"]),
    ({f"{WORLD}.num_heads": 0}, ["0 heads"]),
    (
        {f"{WORLD}.support_size": 101, "policy.model.support_scale": 300},
        ["support_size is 101", "support_scale is 300", "601 bins"],
    ),
    (
        {f"{WORLD}.support_size": 101, "policy.model.value_support_range": (-300.0, 301.0, 1.0)},
        ["support_size is 101", "601 bins"],
    ),
    ({"policy.model.reward_support_range": (-300.0, 301.0, 0.5)}, ["reward_support_range", "(-n, n + 1, 1)"]),
    (
        {"policy.model.reward_support_range": (-3.0, 4.0, 1.0), "policy.model.value_support_range": (-4.0, 5.0, 1.0)},
        ["reward_support_range is (-3.0", "value_support_range is (-4.0"],
    ),
    ({f"{WORLD}.env_num": 7, "policy.collector_env_num": 8}, ["env_num is 7", "8 environments"]),
    ({"policy.model.env_num": 2, "env.evaluator_env_num": 3}, ["env_num is 2", "3 environments"]),
    ({f"{WORLD}.env_num": 7, "policy.model.env_num": 8}, [f"{WORLD}.env_num is 7", "policy.model.env_num is 8"]),
    (
        {f"{WORLD}.use_new_cache_manager": False, "policy.model.use_new_cache_manager": True},
        [f"{WORLD}.use_new_cache_manager is False", "policy.model.use_new_cache_manager is True"],
    ),
    ({"policy.model.game_segment_length": 8}, ["policy.game_segment_length is 7", "model.game_segment_length is 8"]),
    (
        {f"{WORLD}.final_norm_option_in_encoder": "LayerNorm", f"{WORLD}.final_norm_option_in_obs_head": "SimNorm"},
        ["LayerNorm", "SimNorm"],
    ),
    (
        {f"{WORLD}.final_norm_option_in_encoder": "LayerNorm", f"{WORLD}.predict_latent_loss_type": "group_kl"},
        ["group_kl", "layernorm"],
    ),
    ({"policy.model.observation_shape": 5}, ["observation_shape is (5,)", "CartPole-v1 shows (4,)"]),
    ({"policy.model.action_space_size": 3}, ["action_space_size is 3", "CartPole-v1 has 2 actions"]),
    (PONG | {"policy.model.action_space_size": 18}, ["action_space_size is 18", "ALE/Pong-v5 has 6 actions"]),
    (
        PONG | {"env.observation_shape": (4, 64, 64), "env.gray_scale": False},
        ["env.gray_scale is False", "observation_shape is (4, 64, 64)", "3 in colour"],
    ),
    (PONG | {"env.observation_shape": (4, 64, 64), "policy.model.image_channel": 3}, ["image_channel is 3", "(4, 64"]),
    (
        PONG | {"env.observation_shape": (4, 64, 64), "policy.model.frame_stack_num": 2},
        ["frame_stack_num is 2", "observation_shape is (4, 64, 64)"],
    ),
    (PONG | {"policy.model.image_channel": 2}, ["image_channel is 2", "1 channel in grey"]),
    (PONG | {"env.observation_shape": (3, 64, 96)}, ["observation_shape is (3, 64, 96)", "(channel, size, size)"]),
    ({"env.gray_scale": True}, ["env.gray_scale is True", "not of CartPole-v1"]),
    ({"policy.model.frame_stack_num": 4}, ["frame_stack_num is 4", "not of CartPole-v1"]),
    ({"env.continuous": True}, ["continuous_action_space is True", "actions of CartPole-v1 are numbered"]),
    (SWING | {CONTINUOUS: False}, [f"{CONTINUOUS} is False", "env.continuous is True"]),
    (SWING | {"policy.model.action_space_size": 2}, ["action_space_size is 2", "Pendulum-v1 has actions of 1 numbers"]),
    ({"env.env_id": "Pendulum-v1"}, [f"{CONTINUOUS} is not True", "'sampled_unizero'", "each_dim_disc_size"]),
    (
        {"env.env_id": "Pendulum-v1", "env.manually_discretization": True},
        ["manually_discretization is True", "each_dim_disc_size is not given"],
    ),
    (
        {"env.manually_discretization": True, "env.each_dim_disc_size": 3},
        ["action_bins_per_dim is 3", "CartPole-v1 are numbered"],
    ),
    (
        {"env.env_id": "dmc2gym-v0", "env.continuous": True, "env.domain_name": "walker"},
        ["env.env_id is 'dmc2gym-v0'", "env.task_name"],
    ),
    (
        PONG | {"env.observation_shape": (3, 64, 64), f"{WORLD}.obs_type": "vector"},
        ["obs_type is for vector", "(3, 64, 64)"],
    ),
    ({"policy.model.observation_shape": 4, "policy.model.model_type": "conv"}, ["model_type is for image", "(4,)"]),
]


@pytest.mark.filterwarnings("ignore::kvzero.compat.LightZeroWarning")
@pytest.mark.parametrize(("given", "parts"), CONTRADICTIONS)
def test_values_that_contradict_each_other_are_refused_by_name(given, parts):
    with pytest.raises(ConfigError) as refused:
        loaded(given)
    assert [part for part in parts if part not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"policy.sampled_algo": True}, ["policy.sampled_algo is True", f"{CONTINUOUS} is not"]),
        (
            {"create_config.policy.type": "sampled_unizero"},
            ["'sampled_unizero'", f"{CONTINUOUS} is not", "samples continuous actions only", "'unizero'"],
        ),
        (SWING | {"create_config.policy.type": "unizero"}, [f"{CONTINUOUS} is True", "numbered", "'sampled_unizero'"]),
        ({"create_config.policy.type": "unizero_ppo"}, ["unizero_ppo", "PPO plays without a search"]),
        ({"create_config.policy.type": "unizero_multitask"}, ["unizero_multitask", "one environment"]),
        ({"create_config.policy.type": "sampled_efficientzero"}, ["sampled_efficientzero", "UniZero agents"]),
        ({"create_config.env.type": "jericho"}, ["jericho", "not text"]),
        ({"create_config.env.type": "memory_lightzero"}, ["memory_lightzero", "only LightZero has"]),
        ({f"{WORLD}.obs_type": "text"}, ["obs_type='text'", "not text"]),
        (SWING | {f"{WORLD}.sigma_type": "fixed"}, ["sigma_type='fixed'", "predicts how wide"]),
        ({"create_config.policy.type": "efficientzero"}, ["efficientzero", "UniZero"]),
        ({"policy.model_path": "old.pth.tar"}, ["old.pth.tar", "cannot be loaded"]),
        ({f"{WORLD}.tokens_per_block": 17}, ["tokens_per_block=17", "two tokens"]),
        ({f"{WORLD}.encoder_type": "vit"}, ["vit", "ResNet"]),
        ({f"{WORLD}.task_num": 8}, ["task_num=8", "one environment"]),
    ],
)
def test_another_kind_of_experiment_is_refused_with_the_reason(given, parts):
    with pytest.raises(ConfigError) as refused:
        loaded(given)
    assert [part for part in parts if part not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("policy.batch_size", "256", "a whole number"),
        ("policy.batch_size", 2.5, "a whole number"),
        ("policy.batch_size", True, "a whole number"),
        ("policy.batch_size", float("nan"), "a whole number"),
        ("policy.learning_rate", "fast", "a number"),
        ("policy.learning_rate", float("inf"), "a number"),
        ("policy.manual_temperature_decay", 1, "True or False"),
        ("env.env_id", 7, "a text"),
        ("policy.model.observation_shape", "4", "a number of features"),
        ("policy.model.observation_shape", (3, 0, 64), "a number of features"),
        ("policy.model.reward_support_range", 601, "three numbers"),
        (f"{WORLD}.predict_latent_loss_type", "huber", "one of group_kl, mse, cos_sim"),
        (f"{WORLD}.obs_type", "sound", "one of image, vector"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(name, value, wanted):
    with pytest.raises(ConfigError) as refused:
        loaded({name: value})
    assert name in str(refused.value)
    assert wanted in str(refused.value)


@pytest.mark.parametrize("name", ["policy.batch_size", "create_config.policy.type"])
def test_a_value_longer_than_a_screen_is_cut_where_it_is_refused(name):
    with pytest.raises(ConfigError) as refused:
        loaded({name: ["one of many configs"] * 999})
    assert name in str(refused.value)
    assert "..." in str(refused.value)
    assert len(str(refused.value)) < 240


def test_what_cannot_work_in_kvzero_is_refused_in_its_own_words():
    with pytest.raises(ConfigError, match="batch_size is 0; give at least 1"):
        loaded({"policy.batch_size": 0})
    with pytest.raises(ConfigError, match=r"encoder_channels is 40"):
        loaded(PONG | {"policy.model.num_channels": 40})


def test_a_config_without_an_environment_or_with_an_unknown_one_is_refused():
    with pytest.raises(ConfigError, match=r"env\.env_id is not given"):
        load_config({"policy": {}})
    with pytest.raises(ConfigError, match="no environment is called 'CartPol-v1'"):
        loaded({"env.env_id": "CartPol-v1"})


def test_what_training_is_told_must_not_contradict_the_config():
    assert load_config(nested(SILENT | {"seed": 4}), seed=4, max_env_step=10).seed == 4
    with pytest.raises(ConfigError, match="seed is 5 where training is called but 4 in main_config"):
        load_config(nested(SILENT | {"seed": 4}), seed=5)


@pytest.mark.filterwarnings("ignore::kvzero.compat.LightZeroWarning")
def test_atari_settings_do_not_reach_other_environments():
    config = loaded({"env.frame_skip": 2, "env.clip_rewards": False, "policy.model.num_channels": 32,
                     "policy.model.observation_shape": 4})  # fmt: skip
    silent = loaded()
    assert config.env == silent.env
    assert config.agent == replace(silent.agent)


def test_a_gumbel_search_is_told_of_and_has_neither_noise_nor_temperature():
    given = {"policy.gumbel_algo": True, "policy.manual_temperature_decay": True, "policy.root_noise_weight": 0.5}
    with pytest.warns(LightZeroWarning, match="gumbel_algo is a whole Gumbel search, .* neither temperature nor noise"):
        config = loaded(given)
    assert config.agent.search.gumbel.num_considered_actions == 4
    assert config.agent.search.puct == PuctConfig()
    assert config.schedule.first_temperature == ScheduleConfig().first_temperature
