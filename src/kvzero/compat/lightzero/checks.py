"""What a LightZero config must not say at once: numbers that contradict each other, or the environment."""

from collections.abc import Callable, Mapping
from typing import Any

from kvzero.compat.lightzero import conversions as to
from kvzero.compat.lightzero.environment import find_game
from kvzero.compat.lightzero.facts import CONTINUOUS, ENV_NUM, WORLD
from kvzero.envs import EnvConfig, make_environments
from kvzero.errors import ConfigError
from kvzero.records import EnvSpec

__all__ = ["check_environment", "check_facts"]

Facts = Mapping[str, Any]

SHAPE = "policy.model.observation_shape"


def check_facts(facts: Facts) -> None:
    """Refuse a config that contradicts itself.

    Raises:
        ConfigError: naming the two settings, their values, and what would be right.
    """
    for check in CHECKS:
        check(facts)


def check_environment(config: EnvConfig, facts: Facts) -> None:
    """Make the environment once, and refuse a config that expects another one.

    Raises:
        ConfigError: if observations or actions are others than the config says, or it cannot be made.
    """
    envs = make_environments(config, num_envs=1, training=True)
    spec = envs.spec
    envs.close()
    shape = facts[SHAPE]
    if shape not in (None, spec.observation_shape):
        raise ConfigError(
            f"policy.model.observation_shape is {shape}, but {config.env_id} shows {spec.observation_shape}; "
            "give the shape of one observation"
        )
    _check_actions(config.env_id, spec, facts)


def _check_actions(env_id: str, spec: EnvSpec, facts: Facts) -> None:
    size, is_continuous = facts["policy.model.action_space_size"], facts[CONTINUOUS]
    if is_continuous and not spec.is_continuous:
        raise ConfigError(f"{CONTINUOUS} is True, but the actions of {env_id} are numbered; give False")
    if spec.is_continuous and not is_continuous:
        raise ConfigError(
            f"{CONTINUOUS} is not True, but the actions of {env_id} are; choose the policy type 'sampled_unizero', or "
            "bins with env.manually_discretization=True and env.each_dim_disc_size"
        )
    if size not in (None, spec.action_dim or spec.num_actions):
        what = f"actions of {spec.action_dim} numbers" if is_continuous else f"{spec.num_actions} actions"
        raise ConfigError(f"policy.model.action_space_size is {size}, but {env_id} has {what}")


def _check_game(facts: Facts) -> None:
    env_id, shape = facts["env.env_id"], facts[SHAPE]
    if env_id is None:
        raise ConfigError('env.env_id is not given; it says what is played, such as "PongNoFrameskip-v4"')
    game = find_game(env_id)
    if game.is_dmc and None in (facts["env.domain_name"], facts["env.task_name"]):
        raise ConfigError(
            f"env.env_id is {env_id!r}, but env.domain_name or env.task_name is not given; they say which task of "
            'DeepMind Control is played, such as "walker" and "walk"'
        )
    if game.is_atari and shape is not None and (len(shape), shape[-2:-1]) != (3, shape[-1:]):
        raise ConfigError(
            f"policy.model.observation_shape is {shape}; kvzero shows Atari games as square images, "
            "(channel, size, size)"
        )


def _check_agent(facts: Facts) -> None:
    kind, is_continuous = facts["create_config.policy.type"], facts[CONTINUOUS]
    if not is_continuous and (kind == "sampled_unizero" or facts["policy.sampled_algo"]):
        said = (
            "policy.sampled_algo is True" if facts["policy.sampled_algo"] else f"create_config.policy.type is {kind!r}"
        )
        raise ConfigError(
            f"{said} but {CONTINUOUS} is not; kvzero samples continuous actions only: numbered ones are all searched "
            "over by the policy type 'unizero'"
        )
    if is_continuous and kind == "unizero":
        raise ConfigError(
            f"{CONTINUOUS} is True but create_config.policy.type is 'unizero', which has numbered actions; "
            "choose 'sampled_unizero'"
        )
    if facts["env.manually_discretization"] and facts["env.each_dim_disc_size"] is None:
        raise ConfigError("env.manually_discretization is True but env.each_dim_disc_size is not given; say how many")


def _check_frames(facts: Facts) -> None:
    names = ("env.gray_scale", "policy.model.image_channel", "policy.model.frame_stack_num", SHAPE)
    is_told, colours, stacked, shape = (facts[name] for name in names)
    said = ", ".join(f"{name} is {facts[name]}" for name in names if facts[name] is not None)
    if not find_game(facts["env.env_id"]).is_atari:
        if is_told or (stacked or 1) > 1:
            raise ConfigError(f"{said}; kvzero greys and stacks frames of Atari games, not of {facts['env.env_id']}")
        return
    is_grey = to.is_grey(is_told, colours, stacked, shape)
    num_channels = (1 if is_grey else 3) * to.frame_stack(stacked, shape, is_grey)
    if colours not in (None, 1 if is_grey else 3) or (shape is not None and shape[0] != num_channels):
        raise ConfigError(f"{said}; a frame has 1 channel in grey and 3 in colour, and an image those of its frames")


def _check_observations(facts: Facts) -> None:
    shape = facts[SHAPE]
    kind = "image" if shape is None or len(shape) == 3 else "vector"
    for name in (f"{WORLD}.obs_type", "policy.model.model_type"):
        if shape is not None and facts[name] not in (None, kind):
            raise ConfigError(
                f"{name} is for {facts[name]} observations, but policy.model.observation_shape is {shape}, "
                f"a shape of {kind} observations"
            )


def _check_tokens(facts: Facts) -> None:
    blocks, tokens, context = (facts[f"{WORLD}.{name}"] for name in ("max_blocks", "max_tokens", "context_length"))
    unroll = facts["policy.num_unroll_steps"]
    if tokens is not None and tokens != 2 * blocks:
        raise ConfigError(
            f"{WORLD}.max_tokens is {tokens} but max_blocks is {blocks}; a block is two tokens, so give {2 * blocks}"
        )
    if context > 2 * blocks:
        raise ConfigError(
            f"{WORLD}.context_length is {context} tokens but max_blocks is {blocks} steps of two tokens; "
            "the context must fit"
        )
    if unroll > blocks:
        raise ConfigError(
            f"policy.num_unroll_steps is {unroll} but {WORLD}.max_blocks is {blocks}; a training segment must fit"
        )


def _check_contexts(facts: Facts) -> None:
    context, recurrent = facts[f"{WORLD}.context_length"], facts[f"{WORLD}.context_length_for_recurrent"]
    steps = facts[f"{WORLD}.infer_context_length"]
    if context < 2 or context % 2:
        raise ConfigError(
            f"{WORLD}.context_length is {context}; a step is two tokens, so give an even number from 2 on"
        )
    if steps is not None and 2 * steps != context:
        raise ConfigError(
            f"infer_context_length is {steps} steps but {WORLD}.context_length is {context} tokens; "
            f"a step is two tokens, so {steps} steps are {2 * steps}"
        )
    if recurrent not in (None, context):
        raise ConfigError(
            f"{WORLD}.context_length_for_recurrent is {recurrent} but context_length is {context}; "
            "kvzero has one context for roots and search alike, so give both the same value"
        )


def _check_heads(facts: Facts) -> None:
    embed_dim, num_heads = facts[f"{WORLD}.embed_dim"], facts[f"{WORLD}.num_heads"]
    if num_heads < 1 or embed_dim % num_heads:
        raise ConfigError(
            f"{WORLD}.embed_dim is {embed_dim}, which {num_heads} heads (num_heads) cannot share; "
            "every head needs the same width"
        )


def _check_support(facts: Facts) -> None:
    bins, scale = facts[f"{WORLD}.support_size"], facts["policy.model.support_scale"]
    ends = facts["policy.model.reward_support_range"]
    if bins is not None and scale is not None and bins != 2 * scale + 1:
        raise ConfigError(
            f"{WORLD}.support_size is {bins} but policy.model.support_scale is {scale}; "
            f"a support from -{scale} to {scale} has {2 * scale + 1} bins"
        )
    if ends is None:
        return
    low, high, step = ends
    if step != 1 or low != 1 - high:
        raise ConfigError(
            f"policy.model.reward_support_range is {ends}; kvzero's support is centred on 0 with bins of width 1: "
            "(-n, n + 1, 1)"
        )
    if bins is not None and bins != high - low:
        raise ConfigError(
            f"{WORLD}.support_size is {bins} but policy.model.reward_support_range is {ends}, "
            f"which has {round(high - low)} bins"
        )


def _check_env_num(facts: Facts) -> None:
    most = max(facts["policy.collector_env_num"], facts["policy.evaluator_env_num"])
    env_num = facts[ENV_NUM]
    if env_num is not None and env_num < most:
        raise ConfigError(f"env_num is {env_num} but {most} environments are played at once; give at least {most}")


CHECKS: tuple[Callable[[Facts], None], ...] = (
    _check_game,
    _check_agent,
    _check_frames,
    _check_observations,
    _check_tokens,
    _check_contexts,
    _check_heads,
    _check_support,
    _check_env_num,
)
