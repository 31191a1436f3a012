"""A LightZero config as for an Atari game in grey, four frames at a time: another config, changed in parts."""

from easydict import EasyDict

plain_config = dict(
    env=dict(env_id="PongNoFrameskip-v4", observation_shape=(3, 64, 64), gray_scale=False, collector_env_num=4),
    policy=dict(model=dict(observation_shape=(3, 64, 64), world_model_cfg=dict(obs_type="image")), num_segments=4),
)

main_config = EasyDict(plain_config)
main_config.env.update(
    dict(observation_shape=(4, 64, 64), gray_scale=True, collect_max_episode_steps=int(2e4), evaluator_env_num=2)
)
main_config.policy.update(
    dict(
        model=dict(
            observation_shape=(4, 64, 64),
            image_channel=1,
            frame_stack_num=4,
            gray_scale=True,
            num_channels=16,
            world_model_cfg=dict(obs_type="image", num_layers=1, num_heads=2, embed_dim=64, device="cpu"),
        ),
        game_segment_length=20,
        batch_size=16,
    )
)
create_config = EasyDict(dict(env=dict(type="atari_lightzero"), policy=dict(type="unizero")))

if __name__ == "__main__":
    from lzero.entry import train_unizero

    for seed in (0, 1, 2):
        main_config.exp_name = f"data/pong_stacked_seed{seed}"
        train_unizero([main_config, create_config], seed=seed, max_env_step=int(5e5))
