"""A LightZero config as for CartPole: everything at module level, episodes collected, trained at the end."""

from easydict import EasyDict

envs, evals, simulations, unroll, updates = 4, 3, 12, 6, None
max_env_step = int(2e4)

pole_config = EasyDict(
    dict(
        exp_name=f"data/pole_ns{simulations}_upc{updates}_H{unroll}",
        env=dict(
            env_name="CartPole-v0",
            continuous=False,
            manually_discretization=False,
            collector_env_num=envs,
            evaluator_env_num=evals,
            n_evaluator_episode=evals,
            manager=dict(shared_memory=False),
        ),
        policy=dict(
            model=dict(
                observation_shape=4,
                action_space_size=2,
                self_supervised_learning_loss=True,
                discrete_action_encoding_type="one_hot",
                norm_type="BN",
                model_type="mlp",
                world_model_cfg=dict(
                    max_blocks=10,
                    max_tokens=2 * 10,
                    context_length=2 * 4,
                    context_length_for_recurrent=2 * 4,
                    device="cpu",
                    action_space_size=2,
                    num_layers=1,
                    num_heads=2,
                    embed_dim=48,
                    env_num=envs,
                    collector_env_num=envs,
                    evaluator_env_num=evals,
                    obs_type="vector",
                    norm_type="BN",
                ),
            ),
            model_path=None,
            num_unroll_steps=unroll,
            cuda=True,
            use_augmentation=False,
            env_type="not_board_games",
            game_segment_length=50,
            replay_ratio=0.2,
            batch_size=32,
            optim_type="AdamW",
            lr_piecewise_constant_decay=False,
            learning_rate=0.0002,
            target_update_freq=100,
            grad_clip_value=5,
            num_simulations=simulations,
            reanalyze_ratio=0,
            n_episode=envs,
            eval_freq=int(1e3),
            replay_buffer_size=int(3e4),
            collector_env_num=envs,
            evaluator_env_num=evals,
        ),
    )
)
main_config = pole_config

pole_create_config = EasyDict(
    dict(
        env=dict(type="cartpole_lightzero", import_names=["zoo.classic_control.cartpole.envs.cartpole_lightzero_env"]),
        env_manager=dict(type="subprocess"),
        policy=dict(type="unizero", import_names=["lzero.policy.unizero"]),
    )
)
create_config = pole_create_config

if __name__ == "__main__":
    from lzero.entry import train_unizero

    train_unizero([main_config, create_config], seed=5, max_env_step=max_env_step)
