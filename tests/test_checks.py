"""Fields of a config that are of another type than they should be: taken where nothing is lost, else refused by name.

In a process of its own: in this one the shape checks of the session would stop such values before kvzero sees them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kvzero.checks import read_address
from kvzero.errors import ClusterError, ConfigError
from tests.unchecked import outcomes_of

PREAMBLE = """
import json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
import torch
import kvzero
from kvzero.cache import ContextLayout
from kvzero.envs import EnvConfig
from kvzero.records import EnvSpec, structure, unstructure
from kvzero.replay import ReplayConfig
from kvzero.search import SearchConfig
from kvzero.training import LearnerConfig, ScheduleConfig

config = kvzero.preset("cartpole")

def kept(changed):
    assert structure(json.loads(json.dumps(unstructure(changed))), kvzero.RunConfig) == changed
    return changed
"""

REFUSED = {
    "EnvSpec(observation_shape=3, num_actions=2)": "observation_shape is 3, of type int; give a tuple",
    "EnvSpec(observation_shape=(3,), num_actions=2.0)": "num_actions is 2.0, of type float; give an integer",
    "ContextLayout(num_layers=1.5, num_heads=1, head_dim=2, context_tokens=4)": "num_layers is 1.5, of type float",
    "ScheduleConfig(total_env_steps=1.6e2)": "total_env_steps is 160.0, of type float; give an integer",
    "ScheduleConfig(learning_starts='5')": "learning_starts is '5', of type str; give an integer",
    "ScheduleConfig(replay_ratio='much')": "replay_ratio is 'much', of type str; give a number",
    "ScheduleConfig(replay_ratio=True)": "replay_ratio is True, of type bool; give a number",
    "ScheduleConfig(max_eval_steps=3.0)": "max_eval_steps is 3.0, of type float; give an integer",
    "LearnerConfig(batch_size=16.0)": "batch_size is 16.0, of type float; give an integer",
    "LearnerConfig(learning_rate=None)": "learning_rate is None, of type NoneType; give a number",
    "SearchConfig(num_simulations=5.0)": "num_simulations is 5.0, of type float; give an integer",
    "SearchConfig(discount=1j)": "discount is 1j, of type complex; give a number",
    "ReplayConfig(replay_capacity=1e4)": "replay_capacity is 10000.0, of type float; give an integer",
    "EnvConfig(num_envs=True)": "num_envs is True, of type bool; give an integer",
    "EnvConfig(env_id=7)": "env_id is 7, of type int; give a string",
    "EnvConfig(clip_rewards=1)": "clip_rewards is 1, of type int; give True or False",
    "kvzero.ModelConfig(embed_dim=64.0)": "embed_dim is 64.0, of type float; give an integer",
    "kvzero.CacheConfig(recur_pool_bounds=(1, 2.5))": "recur_pool_bounds[1] is 2.5, of type float; give an integer",
    "kvzero.CacheConfig(recur_pool_bounds=(1, 2, 3))": "recur_pool_bounds is (1, 2, 3); give 2 values",
    "kvzero.CacheConfig(recur_pool_bounds=5)": "recur_pool_bounds is 5, of type int; give a tuple",
    "replace(config, seed=0.5)": "seed is 0.5, of type float; give an integer",
    "replace(config, env='CartPole-v1')": "env is 'CartPole-v1', of type str; give an instance of EnvConfig",
    "replace(config.agent, store=['tree'])": "store is ['tree']; choose one of tree, pooled, legacy",
    "replace(config.agent, engine='steam')": "engine is 'steam'; choose one of auto,",
    "kvzero.CacheConfig(eviction=None)": "eviction is None; choose one of fifo, lru, priority",
    "LearnerConfig(latent_loss='l3')": "latent_loss is 'l3'; choose one of mse, smooth_l1, group_kl",
}
TAKEN = {
    "EnvSpec(observation_shape=(np.int64(3),), num_actions=np.int64(2))": "EnvSpec(observation_shape=(3,), "
    "pixels='bytes', pixel_bounds=(), num_actions=2, action_dim=0, action_bounds=())",
    "EnvSpec(observation_shape=[3], action_dim=1, action_bounds=np.array([[-1, 2]]).tolist()).action_bounds": "((-1.0, "
    "2.0),)",
    "kept(replace(config, seed=np.int64(3))).seed": "3",
    "kept(replace(config, seed=torch.tensor(3))).seed": "3",
    "kept(replace(config, runs_dir=Path('here'))).runs_dir": "'here'",
    "kept(replace(config, learner=LearnerConfig(learning_rate=np.float64(0.5)))).learner.learning_rate": "0.5",
    "kept(replace(config, learner=LearnerConfig(learning_rate=np.float32(0.5)))).learner.learning_rate": "0.5",
    "kept(replace(config, learner=LearnerConfig(learning_rate=1))).learner.learning_rate": "1.0",
    "kept(replace(config, schedule=ScheduleConfig(max_eval_steps=np.int32(4)))).schedule.max_eval_steps": "4",
    "EnvConfig(env_id='ALE/Pong-v5', clip_rewards=np.False_).clip_rewards": "False",
    "kvzero.CacheConfig(recur_pool_bounds=[np.int64(1), 2]).recur_pool_bounds": "(1, 2)",
    "SearchConfig(discount=1).discount": "1.0",
}


EVERY_FIELD = """
import importlib, json, pkgutil, sys
from dataclasses import MISSING, fields, is_dataclass, replace
import kvzero

required = {"preset": "mine", "run": kvzero.preset("cartpole"), "env_steps": 1, "out": "there"}
for found in pkgutil.walk_packages(kvzero.__path__, "kvzero."):
    if found.ispkg:  # what a room shows, which needs no optional package
        importlib.import_module(found.name)
modules = [module for name, module in sys.modules.items() if name.startswith("kvzero.")]
odd, answers = object(), {}
for kind in {
    kind for module in modules for name, kind in vars(module).items() if name.endswith("Config") and is_dataclass(kind)
}:
    needed = [field.name for field in fields(kind) if field.default is field.default_factory is MISSING]
    config = kind(**{name: required[name] for name in needed})
    for field in filter(lambda field: field.init, fields(kind)):  # what can be given
        try:
            replace(config, **{field.name: odd})
            answer = "taken"
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        answers[f"{kind.__name__}.{field.name}"] = answer
print(json.dumps(answers))
"""


def test_no_field_of_any_config_takes_what_is_nothing_of_the_kind() -> None:
    child = subprocess.run([sys.executable, "-c", EVERY_FIELD], capture_output=True, text=True, check=True)
    answers = json.loads(child.stdout)
    assert {"RunConfig.seed", "ComparisonConfig.out", "TransformerConfig.device", "EnvConfig.env_id"} <= set(answers)
    for field, answer in answers.items():
        name = field.partition(".")[2]
        assert answer.startswith((f"ConfigError: {name} is ", f"ConfigError: {name} strategy is ")), (field, answer)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    return outcomes_of(PREAMBLE, [*REFUSED, *TAKEN])


@pytest.mark.parametrize("call", REFUSED)
def test_a_value_of_a_wrong_type_is_refused_when_the_config_is_made(outcomes: dict[str, str], call: str) -> None:
    assert outcomes[call].startswith(f"ConfigError: {REFUSED[call]}")


@pytest.mark.parametrize("call", TAKEN)
def test_what_means_the_same_is_taken_and_can_be_written_and_read_back(outcomes: dict[str, str], call: str) -> None:
    assert outcomes[call] == TAKEN[call]


def test_a_run_is_not_made_longer_by_a_fraction(trained_run: Path) -> None:
    program = f"import kvzero; kvzero.resume({str(trained_run)!r}, total_env_steps=3.2e5)"
    before = (trained_run / "config.json").read_bytes()
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ConfigError: total_env_steps is 320000.0, of type float; give an integer" in child.stderr
    assert (trained_run / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host:6379", ("host", 6379)),
        ("node_3-b.lab:1", ("node_3-b.lab", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65_535)),
        ("[fe80::1%eth0]:6379", ("fe80::1%eth0", 6379)),
    ],
)
def test_host_and_port_are_read(text, address):
    assert read_address("cluster", text, "give HOST:PORT", is_own=False) == address
    assert read_address("monitor", text, "give HOST:PORT", is_own=True) == address


@pytest.mark.parametrize("text", ["6379", "host:0", "[::1]:0"])
def test_only_an_address_of_this_machine_may_lack_a_host_or_have_any_port(text):
    host, _, port = text.rpartition(":")
    assert read_address("monitor", text, "give PORT", is_own=True) == (host.strip("[]"), int(port))
    with pytest.raises(ClusterError, match=r"^cluster is '.*'; give HOST:PORT"):
        read_address("cluster", text, "give HOST:PORT", is_own=False, error=ClusterError)


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":1", "host:65536", "host:²", "a b:1", "u@host:1", "[host]:1", "[]:1"]
)
@pytest.mark.parametrize("is_own", [True, False])
def test_what_is_no_address_is_refused(text, is_own):
    with pytest.raises(ConfigError, match=r"; give HOST:PORT$"):
        read_address("cluster", text, "give HOST:PORT", is_own=is_own)


def test_who_gives_an_ipv6_address_as_it_is_hears_of_brackets():
    with pytest.raises(ConfigError, match=r"cluster is '::1:6379'; give HOST:PORT, with an IPv6 address in brackets"):
        read_address("cluster", "::1:6379", "give HOST:PORT", is_own=False)
