"""A LightZero config as for Pendulum with bins: an environment of continuous actions, an agent of numbered ones."""

from easydict import EasyDict

bins, envs, evals, unroll, context = 9, 4, 2, 6, 3

main_config = EasyDict(
    dict(
        exp_name=f"data/swing_{bins}_bins",
        env=dict(
            env_id="Pendulum-v1",
            continuous=False,
            manually_discretization=True,
            each_dim_disc_size=bins,
            collector_env_num=envs,
            evaluator_env_num=evals,
            n_evaluator_episode=evals,
            manager=dict(shared_memory=False),
        ),
        policy=dict(
            model=dict(
                observation_shape=3,
                action_space_size=bins,
                model_type="mlp",
                world_model_cfg=dict(
                    obs_type="vector",
                    max_blocks=unroll,
                    max_tokens=2 * unroll,
                    context_length=2 * context,
                    device="cpu",
                    action_space_size=bins,
                    num_layers=1,
                    num_heads=2,
                    embed_dim=32,
                    env_num=envs,
                ),
            ),
            model_path=None,
            num_unroll_steps=unroll,
            env_type="not_board_games",
            game_segment_length=40,
            batch_size=24,
            num_simulations=10,
            n_episode=envs,
            collector_env_num=envs,
            evaluator_env_num=evals,
        ),
    )
)
create_config = EasyDict(dict(env=dict(type="pendulum_lightzero"), policy=dict(type="unizero")))

if __name__ == "__main__":
    from lzero.entry import train_unizero

    train_unizero([main_config, create_config], seed=0, max_env_step=int(2e4))
