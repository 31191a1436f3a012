"""A LightZero config that is only two variables, in plain dicts."""

segment = 25
main_config = dict(
    env=dict(env_id="CartPole-v1", collector_env_num=2, evaluator_env_num=2),
    policy=dict(
        model=dict(
            observation_shape=4,
            action_space_size=2,
            world_model_cfg=dict(
                num_layers=1,
                num_heads=2,
                embed_dim=32,
                final_norm_option_in_obs_head="LayerNorm",
                final_norm_option_in_encoder="LayerNorm",
                predict_latent_loss_type="mse",
                rotary_emb=False,
            ),
        ),
        num_segments=2,
        game_segment_length=segment,
        batch_size=16,
        update_per_collect=10,
    ),
)
create_config = dict(env=dict(type="cartpole_lightzero"), policy=dict(type="unizero"))
