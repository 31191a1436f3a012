"""Values of a wrong type, which the shape checks of this session would stop: refused in words where there are none."""

import pytest
from tests.unchecked import outcomes_of

PREAMBLE = """
from dataclasses import replace
import numpy as np
import torch
import kvzero
from kvzero.model import Network
from kvzero.records import EnvSpec

config = kvzero.TransformerConfig(
    env_num=2, num_simulations=4, action_space_size=3, observation_shape=5, obs_type="vector", embed_dim=16,
    num_heads=2, support_size=11, context_length=8, rotary_emb=True, use_new_cache_manager=True,
)
pool = kvzero.KVCachePool(config.layout, 2)
manager = kvzero.KVCacheManager(config, 2)
model = kvzero.WorldModel(config, kvzero.Tokenizer(config))
latents = torch.randn(2, 16)
network = Network(kvzero.ModelConfig(embed_dim=16, num_heads=2), EnvSpec(observation_shape=(3,), num_actions=2))
agent = kvzero.Agent(network, kvzero.AgentConfig(model=network.config), num_envs=2)
batch = kvzero.cache.ContextBatch(torch.zeros(2, *config.layout.context_shape), np.array([1, 1]))

def sizes(start_pos):
    return model.retrieve_or_generate_kvcache(latents, 2, 0, start_pos)
"""

REFUSED = {
    "kvzero.KVCachePool(config.layout, '3')": "ConfigError: pool_size is '3', of type str; give an integer",
    "kvzero.KVCachePool(config.layout, 1.5)": "ConfigError: pool_size is 1.5, of type float",
    "kvzero.KVCachePool(config.layout, None)": "ConfigError: pool_size is None",
    "kvzero.KVCachePool(config.layout, True)": "ConfigError: pool_size is True, of type bool",
    "pool.resize(1.5)": "ConfigError: pool_size is 1.5",
    "pool.set(1, latents)": "CacheError: pool was given a Tensor to keep; give KeysValues",
    "pool.set(1, None)": "CacheError: pool was given a NoneType to keep",
    "pool.get(1.0)": "CacheError: a cache key is 1.0",
    "pool.get(torch.tensor([1, 2]))": "CacheError: a cache key is tensor([1, 2])",
    "pool.set_many([1, 2.0], batch)": "CacheError: a cache key is 2.0",
    "manager.get_init_cache('0', 1)": "CacheError: env_id is '0'",
    "manager.get_init_cache(None, 1)": "CacheError: env_id is None",
    "kvzero.KVCacheManager(config, 1.5)": "ConfigError: env_num is 1.5",
    "kvzero.KVCacheManager(kvzero.preset('cartpole'), 3)": "ConfigError: caches were asked for with a RunConfig; give "
    "a TransformerConfig, or ManagerSettings",
    "kvzero.TransformerConfig(use_new_cache_manager='yes')": "ConfigError: use_new_cache_manager is 'yes', of type str",
    "kvzero.TransformerConfig(rotary_emb=None)": "ConfigError: rotary_emb is None, of type NoneType",
    "kvzero.TransformerConfig(env_num='2')": "ConfigError: env_num is '2'",
    "kvzero.CacheConfig(init_pool_size='4')": "ConfigError: init_pool_size is '4'",
    "kvzero.WorldModel(config, None)": "ConfigError: a world model was asked for with a TransformerConfig and a None",
    "model.forward_recurrent_inference([])": "ConfigError: state_action_history is empty",
    "model.forward_initial_inference(torch.zeros(2, 5), env_ids=[0, 1.5])": "CacheError: env_id is 1.5",
    "model.retrieve_or_generate_kvcache(latents, 2, 0, 0, latent_state_index_in_search_path=[0, 0.5])": "ConfigError: "
    "latent_state_index_in_search_path is 0.5",
    "kvzero.Agent(network, agent.config, num_envs=2.0)": "ConfigError: num_envs is 2.0, of type float; give an integer",
    "kvzero.EnvConfig(env_kwargs=[1])": "ConfigError: env_kwargs is [1]; give names and values, such as",
    "kvzero.EnvConfig(env_kwargs={1: 2})": "ConfigError: env_kwargs names 1; give the name of an argument",
    "kvzero.train('cartpole')": "ConfigError: config is 'cartpole'; give a RunConfig",
    "kvzero.Agent.load('nowhere', env='CartPole-v1')": "ConfigError: env is 'CartPole-v1'; give an environment itself",
    "agent.act(np.zeros((2, 3)), results='lmdb:here')": "ConfigError: results is 'lmdb:here'; give a ResultCache",
    "kvzero.cache.ResultCache(tier='lmdb:here')": "ConfigError: tier is 'lmdb:here'; give what open_tier returns",
    "agent.save_contexts('nowhere', codec='int9')": "ConfigError: codec is 'int9'; choose one of none, float16, int8",
    "agent.reset([9])": "ConfigError: environments [9] were to begin anew; give numbers from 0 to 1",
    "agent.reset([0.5])": "ConfigError: environments [0.5] were to begin anew",
    "agent.reset('all')": "ConfigError: environments all were to begin anew",
    "agent.act([[1, 2, 3], [4, 5]])": "ConfigError: observations are no array",
    "agent.act([[1, 2, 3], [4, 5, 6]], action_masks=[[True], [True, False]])": "ConfigError: action_masks is no array",
    "agent.act([None, None])": "ConfigError: observations have shape (2,)",
    "sizes('2')": "ConfigError: start_pos is '2'",
    "sizes([1.5, 2])": "ConfigError: start_pos is 1.5",
    "sizes(torch.tensor([1, 2, 3]))": "ConfigError: start_pos is tensor([1, 2, 3]) for 2 rows",
}
TAKEN = {
    "kvzero.KVCachePool(config.layout, np.int64(3)).pool_size": "3",
    "pool.get(np.int64(4))": "None",
    "manager.get_init_cache(np.int32(1), torch.tensor(4))": "None",
    "sizes(np.int64(2))": "[1, 1]",
    "sizes(torch.tensor(2))": "[1, 1]",
    "sizes(torch.tensor([1, 2]))": "[1, 1]",
    "len(pool)": "0",
    "next(kvzero.Tokenizer(replace(config, device=torch.device('cpu'))).parameters()).device": "device(type='cpu')",
    "agent.reset([0, 1])": "None",
    "agent.reset(())": "None",
    "len(agent.act([[1, 2, 3], [4, 5, 6]]))": "2",
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    return outcomes_of(PREAMBLE, [*REFUSED, *TAKEN])


@pytest.mark.parametrize("call", REFUSED)
def test_a_value_of_a_wrong_type_is_refused_by_name(outcomes, call):
    assert outcomes[call].startswith(REFUSED[call])


@pytest.mark.parametrize("call", TAKEN)
def test_integers_are_taken_in_whatever_form(outcomes, call):
    assert outcomes[call] == TAKEN[call]
