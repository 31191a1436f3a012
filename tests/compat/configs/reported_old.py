"""Appendix B.1, the old system, of the report, as it stands there, with the environment that it leaves out."""

main_config = dict(
    exp_name="atari_unizero_segment",
    env=dict(
        # ... env config
        env_id="PongNoFrameskip-v4",
    ),
    policy=dict(
        model=dict(
            observation_shape=(3, 64, 64),
            action_space_size=6,
            env_num=4,
            game_segment_length=20,
            # ... 其他配置
            # ✅ 不添加 use_new_cache_manager,默认 False
        ),
        # ... 其他 policy 配置
    ),
)
