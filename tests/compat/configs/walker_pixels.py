"""A LightZero config as for DeepMind Control from images: a task by its two names, in segments."""

from easydict import EasyDict
from zoo.dmc2gym.config.dmc_state_env_space_map import dmc_state_env_action_space_map

task = "walker-walk"
domain, name = task.split("-")
num_actions = dmc_state_env_action_space_map[task]

main_config = EasyDict(
    dict(
        env=dict(
            env_id="dmc2gym-v0",
            domain_name=domain,
            task_name=name,
            from_pixels=True,
            frame_skip=2,
            warp_frame=True,
            scale=True,
            frame_stack_num=1,
            continuous=True,
            save_replay_gif=False,
            replay_path_gif="./pictures",
        ),
        policy=dict(
            model=dict(
                observation_shape=(3, 48, 48),
                action_space_size=num_actions,
                continuous_action_space=True,
                model_type="conv",
                world_model_cfg=dict(obs_type="image", model_type="conv", continuous_action_space=True),
            ),
            num_segments=8,
            game_segment_length=100,
        ),
    )
)
create_config = EasyDict(
    dict(env=dict(type="dmc2gym_lightzero"), env_manager=dict(type="base"), policy=dict(type="sampled_unizero"))
)

if __name__ == "__main__":
    from lzero.entry import train_unizero_segment

    train_unizero_segment([main_config, create_config], seed=0, max_env_step=int(1e6))
