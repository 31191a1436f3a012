"""A LightZero config as for an Atari game: built in a function, by a table that only LightZero has; segments."""

from easydict import EasyDict
from zoo.atari.config.atari_env_action_space_map import atari_env_action_space_map


def main(env_id, seed):
    num_actions = atari_env_action_space_map[env_id]
    envs, segments, segment, evals, simulations, unroll, context = 8, 8, 20, 5, 50, 10, 4

    game_config = dict(
        env=dict(
            stop_value=int(1e6),
            env_id=env_id,
            observation_shape=(3, 96, 96),
            gray_scale=False,
            collector_env_num=envs,
            evaluator_env_num=evals,
            n_evaluator_episode=evals,
            manager=dict(shared_memory=False),
        ),
        policy=dict(
            learn=dict(learner=dict(hook=dict(save_ckpt_after_iter=1000000))),
            model=dict(
                observation_shape=(3, 96, 96),
                action_space_size=num_actions,
                world_model_cfg=dict(
                    policy_entropy_weight=0,
                    continuous_action_space=False,
                    max_blocks=unroll,
                    max_tokens=2 * unroll,
                    context_length=2 * context,
                    device="cuda",
                    action_space_size=num_actions,
                    num_layers=4,
                    num_heads=8,
                    embed_dim=768,
                    obs_type="image",
                    env_num=max(envs, evals),
                    use_new_cache_manager=True,
                    num_simulations=simulations,
                    game_segment_length=segment,
                    rotary_emb=True,
                ),
            ),
            model_path=None,
            use_augmentation=False,
            manual_temperature_decay=True,
            threshold_training_steps_for_final_temperature=int(5e4),
            use_priority=False,
            num_unroll_steps=unroll,
            update_per_collect=None,
            replay_ratio=0.25,
            batch_size=64,
            optim_type="AdamW",
            learning_rate=0.0001,
            num_simulations=simulations,
            num_segments=segments,
            td_steps=5,
            train_start_after_envsteps=2000,
            game_segment_length=segment,
            grad_clip_value=20,
            replay_buffer_size=int(1e6),
            eval_freq=int(5e3),
            collector_env_num=envs,
            evaluator_env_num=evals,
            buffer_reanalyze_freq=1 / 10,
            reanalyze_batch_size=160,
            reanalyze_partition=1,
        ),
    )
    main_config = EasyDict(game_config)
    create_config = EasyDict(
        dict(
            env=dict(type="atari_lightzero", import_names=["zoo.atari.envs.atari_lightzero_env"]),
            env_manager=dict(type="subprocess"),
            policy=dict(type="unizero", import_names=["lzero.policy.unizero"]),
        )
    )
    from lzero.entry import train_unizero_segment

    main_config.exp_name = f"data/{env_id[:-14]}/{env_id[:-14]}_segments-{segments}_seed{seed}"
    train_unizero_segment(
        [main_config, create_config], seed=seed, model_path=main_config.policy.model_path, max_env_step=int(5e5)
    )


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Train on a game.")
    parser.add_argument("--env", type=str, default="PongNoFrameskip-v4")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    for seed in range(args.seed, args.seed + 3):
        main(args.env, seed)
