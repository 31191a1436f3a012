"""A LightZero config as for Pendulum with a sampled agent: everything at module level, sizes given twice."""

from easydict import EasyDict

is_continuous, drawn, envs, evals, simulations, unroll, context = True, 12, 4, 2, 10, 6, 3

swing_config = EasyDict(
    dict(
        exp_name=f"data/swing_K{drawn}_ns{simulations}_H{unroll}",
        env=dict(
            env_id="Pendulum-v1",
            continuous=True,
            manually_discretization=False,
            each_dim_disc_size=1,
            collector_env_num=envs,
            evaluator_env_num=evals,
            n_evaluator_episode=evals,
            manager=dict(shared_memory=False),
        ),
        policy=dict(
            model=dict(
                observation_shape=3,
                action_space_size=1,
                continuous_action_space=is_continuous,
                num_of_sampled_actions=drawn,
                model_type="mlp",
                world_model_cfg=dict(
                    obs_type="vector",
                    num_unroll_steps=unroll,
                    policy_entropy_weight=2e-2,
                    continuous_action_space=is_continuous,
                    num_of_sampled_actions=drawn,
                    sigma_type="conditioned",
                    fixed_sigma_value=0.4,
                    bound_type=None,
                    policy_loss_type="kl",
                    model_type="mlp",
                    norm_type="LN",
                    max_blocks=unroll,
                    max_tokens=2 * unroll,
                    context_length=2 * context,
                    device="cpu",
                    action_space_size=1,
                    num_layers=1,
                    num_heads=4,
                    embed_dim=64,
                    env_num=max(envs, evals),
                    collector_env_num=envs,
                    evaluator_env_num=evals,
                ),
            ),
            model_path=None,
            num_unroll_steps=unroll,
            cuda=True,
            env_type="not_board_games",
            game_segment_length=40,
            replay_ratio=0.25,
            batch_size=24,
            optim_type="AdamW",
            piecewise_decay_lr_scheduler=False,
            discount_factor=0.98,
            td_steps=4,
            learning_rate=2e-4,
            cos_lr_scheduler=True,
            num_simulations=simulations,
            reanalyze_ratio=0,
            n_episode=envs,
            eval_freq=int(2e3),
            replay_buffer_size=int(1e5),
            collector_env_num=envs,
            evaluator_env_num=evals,
        ),
    )
)
main_config = swing_config

create_config = EasyDict(
    dict(
        env=dict(type="pendulum_lightzero", import_names=["zoo.classic_control.pendulum.envs.pendulum_lightzero_env"]),
        env_manager=dict(type="subprocess"),
        policy=dict(type="sampled_unizero", import_names=["lzero.policy.sampled_unizero"]),
    )
)

if __name__ == "__main__":
    from lzero.entry import train_unizero

    train_unizero([main_config, create_config], seed=2, max_env_step=int(3e4))
