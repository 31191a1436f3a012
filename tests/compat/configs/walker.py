"""A LightZero config as for continuous control: sizes from tables that only LightZero has."""

from easydict import EasyDict
from zoo.dmc2gym.config.dmc_state_env_space_map import dmc_state_env_action_space_map, dmc_state_env_obs_space_map


def main(env_id, seed):
    num_actions, num_features = dmc_state_env_action_space_map[env_id], dmc_state_env_obs_space_map[env_id]
    domain, task = env_id.split("-")
    main_config = EasyDict(
        dict(
            env=dict(env_id="dmc2gym-v0", domain_name=domain, task_name=task, from_pixels=False, continuous=True),
            policy=dict(
                model=dict(
                    observation_shape=num_features,
                    action_space_size=num_actions,
                    continuous_action_space=True,
                    num_of_sampled_actions=20,
                    model_type="mlp",
                    world_model_cfg=dict(continuous_action_space=True, sigma_type="conditioned", obs_type="vector"),
                ),
                model_path=None,
            ),
        )
    )
    create_config = EasyDict(dict(env=dict(type="dmc2gym_lightzero"), policy=dict(type="sampled_unizero")))
    from lzero.entry import train_unizero_segment

    train_unizero_segment([main_config, create_config], seed=seed, max_env_step=int(5e5))


if __name__ == "__main__":
    main("walker-walk", seed=0)
